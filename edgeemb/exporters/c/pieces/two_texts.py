"""What the C export of a classifier has for pairs of texts: a function that takes both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeemb.exporters.c.arena import Buffer

_API = """
/* Two texts in, logits out. Of texts that are too long together, a token at a time is cut off the one that has more. */
int32_t @lower@_run_pair(
    void *arena, size_t arena_bytes, const char *text, size_t bytes, const char *pair, size_t pair_bytes, float *output);
"""

_CODE = """
int32_t @lower@_run_pair(
    void *arena, size_t arena_bytes, const char *text, size_t bytes, const char *pair, size_t pair_bytes, float *output)
{
    const eem_texts given = {text, pair, bytes, pair_bytes, 0, 0};
    uint8_t *base = (uint8_t *)arena;
    int32_t *ids = (int32_t *)(void *)(base + @at_ids@), *types = ids + @UPPER@_TOKENS;
    eet_output tokens = {(uint32_t *)ids, (uint32_t *)types, NULL, NULL, @UPPER@_TOKENS, 0};
    eem_status status = check_arena(arena, arena_bytes);

    if (status != EEM_OK) {
        return status;
    }
    EEM_MARK();
    status = eem_pair_in_arena(&tokenizer, &given, base, arena_bytes, @at_ids@, @at_ids@ + 8 * (size_t)@UPPER@_TOKENS, &tokens, NULL);
    return status != EEM_OK ? status : @run@;
}
"""

_RUN_TYPES = "@lower@_run_types(arena, arena_bytes, ids, types, tokens.count, output)"
_RUN = "@lower@_run(arena, arena_bytes, ids, tokens.count, output)"
#: The step of a run in which types are read.
_SUM = 1


def pairs_api(prefix: str) -> str:
    """Declarations for `model.h`.

    :param prefix: prefix of the symbols.
    """
    return _API.replace("@lower@", prefix)


def pairs_code(prefix: str, typed: bool, at_ids: int) -> str:
    """The same for `model.c`.

    :param prefix: prefix of the symbols.
    :param typed: whether the model takes the types of tokens.
    :param at_ids: where the ids lie in the arena; types lie behind them.
    """
    code = _CODE.replace("@run@", _RUN_TYPES if typed else _RUN).replace("@at_ids@", str(at_ids))
    return code.replace("@lower@", prefix).replace("@UPPER@", prefix.upper())


def with_types(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Working memory with room for a type behind each id, for as long as types are read.

    :param buffers: that of the encoder.
    """
    return [
        replace(buffer, bytes=2 * buffer.bytes, last=_SUM) if buffer.name == "ids" else buffer
        for buffer in buffers
    ]

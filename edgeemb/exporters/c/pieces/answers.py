"""What the C export of a model that answers questions has: a function that takes the question and the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeemb.exporters.c.arena import Buffer

_API = """
/* A question and a text of any length in, the most probable answers out, the best first: parts of the text, of which none lies over
 * another. spans [top][2]: the bytes [from, to) of the text; scores [top]: their probabilities; *count: how many there are. A text that
 * does not fit beside its question is read in windows. See micro/answers.h; EEM_TEXT_NEEDS_MORE asks for a larger arena. */
int32_t @lower@_answer(
    void *arena, size_t arena_bytes, const char *question, size_t question_bytes, const char *text, size_t bytes, size_t top,
    uint32_t *spans, float *scores, size_t *count);
"""

_CODE = """
#include "micro/answers.h"

int32_t @lower@_answer(
    void *arena, size_t arena_bytes, const char *question, size_t question_bytes, const char *text, size_t bytes, size_t top,
    uint32_t *spans, float *scores, size_t *count)
{
    uint8_t *base = (uint8_t *)arena;
    int32_t *ids = (int32_t *)(void *)(base + @at_ids@), *types = ids + @UPPER@_TOKENS;
    float *logits = (float *)(void *)(base + @at_logits@);
    eet_output tokens = {(uint32_t *)ids, (uint32_t *)types, NULL, NULL, @UPPER@_TOKENS, 0};
    eem_texts given = {NULL, NULL, 0, 0, 1, 0};
    eem_best best = {NULL, NULL, 0, 0}, found = {NULL, NULL, 0, 0};
    eem_asked asked;
    eem_status status = check_arena(arena, arena_bytes);
    uint32_t cut = 1;

    if (status != EEM_OK || spans == NULL || scores == NULL || count == NULL) {
        return status != EEM_OK ? status : (eem_status)EEM_NULL;
    }
    given.text = question;
    given.pair = text;
    given.size = question_bytes;
    given.pair_size = bytes;
    tokens.texts = tokens.types + @UPPER@_TOKENS;
    tokens.offsets = tokens.texts + @UPPER@_TOKENS;
    asked.logits = logits;
    asked.texts = tokens.texts;
    asked.spans = tokens.offsets;
    best.spans = spans;
    best.scores = scores;
    best.most = top;
    found.spans = tokens.offsets + 2 * @UPPER@_TOKENS;
    found.scores = (float *)(void *)(found.spans + 2 * @UPPER@_TOKENS);
    found.most = top < @UPPER@_TOKENS ? top : @UPPER@_TOKENS;
    while (cut != 0) {
        EEM_MARK();
        status = eem_pair_in_arena(
            &tokenizer, &given, base, arena_bytes, @at_ids@, @at_ids@ + @bytes@ * (size_t)@UPPER@_TOKENS, &tokens, &cut);
        if (status == EEM_OK) {
            status = @run@;
        }
        if (status != EEM_OK) {
            return status;
        }
        asked.count = tokens.count;
        eem_answers(&asked, text, bytes, &found);
        eem_best_join(&best, &found);
        given.skip += eem_window_step(&asked, @UPPER@_TOKENS);
    }
    *count = best.count;
    return EEM_OK;
}
"""

_RUN_TYPES = "@lower@_run_types(arena, arena_bytes, ids, types, tokens.count, logits)"
_RUN = "@lower@_run(arena, arena_bytes, ids, tokens.count, logits)"
#: Bytes of the id of a token, its type, its text, its place, and an answer, of which a window has no more than tokens; and of its logits.
_TOKEN_BYTES, _LOGITS_BYTES = 32, 8
#: No step of a run before the first writes the result, and none after the last reads the tokens.
_RESULT, _ANSWERS = 4, 7


def answers_api(prefix: str) -> str:
    """Declarations for `model.h`.

    :param prefix: prefix of the symbols.
    """
    return _API.replace("@lower@", prefix)


def answers_code(prefix: str, typed: bool, places: dict[str, int]) -> str:
    """The same for `model.c`.

    :param prefix: prefix of the symbols.
    :param typed: whether the model takes the types of tokens.
    :param places: where buffers lie in the arena; types, texts and places of tokens lie behind their ids.
    """
    code = _CODE.replace("@run@", _RUN_TYPES if typed else _RUN).replace("@bytes@", str(_TOKEN_BYTES))
    for name in ("ids", "logits"):
        code = code.replace(f"@at_{name}@", str(places[name]))
    return code.replace("@lower@", prefix).replace("@UPPER@", prefix.upper())


def with_answers(buffers: Sequence[Buffer], tokens: int) -> list[Buffer]:
    """Working memory with room for what is known of each token behind its id, and for the logits of all, until answers are there.

    :param buffers: that of the encoder.
    :param tokens: of the longest text.
    """
    held = [
        replace(buffer, bytes=_TOKEN_BYTES * tokens, last=_ANSWERS) if buffer.name == "ids" else buffer
        for buffer in buffers
    ]
    return [*held, Buffer("logits", _LOGITS_BYTES * tokens, _RESULT, _ANSWERS)]

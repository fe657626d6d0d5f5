"""What the C export of a multi-vector model (ColBERT) has for text: functions that read it as a query, or as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeemb.bundle.manifest import DOCUMENT, QUERY
from edgeemb.errors import ExportError
from edgeemb.exporters.c.arena import Buffer
from edgeemb.exporters.c.source.template import fill_in
from edgeemb.models.base import LoadedModel
from edgeemb.runtimes.token_vectors import Reading, reading_of

_API = """
/* @WHAT@ in, a vector for each of its *count tokens out, but for those that are compared with nothing: output has room for
 * @UPPER@_TOKENS of them. What the model wants in front of the text, and how many tokens it reads of it, is seen to. */
int32_t @lower@_run_@kind@(void *arena, size_t arena_bytes, const char *text, size_t bytes, float *output, size_t *count);
"""

_CODE = """
/* How a text is read: its tokens up to a limit, filled up with a token to a number of them; and the tokens that have no vector. */
typedef struct reading {
    eem_tokenizer tokenizer;
    uint32_t limit, expansion;
    int32_t filler;
    const int32_t *skipped;
    size_t skipped_count;
} reading;

static int is_skipped(const reading *how, int32_t id)
{
    size_t at;

    for (at = 0; at < how->skipped_count; ++at) {
        if (how->skipped[at] == id) {
            return 1;
        }
    }
    return 0;
}

static eem_status run_as(
    const reading *how, void *arena, size_t arena_bytes, const char *text, size_t bytes, float *output, size_t *count)
{
    uint8_t *base = (uint8_t *)arena;
    int32_t *ids = (int32_t *)(void *)(base + @at_ids@);
    size_t tokens, @declared@at;
    eem_status status = check_arena(arena, arena_bytes);

    if (status != EEM_OK || text == NULL || output == NULL || count == NULL) {
        return status != EEM_OK ? status : (eem_status)EEM_NULL;
    }
    EEM_MARK();
    status = eem_text_in_arena(&how->tokenizer, text, bytes, base, arena_bytes, @at_ids@, ids, NULL, how->limit, &tokens);
@seen@    while (status == EEM_OK && tokens < how->expansion) {
        ids[tokens++] = how->filler;
    }
    status = status != EEM_OK ? status : @run@;
    for (*count = 0, at = 0; status == EEM_OK && at < tokens; ++at) {
        if (!is_skipped(how, ids[at])) {
            if (at != *count) {
                memcpy(output + *count * @UPPER@_OUTPUTS, output + at * @UPPER@_OUTPUTS, @UPPER@_OUTPUTS * sizeof *output);
            }
            ++*count;
        }
    }
    return status;
}
"""

#: Pieces of `_CODE` by whether queries end with tokens to which no other attends.
_PIECES = {
    False: {"declared": "", "seen": "", "run": "@lower@_run(arena, arena_bytes, ids, tokens, output)"},
    True: {
        "declared": "seen, ",
        "seen": "    seen = status == EEM_OK ? tokens : 0;\n",
        "run": "@lower@_run_attended(arena, arena_bytes, ids, NULL, &tokens, &seen, 1, output)",
    },
}

_READ = """
int32_t @lower@_run_@kind@(void *arena, size_t arena_bytes, const char *text, size_t bytes, float *output, size_t *count)
{
    static const uint8_t front[] = {@prompt@};
@skipped@    static const reading how = {{@lower@_tokenizer, sizeof_tokenizer, front, sizeof front - 1}, @limit@u, @expansion@u, @filler@, @skips@};

    return run_as(&how, arena, arena_bytes, text, bytes, output, count);
}
"""

#: No step of a run comes after the choice of vectors, for which ids are kept.
_CHOICE = 7


def readings(model: LoadedModel, tokens: int) -> dict[str, Reading]:
    """How texts are read, by what they are.

    :param model: a multi-vector model.
    :param tokens: of the longest text.
    :return: ``query`` and ``document``.
    :raises ExportError: if queries are filled up to more tokens than there may be.
    """
    found = {kind: reading_of(model, query=kind == QUERY) for kind in (QUERY, DOCUMENT)}
    query = found[QUERY]
    if query.expansion > tokens:
        raise ExportError(
            f"the model fills queries up to {query.expansion} tokens, the export takes {tokens}: use lengths={query.expansion} or more"
        )
    return found


def interaction_api(prefix: str, found: dict[str, Reading]) -> str:
    """Declarations for `model.h`.

    :param prefix: prefix of the symbols.
    :param found: what `readings` gave.
    """
    text = "".join(_API.replace("@WHAT@", f"A {kind}").replace("@kind@", kind) for kind in found)
    return text.replace("@lower@", prefix).replace("@UPPER@", prefix.upper())


def interaction_code(prefix: str, found: dict[str, Reading], tokens: int, blob: int, at_ids: int) -> str:
    """The same for `model.c`.

    :param prefix: prefix of the symbols.
    :param found: what `readings` gave.
    :param tokens: of the longest text.
    :param blob: bytes of the compiled tokenizer.
    :param at_ids: where the ids lie in the arena.
    """
    text = _CODE.replace("@at_ids@", str(at_ids))
    text = fill_in(text, _PIECES[found[QUERY].filled])
    for kind, reading in found.items():
        ids = ", ".join(map(str, reading.skipped))
        skipped = f"    static const int32_t skipped[] = {{{ids}}};\n" if ids else ""
        values = {
            "kind": kind,
            "prompt": ", ".join(map(str, [*reading.prompt.encode("utf-8"), 0])),
            "skipped": skipped,
            "skips": f"skipped, {len(reading.skipped)}" if ids else "NULL, 0",
            "limit": str(min(reading.length or tokens, tokens)),
            "expansion": str(reading.expansion),
            "filler": str(reading.filler),
        }
        text += fill_in(_READ.replace("sizeof_tokenizer", f"{blob}u"), values)
    return text.replace("@lower@", prefix).replace("@UPPER@", prefix.upper())


def with_choice_of_vectors(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Working memory in which the ids are kept until the vectors are chosen.

    :param buffers: that of the encoder.
    """
    return [replace(buffer, last=_CHOICE) if buffer.name == "ids" else buffer for buffer in buffers]

"""What the C export of a multi-vector model (ColBERT) has for queries that are filled up with tokens to which no other attends."""

from __future__ import annotations

from collections.abc import Mapping

from edgeemb.exporters.c.encoder import Encoder
from edgeemb.exporters.c.source.template import fill_in

_API = """
/* The same as @lower@_run_batch for texts of which only the first tokens are attended to: attended [texts] is their number, from 1 to that of
 * all. The tokens behind them have results, and change no other. Of texts of more than @reach@ tokens, all must be attended to: a layer sees no
 * farther. */
int32_t @lower@_run_attended(
    void *arena, size_t arena_bytes, const int32_t *ids, const int32_t *types, const size_t *lengths, const size_t *attended, size_t texts,
    float *output);
"""

_CODE = """
int32_t @lower@_run_attended(
    void *arena, size_t arena_bytes, const int32_t *ids, const int32_t *types, const size_t *lengths, const size_t *attended, size_t texts,
    float *output)
{
    size_t number;

    if (lengths == NULL || attended == NULL) {
        return EEM_NULL;
    }
    for (number = 0; number < texts; ++number) {
        if (attended[number] == 0) {
            return EEM_EMPTY;
        }
        if (attended[number] > lengths[number]) {
            return EEM_NO_PLACE;
        }
        if (attended[number] < lengths[number] && lengths[number] > @reach@u) {
            return EEM_TOO_LONG;
        }
    }
    return compute(@alone@arena, arena_bytes, ids, types, lengths, texts, output);
}
"""


def reach(encoder: Encoder, tokens: int) -> int:
    """Tokens of the longest text of which each is in the window of every other.

    :param encoder: the model.
    :param tokens: of the longest text that it takes.
    """
    return min([tokens, *(layer.window + 1 for layer in encoder.layers if layer.window is not None)])


def with_attended(pieces: Mapping[str, str]) -> dict[str, str]:
    """The parts of `model.c` that depend on the packing, with how many tokens of each text are attended to beside how many it has.

    :param pieces: `Packing.pieces`.
    """
    return {
        **pieces,
        "parallel": pieces["parallel"] + "const size_t *attended, ",
        "hand": pieces["hand"] + "attended == NULL ? NULL : attended + number, ",
        "alone": pieces["alone"] + "NULL, ",
        "whole": "NULL, ",
        "seen": "(attended == NULL ? lengths : attended)",
    }


def attended_api(prefix: str, reach: int) -> str:
    """The declaration for `model.h`.

    :param prefix: prefix of the symbols.
    :param reach: see `reach`.
    """
    return fill_in(_API, {"lower": prefix, "reach": str(reach)})


def attended_code(prefix: str, reach: int, alone: str) -> str:
    """The function for `model.c`.

    :param prefix: prefix of the symbols.
    :param reach: see `reach`.
    :param alone: what the packing's `compute` takes first for one thread.
    """
    return fill_in(_CODE, {"lower": prefix, "reach": str(reach), "alone": alone + "attended, "})

"""What the C export of a masked language model has behind its encoder: the best tokens of a place, over the very arrays of the stored table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from edgeemb.errors import ExportError
from edgeemb.exporters.c.arena import Buffer
from edgeemb.exporters.c.encoder import Decoder
from edgeemb.exporters.c.lookup import FLOATS, array_bytes
from edgeemb.exporters.c.result import Result
from edgeemb.exporters.c.source.files import Arrays
from edgeemb.tables import Table
from edgeemb.tables.head import CodebookLogits, DenseLogits, Hidden, QuantizedLogits, head_of, why_no_head

_API = """
/* Ids in, the best tokens of some of their places out: places [place_count] are numbers of ids, below count; NULL for all of them.
 * output [places][@UPPER@_OUTPUTS]: the logits of each place, the best first; tokens [places][@UPPER@_OUTPUTS]: the ids that these belong
 * to. Only these places go through the output layer. Of equal logits the lower id comes first. */
int32_t @lower@_best(
    void *arena, size_t arena_bytes, const int32_t *ids, size_t count, const uint32_t *places, size_t place_count, float *output,
    int32_t *tokens);
"""

_FILL_API = """
#define @UPPER@_MASK @mask@

/* Text in, the best tokens of each of its masked places out, in order: probabilities [most][@UPPER@_OUTPUTS] among these tokens, the best
 * first; tokens [most][@UPPER@_OUTPUTS] their ids; *count: how many places there are, 0 where none is masked. At most `most` of them, the
 * first, are computed. */
int32_t @lower@_fill(
    void *arena, size_t arena_bytes, const char *text, size_t bytes, size_t most, float *probabilities, int32_t *tokens, size_t *count);

/* The text of a token, UTF-8 in flash that no 0 ends, and how many bytes it has; NULL where the tokenizer has no such token. A program that
 * never calls it need not carry these texts. */
const char *@lower@_token(int32_t token, size_t *bytes);
"""

_CALLS = """
#include "micro/masked.h"

static const @decoder@;

/* Ids in, the vector of each token out, in the arena. */
static eem_status vectors_of(void *arena, size_t arena_bytes, const int32_t *input, size_t count)
{
    return compute(@alone@arena, arena_bytes, input, NULL, &count, 1, (float *)(void *)((uint8_t *)arena + @at_rows@));
}

/* The best tokens of `count` places, at most @at_once@; of those that follow `first` where places are NULL. */
static void decode(uint8_t *base, const uint32_t *places, uint32_t first, uint32_t count, float *output, int32_t *tokens)
{
    const float *rows = (const float *)(const void *)(base + @at_rows@);
    float *chosen = (float *)(void *)(base + @at_chosen@);
    uint32_t number;

    for (number = 0; number < count; ++number) {
        const size_t place = places == NULL ? first + number : places[number];

        memcpy(chosen + (size_t)number * @width@, rows + place * @width@, @width@ * sizeof *chosen);
    }
    @decode@;
}

int32_t @prefix@_best(
    void *arena, size_t arena_bytes, const int32_t *input, size_t count, const uint32_t *places, size_t place_count, float *output,
    int32_t *tokens)
{
    const size_t all = places == NULL ? count : place_count;
    eem_status status;
    size_t at;

    if (output == NULL) {
        return EEM_NULL;
    }
    for (at = 0; places != NULL && at < place_count; ++at) {
        if (places[at] >= count) {
            return EEM_NO_PLACE;
        }
    }
    status = vectors_of(arena, arena_bytes, input, count);
    for (at = 0; status == EEM_OK && at < all; at += @at_once@) {
        decode(
            (uint8_t *)arena, places == NULL ? NULL : places + at, (uint32_t)at, all - at < @at_once@ ? (uint32_t)(all - at) : @at_once@,
            output + at * @UPPER@_OUTPUTS, tokens == NULL ? NULL : tokens + at * @UPPER@_OUTPUTS);
    }
    EEM_MARK();
    return status;
}

int32_t @prefix@_run(void *arena, size_t arena_bytes, const int32_t *input, size_t count, float *output)
{
    return @prefix@_best(arena, arena_bytes, input, count, NULL, 0, output, NULL);
}
@text@"""

_FILL = """
#include "micro/spellings.h"

extern const uint8_t @prefix@_spellings[];

const char *@prefix@_token(int32_t token, size_t *bytes)
{
    return eem_spelling(@prefix@_spellings, token, bytes);
}

int32_t @prefix@_fill(
    void *arena, size_t arena_bytes, const char *text, size_t bytes, size_t most, float *probabilities, int32_t *tokens, size_t *count)
{
    uint8_t *base = (uint8_t *)arena;
    @type@ *ids = (@type@ *)(void *)(base + @at_ids@);
    size_t length, at, place;
    eem_status status = check_arena(arena, arena_bytes);

    if (status != EEM_OK || text == NULL || probabilities == NULL || tokens == NULL || count == NULL) {
        return status != EEM_OK ? status : (eem_status)EEM_NULL;
    }
    EEM_MARK();
    status = eem_text_in_arena(&tokenizer, text, bytes, base, arena_bytes, @at_ids@, ids, NULL, @UPPER@_TOKENS, &length);
    if (status != EEM_OK) {
        return status;
    }
    for (*count = 0, at = 0; at < length; ++at) {
        *count += ids[at] == @UPPER@_MASK;
    }
    status = *count == 0 ? status : vectors_of(arena, arena_bytes, ids, length);
    for (at = 0, place = 0; status == EEM_OK && at < length && place < most; ++at) {
        if (ids[at] == @UPPER@_MASK) {
            float *row = probabilities + place * @UPPER@_OUTPUTS;

            decode(base, NULL, (uint32_t)at, 1, row, tokens + place * @UPPER@_OUTPUTS);
            eem_softmax(row, @UPPER@_OUTPUTS);
            ++place;
        }
    }
    EEM_MARK();
    return status;
}
"""

#: No step of a run comes after the choice of tokens.
_CHOICE = 7
#: Of runtimes/kernels/logits.h and top.h, in bytes where they have pointers of 64 bits.
_CHUNK, _PLACE_BYTES, _PART_BYTES, _SELECTION_BYTES, _MORE_KEYS, _TOP_ROWS = 64, 72, 320, 40, 64, 512


#: What a C export computes logits with.
_Head = QuantizedLogits | DenseLogits | CodebookLogits


def logits_over(table: Table, name: str) -> _Head:
    """How logits are computed over a table.

    :param table: the table.
    :param name: its alias, for messages.
    :raises ExportError: if no kernel does.
    """
    reason = why_no_head(table)
    head = None if reason else head_of(table)
    if not isinstance(head, _Head) or head.vectors != Hidden():
        said = f": {reason}" if reason else ""
        raise ExportError(
            f"table {name} is also the output layer, which the C runtime cannot compute from {table.spec}{said}; "
            "it reads fp32, fp16, int8, int4, int2, binary, pq and rvq: choose one of these (`table`), or another `runtime`"
        )
    return head


def _decoder(head: _Head, table: Table, arrays: Arrays, bias: str) -> tuple[str, str]:
    """The definition of the output layer in C, and the call that gives the best tokens of some vectors."""
    places = {name: arrays.add_table(array_bytes(table, name)) for name in table.arrays}
    rows, dim = table.shape
    if isinstance(head, DenseLogits):
        kind = FLOATS[str(table.arrays[head.array].dtype)]
        return (
            f"eem_dense_decoder decoder = {{{places[head.array]}, {kind}, {rows}, {dim}, {bias}, @UPPER@_OUTPUTS}}",
            "eem_decode_dense(&decoder, chosen, count, base + @at_work@, output, tokens)",
        )
    if isinstance(head, CodebookLogits):
        kind = FLOATS[str(table.arrays[head.codebooks].dtype)]
        sizes = ", ".join(map(str, (rows, *table.arrays[head.codebooks].shape, int(head.additive))))
        return (
            f"eem_books_decoder decoder = {{{{{places[head.codes]}, {places[head.codebooks]}, {sizes}, {kind}}}, {bias}, @UPPER@_OUTPUTS}}",
            "eem_decode_books(&decoder, chosen, count, base + @at_prepared@, base + @at_work@, output, tokens)",
        )
    block = 0 if head.block == head.dim else head.block
    kind = FLOATS[str(table.arrays[head.scales].dtype)]
    stored = f"{places[head.codes]}, {places[head.scales]}, {rows}, {head.bits}, {dim}, {block}, {head.planes}, {kind}"
    return (
        f"eem_decoder decoder = {{{{{stored}}}, {bias}, @UPPER@_OUTPUTS}}",
        f"eem_decode(&decoder, EEM_LOGITS({head.bits}), chosen, count, base + @at_prepared@, base + @at_work@, output, tokens)",
    )


def masked_result(
    decoder: Decoder, table: Table, name: str, arrays: Arrays, top: int, mask: int | None
) -> Result:
    """The result of a masked language model: the best tokens of each token.

    :param decoder: the output layer.
    :param table: the table that it shares.
    :param name: its alias, for messages.
    :param arrays: where the table is, and the bias goes.
    :param top: tokens that come out for a place.
    :param mask: id of the mask token; None without one.
    :raises ExportError: if no kernel computes logits over the table.
    """
    bias = arrays.add_floats(decoder.bias) if decoder.bias.any() else "NULL"
    defined, call = _decoder(logits_over(table, name), table, arrays, bias)
    calls = _CALLS.replace("@decoder@", defined).replace("@decode@", call)
    calls = calls.replace("@at_once@", f"{arrays.packing.vectors}u").replace("@width@", f"{table.shape[1]}u")
    return Result(
        macros=" * @UPPER@_OUTPUTS      best tokens of each place\n"
        " * @UPPER@_PER_TOKEN    1: a result has a row for each token",
        run="the logits of the best tokens for each token out: output [count][@UPPER@_OUTPUTS], row t that of token t, the best first.",
        batch="",
        advance="0",
        numbers_api=_API,
        numbers="",
        text_api="" if mask is None else _FILL_API.replace("@mask@", str(mask)),
        text="" if mask is None else _FILL,
        spans="NULL",
        count="&count",
        calls=calls,
    )


def with_choice(buffers: Sequence[Buffer], table: Table, top: int, vectors: int) -> list[Buffer]:
    """Working memory for the choice of tokens, for which ids and rows are kept.

    :param buffers: that of the encoder.
    :param table: the table.
    :param top: tokens that come out for a place.
    :param vectors: places that are computed at a time.
    """
    head, dim = head_of(table), table.shape[1]
    prepared = 0
    if isinstance(head, QuantizedLogits):
        parts = 8 // head.bits
        chunks = ceil(ceil(dim / parts) / _CHUNK)
        prepared = chunks * parts * _PLACE_BYTES + vectors * (4 + chunks * parts * _PART_BYTES)
    if isinstance(head, CodebookLogits):
        books, entries, _ = table.arrays[head.codebooks].shape
        prepared = 4 * books * entries
    work = _SELECTION_BYTES + 8 * (2 * top + _MORE_KEYS) + 4 * _TOP_ROWS
    held = [replace(buffer, last=_CHOICE) if buffer.name in ("ids", "rows") else buffer for buffer in buffers]
    return [
        *held,
        Buffer("chosen", 4 * vectors * dim, _CHOICE, _CHOICE),
        Buffer("prepared", prepared, _CHOICE, _CHOICE),
        Buffer("work", vectors * work, _CHOICE, _CHOICE),
    ]

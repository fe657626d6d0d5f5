"""Weights in panels of 32 outputs: the packing of application processors, run by `runtimes/panels/encoder.h` a block of rows at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeemb.body import panels as layout
from edgeemb.body.grid import Grid
from edgeemb.body.panels import BLOCK, COLUMNS
from edgeemb.exporters.c.arena import Buffer
from edgeemb.exporters.c.encoder import Encoder, Words
from edgeemb.exporters.c.packing import (
    Packing,
    fours_starts,
    padded,
    widest_hidden,
    widest_input,
    widest_mlp,
)

#: `EEP_ROWS` and `EEP_BLOCK` of `runtimes/panels/panels.h`.
ROWS, ROW_BLOCK = 8, 32

#: Bytes after a buffer of floats that a vector may read past the last head.
_SLACK = 64

_PLACES = """\
    memory.rows = (float *)(void *)(base + @at_rows@);
    memory.queries = (float *)(void *)(base + @at_queries@);
    memory.wide = (float *)(void *)(base + @at_wide@);
    memory.codes.codes = base + @at_codes@;
    memory.codes.scale = (float *)(void *)(base + @at_code_scales@);
    memory.codes.zero = (int32_t *)(void *)(base + @at_code_zeros@);
    memory.codes.starts = (int32_t *)(void *)(base + @at_code_starts@);
    memory.keys = (int8_t *)(base + @at_keys@);
    memory.values = (int16_t *)(void *)(base + @at_values@);
    memory.key_scales = (float *)(void *)(base + @at_key_scales@);
    memory.value_scales = (float *)(void *)(base + @at_value_scales@);
    memory.key_sums = (int32_t *)(void *)(base + @at_key_sums@);
    memory.scores = (float *)(void *)(base + @at_scores@);
    memory.shares = (int16_t *)(void *)(base + @at_shares@);
    memory.factors = (float *)(void *)(base + @at_factors@);
    memory.spare = base + @at_wide@ + @attended@;
    memory.spare_bytes = @spare@;
    memory.parallel = parallel;"""


#: The normalisation behind the last layer.
_FINAL = (
    "    eep_norm(eep_best(), &memory, &final_norm, memory.rows, NULL, memory.rows, STRIDE, texts.rows);\n"
)

_WIDEN = "\n    eep_widen(eep_best(), &widen, memory, STRIDE, tokens);"


#: For `model.h`: `@lower@_run_parallel`.
_API = """
/* A loop whose turns may run at the same time: run(pool, count, task, context) calls task(context, index) once for each index below count,
 * on any threads, and returns when all are done. With Apple's libdispatch: dispatch_apply_f(count, DISPATCH_APPLY_AUTO, context, task). */
typedef struct @lower@_parallel {
    void (*run)(void *pool, size_t count, void (*task)(void *context, size_t index), void *context);
    void *pool;
} @lower@_parallel;

/* The same as @lower@_run_batch, its work divided among the threads of `parallel`, which is NULL for the caller's alone. The bits are the same
 * for any number of threads. */
int32_t @lower@_run_parallel(
    const @lower@_parallel *parallel, void *arena, size_t arena_bytes, const @TYPE@ *@TOKENS@, const int32_t *types, const size_t *lengths,
    size_t texts, float *output);
"""

_DIVIDED = """
int32_t @prefix@_run_parallel(
    const @prefix@_parallel *parallel, void *arena, size_t arena_bytes, const @type@ *input, const int32_t *types, const size_t *lengths,
    size_t texts, float *output)
{
    eep_parallel given = {NULL, NULL};

    if (lengths == NULL || (parallel != NULL && parallel->run == NULL)) {
        return EEM_NULL;
    }
    if (parallel != NULL) {
        given.run = parallel->run;
        given.pool = parallel->pool;
    }
    return compute(parallel == NULL ? NULL : &given, @whole@arena, arena_bytes, input, types, lengths, texts, output);
}
"""


_COMPUTE = """\
/* Embeddings to results of as many texts as fit; gives their number. */
static size_t some_texts(
    @parallel@uint8_t *base, const @type@ *input, const int32_t *types, const size_t *lengths, size_t count, float *output)
{
    eep_texts texts = {NULL, 0, 0, 0};
    @memory@ memory;
    uint32_t layer, number;

@places@
    texts.text = (eep_text *)(void *)(base + @at_texts@);
    while (texts.count < count && eep_texts_add(&texts, (uint32_t)lengths[texts.count], (uint32_t)@seen@[texts.count], shape.capacity)) {
        const eep_text *text = texts.text + texts.count - 1;
        const @memory@ own = eep_memory_of(&shape, &memory, text);

        embed(&own, base, input + (size_t)text->first * @step@, types == NULL ? NULL : types + text->first, text->tokens);
    }
    for (number = 0; number < texts.count; ++number) {
        const @memory@ own = eep_memory_of(&shape, &memory, texts.text + number);

        eep_begin(&shape, &own, texts.text[number].attended);
    }
    for (layer = 0; layer < @count@; ++layer) {
        eep_attention_run(eep_best(), &layers[layer], &shape, &memory, &texts);
        EEM_MARK();
        eep_mlp_run(eep_best(), &layers[layer], &shape, &memory, texts.rows);
        EEM_MARK();
    }
@final@@finish@
    return texts.count;
}
"""

#: Results of the texts that ran together.
_FINISH = """\
    for (number = 0; number < texts.count; ++number) {
        finish(eep_memory_of(&shape, &memory, texts.text + number), base, texts.text[number].tokens, output + (size_t)number * @UPPER@_OUTPUTS);
    }"""
_FINISH_TOKENS = "    finish(memory, base, texts.rows, output);"

#: Rows to the rows of the result, a block of them through the whole head.
_ROWS = """\
    uint32_t at, count, row;

    for (at = 0; at < tokens; at += count) {
        float *source = memory.rows + (size_t)at * STRIDE;

        count = tokens - at < EEP_BLOCK ? tokens - at : EEP_BLOCK;
@head@        for (row = 0; row < count; ++row, output += @outputs@) {
            memcpy(output, source + (size_t)row * @stride@, @outputs@ * sizeof *output);
@unit@        }
    }"""
#: Rows of `source` through a layer of the head.
_ROWS_DENSE = """\
        eep_quantize(eep_best(), &memory, source, {stride}, count, {inputs});
        source = (float *)(void *)(base + @at_hidden@) + {place};
        eep_linear(eep_best(), &memory, &head[{number}], count, {activation}, source, {padded});
"""
#: The same rows through a normalisation.
_ROWS_NORM = "        eep_best()->norm(&head_norm_{number}, source, NULL, source, {padded}, count);\n"


def panels(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """`edgeemb.body.panels.panels`, of whose last panel only half is there where that is enough.

    :param codes: int8[outputs, inputs].
    :return: int8[padded(outputs) * padded(inputs)].
    """
    whole = layout.panels(codes)
    last = whole[-1, :, : padded(len(codes)) - COLUMNS * (len(whole) - 1)]
    return np.concatenate([whole[:-1].reshape(-1), last.reshape(-1)])


def panels_fours(grid: Grid) -> NDArray[np.int8]:
    """`edgeemb.body.panels.panels_fours`, of whose last panel only half is there where that is enough.

    :param grid: of 4 bits with whole blocks.
    :return: int8[padded(outputs) * blocks * (2 + block / 2)].
    """
    whole = layout.panels_fours(grid)
    columns = padded(len(grid.codes)) - COLUMNS * (len(whole) - 1)
    scales, codes = whole[-1, :, : 2 * COLUMNS], whole[-1, :, 2 * COLUMNS :]
    blocks = len(scales)
    kept = scales[:, : 2 * columns], codes.reshape(blocks, -1, COLUMNS, 4)[:, :, :columns]
    last = np.concatenate([part.reshape(blocks, -1) for part in kept], axis=1)
    return np.concatenate([whole[:-1].reshape(-1), last.reshape(-1)]).view(np.int8)


def buffers(encoder: Encoder, tokens: int, scratch: int, text: int) -> list[Buffer]:
    """Working memory by lifetime. Steps: 0 lookups, 1 embedding sum, 2 attention, 3 MLP, 4 pooling, 5 head.

    :param encoder: the model.
    :param tokens: of the longest text.
    :param scratch: floats that lookups take.
    :param text: bytes that the tokenizer takes, in a step before all others.
    """
    heads, capacity = encoder.heads, padded(tokens)
    stride, head = padded(encoder.dim), padded(encoder.dim // encoder.heads)
    token_bytes = encoder.word.form.width if isinstance(encoder.word, Words) else 4
    codes = max(ROW_BLOCK * padded(widest_input(encoder)), heads * ROWS * head)
    hidden = _hidden(encoder) * (ROW_BLOCK if encoder.per_token else 1)
    return [
        Buffer("text", text, -1, -1),
        Buffer("ids", token_bytes * tokens, -1, 0),
        Buffer("rows", 4 * capacity * stride + _SLACK, 0, 5 if encoder.per_token else 4),
        Buffer("queries", 4 * capacity * stride + _SLACK, 2, 3),
        Buffer("wide", 4 * ROW_BLOCK * _wide(encoder) + _SLACK, 2, 3),
        Buffer("codes", codes, 0, 5),
        Buffer("code_scales", 4 * ROW_BLOCK, 0, 5),
        Buffer("code_zeros", 4 * ROW_BLOCK, 0, 5),
        Buffer("code_starts", 4 * ROW_BLOCK * fours_starts(encoder), 0, 5),
        Buffer("scratch", 4 * padded(scratch), 0, 1),
        Buffer("other", 4 * encoder.width, 1, 1),
        Buffer("keys", heads * capacity * head, 1, 3),
        Buffer("values", 2 * heads * capacity * head, 1, 3),
        Buffer("key_scales", 4 * heads * capacity, 1, 3),
        Buffer("value_scales", 4 * heads * capacity, 1, 3),
        Buffer("key_sums", 4 * heads * capacity, 1, 3),
        Buffer("scores", 4 * ROWS * capacity, 2, 2),
        Buffer("shares", 2 * ROWS * capacity, 2, 2),
        Buffer("factors", 4 * (2 + ROWS) * padded(heads), 2, 2),
        Buffer("texts", 16 * capacity // BLOCK, -1, 5),
        Buffer("pooled", 4 * padded(encoder.dim * len(encoder.pooling)), 4, 5),
        Buffer("hidden", 4 * 2 * hidden if encoder.head else 0, 5, 5),
    ]


def _hidden(encoder: Encoder) -> int:
    """Elements of a row between the layers of the head, or behind its last."""
    return max(padded(widest_hidden(encoder)), padded(encoder.outputs))


def _wide(encoder: Encoder) -> int:
    """Elements of a row between the linear layers of an MLP, or of its keys and values."""
    return max(padded(widest_mlp(encoder)), 2 * padded(encoder.dim))


def pieces(encoder: Encoder) -> dict[str, str]:
    """The parts of `model.c` that depend on the packing.

    :param encoder: the model.
    """
    pad = padded(encoder.width) - encoder.width
    # Attention writes as many elements to `wide` as a row has.
    attended = 4 * ROW_BLOCK * padded(encoder.dim)
    spare = 4 * ROW_BLOCK * _wide(encoder) - attended
    return {
        "compute": _COMPUTE,
        "finish": _FINISH_TOKENS if encoder.per_token else _FINISH,
        "divided": _DIVIDED,
        "parallel": "const eep_parallel *parallel, ",
        "hand": "parallel, ",
        "alone": "NULL, ",
        "whole": "",
        "seen": "lengths",
        "room": "panels",
        "memory": "eep_memory",
        "stride": str(padded(encoder.dim)),
        "pad": f"        memset(row + WIDTH, 0, {pad} * sizeof *row);\n" if pad else "",
        "norm_rows": "    eep_best()->norm(&embedding_norm, memory->rows, NULL, memory->rows, STRIDE, tokens);"
        + ("" if encoder.widen is None else _WIDEN),
        "final": "" if encoder.final is None else _FINAL,
        "places": _PLACES.replace("@attended@", str(attended)).replace("@spare@", str(spare)),
        "result": _rows(encoder) if encoder.per_token else _result(encoder),
    }


def _rows(encoder: Encoder) -> str:
    """Statements from the rows to those of the output."""
    stride, inputs, hidden = padded(encoder.dim), encoder.dim, _hidden(encoder)
    dense = ""
    for number, dense_layer in enumerate(encoder.head):
        outputs = len(dense_layer.linear.bias)
        dense += _ROWS_DENSE.format(
            stride=stride,
            inputs=inputs,
            place=number % 2 * ROW_BLOCK * hidden,
            number=number,
            activation=dense_layer.activation,
            padded=padded(outputs),
        )
        if dense_layer.norm is not None:
            dense += _ROWS_NORM.format(number=number, padded=padded(outputs))
        stride, inputs = padded(outputs), outputs
    unit = f"            eem_unit(output, {encoder.outputs});\n" if encoder.unit else ""
    text = _ROWS.replace("@head@", dense).replace("@unit@", unit)
    return text.replace("@stride@", str(stride)).replace("@outputs@", str(encoder.outputs))


def _result(encoder: Encoder) -> str:
    """Statements from the rows to the output."""
    first = "pooled" if encoder.head else "output"
    lines = [
        f"eem_pool({mode}, memory.rows, STRIDE, tokens, {count}, {first} + {begin});"
        for mode, begin, count in encoder.pooled()
    ]
    declared = []
    if encoder.head:
        pooled, hidden = encoder.dim * len(encoder.pooling), _hidden(encoder)
        declared = [
            "float *pooled = (float *)(void *)(base + @at_pooled@);",
            "float *hidden = (float *)(void *)(base + @at_hidden@);",
        ]
        if padded(pooled) != pooled:
            lines.append(f"memset(pooled + {pooled}, 0, {padded(pooled) - pooled} * sizeof *pooled);")
        source = first
        for number, dense in enumerate(encoder.head):
            to = f"hidden + {number % 2} * {hidden}"
            lines.append(
                f"eep_linear_run(eep_best(), &head[{number}], &memory, {source}, {dense.activation}, {to});"
            )
            if dense.norm is not None:
                lines.append(f"eep_best()->norm(&head_norm_{number}, {to}, NULL, {to}, 0, 1);")
            source = to
        lines.append(f"memcpy(output, {source}, {encoder.outputs} * sizeof *output);")
    if encoder.unit:
        lines.append(f"eem_unit(output, {encoder.outputs});")
    return "\n".join(f"    {line}".rstrip() for line in [*declared, "", *lines])


PANELS = Packing(
    name="panels",
    rooms=("panels", "micro", "text", "kernels", "threads"),
    memory="eep_memory",
    project="eep_linear_run(eep_best(), &projection, memory, scratch, EEM_IDENTITY, row);",
    vectors=4,
    lanes=BLOCK,
    pack=panels,
    pack_fours=panels_fours,
    buffers=buffers,
    pieces=pieces,
    api=_API,
)

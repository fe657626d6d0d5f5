"""Weights in pairs of outputs: the packing of microcontrollers, run by `runtimes/micro/encoder.h` two rows at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeemb.body.grid import Grid
from edgeemb.body.panels import BLOCK, fours
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

_PLACES = """\
    memory.rows = (float *)(void *)(base + @at_rows@);
    memory.keys = (int8_t *)(base + @at_keys@);
    memory.values = (int8_t *)(base + @at_values@);
    memory.key_scales = (float *)(void *)(base + @at_key_scales@);
    memory.value_scales = (float *)(void *)(base + @at_value_scales@);
    memory.scores = (float *)(void *)(base + @at_scores@);
    memory.projected = (float *)(void *)(base + @at_projected@);
    memory.wide = (float *)(void *)(base + @at_wide@);
    memory.pair = (uint32_t *)(void *)(base + @at_pair@);"""


#: The normalisation behind the last layer.
_FINAL = "    eem_norm_rows(&final_norm, memory.rows, tokens);\n"

_WIDEN = "        eem_linear_run(&widen, row, NULL, row, NULL, memory->pair);\n"


_COMPUTE = """\
/* Embeddings to the result of one text; gives the number of texts. */
static size_t some_texts(
    @parallel@uint8_t *base, const @type@ *input, const int32_t *types, const size_t *lengths, size_t count, float *output)
{
    const uint32_t tokens = (uint32_t)lengths[0], seen = (uint32_t)@seen@[0];
    @memory@ memory;
    uint32_t layer;

    (void)count;
@places@
    embed(&memory, base, input, types, tokens);
    for (layer = 0; layer < @count@; ++layer) {
        eem_attention_run(&layers[layer], &shape, &memory, tokens, seen);
        EEM_MARK();
        eem_mlp_run(&layers[layer], &shape, &memory, tokens);
        EEM_MARK();
    }
@final@    finish(memory, base, tokens, output);
    return 1;
}
"""


def interleave(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Two outputs side by side, block by block.

    :param codes: int8[outputs, inputs].
    :return: int8[ceil(outputs / 2) * 2 * padded(inputs)].
    """
    outputs, inputs = codes.shape
    wide = np.zeros((outputs + outputs % 2, padded(inputs)), np.int8)
    wide[:outputs, :inputs] = codes
    blocks = wide.reshape(len(wide) // 2, 2, wide.shape[1] // BLOCK, BLOCK)
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3)).reshape(-1)


def interleave_fours(grid: Grid) -> NDArray[np.int8]:
    """Two outputs of 4 bits side by side, block by block behind their scales: see `runtimes/micro/fours.h`.

    :param grid: of 4 bits with whole blocks.
    :return: int8[ceil(outputs / 2) * blocks * (4 + block)].
    """
    bytes_, scales = fours(grid)
    if len(bytes_) % 2:
        bytes_ = np.concatenate([bytes_, np.full_like(bytes_[:1], 0x88)])
        scales = np.concatenate([scales, np.zeros_like(scales[:1])])
    blocks = bytes_.shape[1]
    codes = bytes_.reshape(-1, 2, blocks, grid.block // 32, 16).transpose(0, 2, 3, 1, 4)
    heads = scales.reshape(-1, 2, blocks, 2).transpose(0, 2, 1, 3)
    parts = [part.reshape(len(bytes_) // 2, blocks, -1) for part in (heads, codes)]
    return np.concatenate(parts, axis=2).reshape(-1).view(np.int8)


def buffers(encoder: Encoder, tokens: int, scratch: int, text: int) -> list[Buffer]:
    """Working memory by lifetime. Steps: 0 lookups, 1 embedding sum, 2 keys and values, 3 attention, 4 MLP, 5 pooling, 6 head.

    :param encoder: the model.
    :param tokens: of the longest text.
    :param scratch: floats that lookups take.
    :param text: bytes that the tokenizer takes, in a step before all others.
    """
    dim, heads, capacity = encoder.dim, encoder.heads, padded(tokens)
    inputs = max(widest_input(encoder), capacity)
    words = isinstance(encoder.word, Words)
    gated = any(layer.gate is not None for layer in encoder.layers)
    token_bytes = encoder.word.form.width if isinstance(encoder.word, Words) else 4
    return [
        Buffer("text", text, -1, -1),
        Buffer("ids", token_bytes * tokens, -1, 0),
        Buffer("rows", 4 * tokens * dim, 0, 6 if encoder.per_token else 5),
        Buffer("scratch", 4 * scratch, 0, 1),
        Buffer("other", 4 * encoder.width, 1, 1),
        Buffer("keys", heads * capacity * padded(dim // heads), 2, 3),
        Buffer("values", dim * capacity, 2, 3),
        Buffer("key_scales", 4 * heads * capacity, 2, 3),
        Buffer("value_scales", 4 * heads * capacity, 2, 3),
        Buffer("scores", 4 * 2 * capacity, 3, 3),
        Buffer("projected", 4 * 4 * dim, 2, 4),
        Buffer("wide", 4 * 2 * widest_mlp(encoder) * (2 if gated else 1), 4, 4),
        Buffer("pair", 4 * padded(inputs) + 8 * fours_starts(encoder), 0 if words else 1, 6),
        Buffer("pooled", 4 * dim * len(encoder.pooling), 5, 6),
        Buffer("hidden", 4 * 2 * widest_hidden(encoder), 6, 6),
    ]


def pieces(encoder: Encoder) -> dict[str, str]:
    """The parts of `model.c` that depend on the packing.

    :param encoder: the model.
    """
    return {
        "compute": _COMPUTE,
        "divided": "",
        "parallel": "",
        "hand": "",
        "alone": "",
        "seen": "lengths",
        "room": "micro",
        "memory": "eem_memory",
        "stride": str(encoder.dim),
        "pad": "        eem_norm_run(&embedding_norm, row);\n" + ("" if encoder.widen is None else _WIDEN),
        "norm_rows": "",
        "final": "" if encoder.final is None else _FINAL,
        "places": _PLACES,
        "result": _result(encoder),
    }


def _result(encoder: Encoder) -> str:
    """Statements from the rows to the output."""
    head = encoder.head
    if encoder.per_token:
        source, lines = "memory.rows + (size_t)token * STRIDE", []
        if not head:
            lines.append(f"memcpy(output, {source}, {encoder.outputs} * sizeof *output);")
    else:
        source = "pooled" if head else "output"
        lines = [
            f"eem_pool({mode}, memory.rows, STRIDE, tokens, {count}, {source} + {begin});"
            for mode, begin, count in encoder.pooled()
        ]
    for number, dense in enumerate(head):
        to = "output" if number == len(head) - 1 else f"hidden + {number % 2} * {widest_hidden(encoder)}"
        lines.append(f"eem_linear_run(&head[{number}], {source}, NULL, {to}, NULL, memory.pair);")
        if dense.activation != "EEM_IDENTITY":
            lines.append(f"eem_activate({dense.activation}, {to}, {len(dense.linear.bias)});")
        if dense.norm is not None:
            lines.append(f"eem_norm_run(&head_norm_{number}, {to});")
        source = to
    if encoder.unit:
        lines.append(f"eem_unit(output, {encoder.outputs});")
    declared = []
    if head and not encoder.per_token:
        declared.append("float *pooled = (float *)(void *)(base + @at_pooled@);")
    if len(head) > 1:
        declared.append("float *hidden = (float *)(void *)(base + @at_hidden@);")
    if encoder.per_token:
        declared.append("uint32_t token;")
        loop = f"for (token = 0; token < tokens; ++token, output += {encoder.outputs}) {{"
        lines = [loop, *(f"    {line}" for line in lines), "}"]
    return "\n".join(f"    {line}".rstrip() for line in [*declared, "", *lines])


PAIRS = Packing(
    name="pairs",
    rooms=("micro", "text", "kernels"),
    memory="eem_memory",
    project="eem_linear_run(&projection, scratch, NULL, row, NULL, memory->pair);",
    vectors=1,
    lanes=1,
    pack=interleave,
    pack_fours=interleave_fours,
    buffers=buffers,
    pieces=pieces,
)

"""How the weights of a C export are laid out in memory, which determines the engine: one packing for microcontrollers, one for application processors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.body.grid import Grid, by_output, full_scales, nearest, rows_of
from edgeemb.body.grids import Grids
from edgeemb.body.panels import BLOCK
from edgeemb.exporters.c.arena import Buffer
from edgeemb.exporters.c.encoder import Encoder, Linear


@dataclass(frozen=True)
class Packing:
    """A packing of weights and the engine that reads it. Adding one means adding a module and a line in the writer.

    :param name: what targets call it.
    :param rooms: folders of ``runtimes`` whose headers an export carries; the first has the engine's ``encoder.h``.
    :param memory: C type of the engine's working memory.
    :param project: C statement that takes ``scratch`` through a linear layer ``projection`` to ``row``.
    :param vectors: places that go through an output layer over a table at a time.
    :param lanes: scales, biases and the like are padded with zeros to a multiple of this number.
    :param pack: int8[outputs, inputs] as the kernels read them, flat.
    :param pack_fours: a grid of 4 bits with whole blocks as the kernels read it, scales included, flat.
    :param buffers: working memory for an encoder, its longest text in tokens, floats of scratch memory for lookups, and bytes for the tokenizer.
    :param pieces: the parts of `model.c` that depend on the packing; one that has placeholders itself stands before them.
    :param api: declarations for `model.h` beside those that every packing has.
    """

    name: str
    rooms: tuple[str, ...]
    memory: str
    project: str
    vectors: int
    lanes: int
    pack: Callable[[NDArray[np.int8]], NDArray[np.int8]]
    pack_fours: Callable[[Grid], NDArray[np.int8]]
    buffers: Callable[[Encoder, int, int, int], list[Buffer]]
    pieces: Callable[[Encoder], Mapping[str, str]]
    api: str = ""


def padded(size: int) -> int:
    """A size rounded up to whole blocks.

    :param size: elements.
    """
    return -(-size // BLOCK) * BLOCK


def fill_up(values: NDArray[Any], lanes: int) -> NDArray[Any]:
    """Values and zeros to a multiple of the lanes.

    :param values: one axis.
    :param lanes: elements of a vector.
    """
    return np.concatenate([values, np.zeros(-len(values) % lanes, values.dtype)])


def on_grids(encoder: Encoder, grids: Grids) -> tuple[Encoder, tuple[str, ...]]:
    """The encoder with a grid for each linear layer.

    :param encoder: the model.
    :param grids: the grids that were chosen before; others have 8 bits.
    :return: the encoder, and remarks for the user.
    """
    uneven = 0

    def put(linear: Linear) -> Linear:
        nonlocal uneven
        inputs = linear.weight.shape[1]
        whole, first = linear.whole or (linear.weight, 0)
        found = grids.of(whole)
        grid = (
            nearest(linear.weight, full_scales(linear.weight, 8, inputs), 8, inputs)
            if found is None
            else rows_of(found, first, len(linear.weight))
        )
        if not grid.whole_blocks:
            uneven += 1
            grid = by_output(grid)
        return replace(linear, grid=grid)

    encoder = encoder.with_linears(put)
    remark = f"matrix products stored in int8: {uneven}, whose inputs are not whole blocks of 4 bits"
    return encoder, (remark,) if uneven else ()


def fours_starts(encoder: Encoder) -> int:
    """Blocks of a row of the linear layer of 4 bits that has most of them; 0 without such layers.

    :param encoder: the model.
    """
    return max(
        (linear.weight.shape[1] // linear.block for linear in encoder.linears() if linear.block), default=0
    )


def widest_input(encoder: Encoder) -> int:
    """Inputs of the widest linear layer.

    :param encoder: the model.
    """
    return max(int(linear.weight.shape[1]) for linear in encoder.linears())


def widest_hidden(encoder: Encoder) -> int:
    """Outputs of the widest layer of the head that is not the last.

    :param encoder: the model.
    """
    return max((len(dense.linear.bias) for dense in encoder.head[:-1]), default=0)


def widest_mlp(encoder: Encoder) -> int:
    """Elements between the two linear layers of the widest MLP.

    :param encoder: the model.
    """
    return max((int(layer.up.weight.shape[0]) for layer in encoder.layers), default=0)

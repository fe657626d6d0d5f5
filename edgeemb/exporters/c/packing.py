"""How the weights of a C export are laid out in memory, which determines the engine: one packing for microcontrollers, one for application processors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.exporters.c.arena import Buffer
from edgeemb.exporters.c.encoder import Encoder

#: Elements that a row of int8 weights is padded to: `EEM_BLOCK` of the kernels.
BLOCK = 16


@dataclass(frozen=True)
class Packing:
    """A packing of weights and the engine that reads it. Adding one means adding a module and a line in the writer.

    :param name: what targets call it.
    :param rooms: folders of ``runtimes`` whose headers an export carries; the first has the engine's ``encoder.h``.
    :param memory: C type of the engine's working memory.
    :param project: C statement that takes ``scratch`` through a linear layer ``projection`` to ``row``.
    :param lanes: scales, biases and the like are padded with zeros to a multiple of this number.
    :param pack: int8[outputs, inputs] as the kernels read them, flat.
    :param buffers: working memory for an encoder, its longest text in tokens, floats of scratch memory for lookups, and bytes for the tokenizer.
    :param pieces: the parts of `model.c` that depend on the packing.
    """

    name: str
    rooms: tuple[str, ...]
    memory: str
    project: str
    lanes: int
    pack: Callable[[NDArray[np.int8]], NDArray[np.int8]]
    buffers: Callable[[Encoder, int, int, int], list[Buffer]]
    pieces: Callable[[Encoder], Mapping[str, str]]


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


def quantize(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights in int8, a symmetric grid for each output.

    :param weight: float32[outputs, inputs].
    :return: int8[outputs, inputs] from -127 to 127, and scales float32[outputs].
    """
    scale = (np.abs(weight).max(axis=1) / np.float32(127)).astype(np.float32)
    safe = np.where(scale > 0, scale, np.float32(1))
    return np.clip(np.rint(weight / safe[:, None]), -127, 127).astype(np.int8), scale


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

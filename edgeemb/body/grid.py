"""Matrices whose elements lie on a grid: integer codes with a scale for each output, or for each block of inputs of an output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: The largest code of 8 bits; the grid is symmetric.
LARGEST8 = 127
#: The codes of 4 bits.
LEAST4, LARGEST4 = -8, 7
#: Weights of 4 bits that share a scale unless another size is asked for.
BLOCK = 32
#: How far from a code, in steps, an element that was trained on a grid may lie.
_TRAINED = 1e-3


@dataclass(frozen=True)
class Grid:
    """A matrix on a grid: element [n, k] is ``codes[n, k] * scales[n, k // block]``.

    Worked example: with blocks of 2, codes [[3, -8, 7]] and scales [[0.5, 2]] are the row [1.5, -4, 14].

    :param codes: int8[outputs, inputs], in [-127, 127] or [-8, 7].
    :param scales: float32[outputs, blocks]; the last block of a row may be shorter.
    :param bits: 8 or 4.
    :param block: inputs that share a scale.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    bits: int
    block: int

    def values(self) -> NDArray[np.float32]:
        """The matrix, float32[outputs, inputs]."""
        return self.codes * spread(self.scales, self.block, self.codes.shape[1])


def spread(scales: NDArray[np.float32], block: int, inputs: int) -> NDArray[np.float32]:
    """The scale of each element.

    :param scales: float32[outputs, blocks].
    :param block: inputs that share a scale.
    :param inputs: elements of a row.
    :return: float32[outputs, inputs].
    """
    return np.repeat(scales, block, axis=1)[:, :inputs]


def in_blocks(matrix: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Rows in blocks, the last filled up with zeros.

    :param matrix: float32[outputs, inputs].
    :param block: elements of a block.
    :return: float32[outputs, blocks, block].
    """
    outputs, inputs = matrix.shape
    wide = np.pad(matrix, ((0, 0), (0, -inputs % block)))
    return wide.reshape(outputs, -1, block)


def full_scales(matrix: NDArray[np.float32], bits: int, block: int) -> NDArray[np.float32]:
    """The scales at which the largest element of each block just has a code: 127 for 8 bits, -8 for 4 bits, whatever its sign.

    :param matrix: float32[outputs, inputs].
    :param bits: 8 or 4.
    :param block: inputs that share a scale.
    :return: float32[outputs, blocks]; 1 where a block is zeros.
    """
    blocks = in_blocks(matrix, block)
    high, low = blocks.max(axis=2), blocks.min(axis=2)
    if bits == 8:
        scales = np.maximum(high, -low) / np.float32(LARGEST8)
    else:
        scales = np.where(high > -low, high, low) / np.float32(LEAST4)
    return np.where(scales == 0, np.float32(1), scales).astype(np.float32)


def nearest(matrix: NDArray[np.float32], scales: NDArray[np.float32], bits: int, block: int) -> Grid:
    """Each element at the nearest code.

    :param matrix: float32[outputs, inputs].
    :param scales: float32[outputs, blocks].
    :param bits: 8 or 4.
    :param block: inputs that share a scale.
    """
    least, largest = (-LARGEST8, LARGEST8) if bits == 8 else (LEAST4, LARGEST4)
    codes = np.rint(matrix / spread(scales, block, matrix.shape[1])).clip(least, largest)
    return Grid(codes.astype(np.int8), scales, bits, block)


def trained_grid(matrix: NDArray[np.float32], bits: int, block: int) -> Grid | None:
    """The grid that a matrix lies on already, as training for it leaves one (`edgeemb.training.body`); None if it lies on none.

    :param matrix: float32[outputs, inputs].
    :param bits: 8 or 4.
    :param block: inputs that share a scale.
    """
    found = nearest(matrix, full_scales(matrix, bits, block), bits, block)
    steps = np.abs(spread(found.scales, block, matrix.shape[1]))
    return found if np.all(np.abs(found.values() - matrix) <= _TRAINED * steps) else None

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
#: Fractions of the full scale that are tried at 4 bits.
_FRACTIONS = np.linspace(0.65, 1.0, 8, dtype=np.float32)
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

    @property
    def whole_blocks(self) -> bool:
        """Whether every block of a row is full."""
        return int(self.codes.shape[1]) % self.block == 0

    def values(self) -> NDArray[np.float32]:
        """The matrix, float32[outputs, inputs]."""
        return self.codes * spread(self.scales, self.block, self.codes.shape[1])


def rows_of(grid: Grid, first: int, count: int) -> Grid:
    """The grid of some outputs of a matrix.

    :param grid: that of the whole matrix.
    :param first: the first output.
    :param count: how many follow one another.
    """
    some = slice(first, first + count)
    return Grid(grid.codes[some], grid.scales[some], grid.bits, grid.block)


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
    full = full_scales(matrix, bits, block)
    for scales in (full,) if bits == 8 else (short(full), full):
        found = nearest(matrix, scales, bits, block)
        steps = np.abs(spread(scales, block, matrix.shape[1]))
        if np.all(np.abs(found.values() - matrix) <= _TRAINED * steps):
            return found
    return None


def near_grid(matrix: NDArray[np.float32], bits: int, block: int) -> Grid:
    """A matrix on a grid, each element at the nearest code. One that was trained on that grid stays as it is.

    :param matrix: float32[outputs, inputs].
    :param bits: 8 or 4.
    :param block: inputs that share a scale.
    """
    trained = trained_grid(matrix, bits, block)
    return trained or nearest(matrix, grid_scales(matrix, bits, block), bits, block)


def grid_scales(
    matrix: NDArray[np.float32], bits: int, block: int, importance: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The scales of a matrix that was not trained for a grid: `full_scales` for 8 bits, `searched_scales` for 4.

    :param matrix: float32[outputs, inputs].
    :param bits: 8 or 4.
    :param block: inputs that share a scale.
    :param importance: float32[inputs], a weight of each column's errors; None for the same.
    :return: float32[outputs, blocks].
    """
    return full_scales(matrix, 8, block) if bits == 8 else searched_scales(matrix, block, importance)


def positive(grid: Grid) -> Grid:
    """The grid, for runtimes that take no negative scales; where it has some, its values at the nearest codes of another.

    :param grid: of 8 or 4 bits.
    """
    if grid.scales.min(initial=1) > 0:
        return grid
    values = grid.values()
    return nearest(values, grid_scales(values, grid.bits, grid.block), grid.bits, grid.block)


def by_output(grid: Grid) -> Grid:
    """The values of a grid in 8 bits with a scale for each output, for a row that a runtime cannot divide into blocks.

    :param grid: of any kind.
    """
    return near_grid(grid.values(), 8, grid.codes.shape[1])


def searched_scales(
    matrix: NDArray[np.float32], block: int, importance: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Positive scales of 4 bits with the least squared error of each block, among fractions of that at which its largest element has a code.

    They have 8 significant bits, as XNNPACK stores them, so that every runtime has the same.

    :param matrix: float32[outputs, inputs].
    :param block: inputs that share a scale.
    :param importance: float32[inputs], a weight of each column's errors; None for the same.
    :return: float32[outputs, blocks].
    """
    blocks = in_blocks(matrix, block)
    weights = np.ones(matrix.shape[1], np.float32)
    if importance is not None:
        # Inputs that are 0 in the sample count a little, so that their weights keep a scale that suits them.
        weights = (importance + 1e-3 * (float(importance.mean()) or 1.0)).astype(np.float32)
    weight = in_blocks(weights[None].astype(np.float32), block)
    high, low = blocks.max(axis=2), blocks.min(axis=2)
    full = np.maximum(high / np.float32(LARGEST4), low / np.float32(LEAST4))
    wide = np.maximum(high, -low) / np.float32(LARGEST4)
    best = short(np.where(wide > 0, wide, np.float32(1)))
    least = np.full(best.shape, np.inf, np.float32)
    for start in (full, wide):
        for fraction in _FRACTIONS:
            scales = short(np.where(start > 0, start * fraction, np.float32(1)))
            codes = np.rint(blocks / scales[..., None]).clip(LEAST4, LARGEST4)
            errors = ((codes * scales[..., None] - blocks) ** 2 * weight).sum(axis=2)
            better = errors < least
            best, least = np.where(better, scales, best), np.where(better, errors, least)
    return best.astype(np.float32)


def short(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales rounded to 8 significant bits (bfloat16), ties to even.

    :param scales: float32[...].
    :return: float32[...], whose lower 16 bits are zeros.
    """
    bits = np.ascontiguousarray(scales, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    result: NDArray[np.float32] = (rounded & np.uint32(0xFFFF0000)).view(np.float32)
    return result

"""Matrices in panels of 32 outputs, as the kernels of application processors read them: the layout of ``runtimes/panels/panels.h``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeemb.body.grid import Grid, short, spread

#: `EEP_COLUMNS` of `runtimes/panels/panels.h`.
COLUMNS = 32
#: `EEM_BLOCK` of `runtimes/micro/platform.h`: a row of int8 weights is padded to a multiple of it.
BLOCK = 16
#: Inputs of 4 bits that the kernels take at a time.
_STEP = 32
#: `EEP_MOST_INPUTS` of `runtimes/panels/quantized_linear.h`.
_MOST_INPUTS = 1 << 16


def fits_panels(grid: Grid) -> bool:
    """Whether the op stores a matrix as it is: in 8 bits with a scale for each output, in 4 bits with whole blocks and scales of 8 significant bits.

    :param grid: the matrix.
    """
    if grid.codes.shape[1] > _MOST_INPUTS:
        return False
    if grid.bits == 8:
        return True
    return grid.block % _STEP == 0 and grid.whole_blocks and np.array_equal(short(grid.scales), grid.scales)


def layer_panels(grid: Grid) -> list[NDArray[np.generic]]:
    """What the op `QuantizedLinear` reads of a matrix, in the order of its inputs.

    :param grid: a matrix that `fits_panels`, of N outputs, which make P = ceil(N / 32) panels.
    :return: of 8 bits `panels`, scales float32[32 P] and sums of codes int32[32 P]; of 4 bits `panels_fours` and `totals` as float32[32 P].
    """
    if grid.bits == 8:
        sums = grid.codes.sum(axis=1, dtype=np.int32)
        return [panels(grid.codes), to_panels(grid.scales[:, 0]), to_panels(sums)]
    return [panels_fours(grid), to_panels(totals(grid))]


def to_panels(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """A value of each output, with zeros to whole panels.

    :param values: [N].
    :return: [32 ceil(N / 32)].
    """
    return np.pad(values, (0, -len(values) % COLUMNS))


def panels(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Four inputs of each output of a panel side by side, panel after panel. Worked example: output 37, input 6 of 16 is at [1, 1, 5, 2].

    :param codes: int8[outputs, inputs].
    :return: int8[panels, padded inputs / 4, 32, 4], with zeros behind the last output and the last input.
    """
    outputs, inputs = codes.shape
    wide = np.pad(codes, ((0, -outputs % COLUMNS), (0, -inputs % BLOCK)))
    return np.ascontiguousarray(wide.reshape(-1, COLUMNS, wide.shape[1] // 4, 4).transpose(0, 2, 1, 3))


def panels_fours(grid: Grid) -> NDArray[np.uint8]:
    """Panels of 4 bits, each block behind its scales.

    :param grid: of 4 bits with whole blocks of a multiple of 8.
    :return: uint8[panels, blocks, 32 * (2 + block / 2)]; the codes behind the last output are zeros, which are stored as 8, and so are its scales.
    """
    bytes_, scales = fours(grid)
    missing = ((0, -len(bytes_) % COLUMNS), (0, 0))
    codes = np.pad(bytes_, (*missing, (0, 0), (0, 0)), constant_values=0x88)
    heads = np.pad(scales, (*missing, (0, 0)))
    count, blocks = len(codes) // COLUMNS, codes.shape[1]
    in_order = codes.reshape(count, COLUMNS, *codes.shape[1:]).transpose(0, 2, 3, 1, 4)
    first = heads.reshape(count, COLUMNS, blocks, 2).transpose(0, 2, 1, 3)
    return np.concatenate([part.reshape(count, blocks, -1) for part in (first, in_order)], axis=2)


def fours(grid: Grid) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Codes of 4 bits and their scales as bytes, which a packing puts in order.

    A byte holds an input in its low bits and the one 4 behind it in its high bits, each as its code plus 8: codes 1 2 3 4 -8 -7 -6 -5 are the bytes
    09 1a 2b 3c. A scale is the upper half of a float32, little-endian.

    :param grid: of 4 bits with whole blocks.
    :return: uint8[outputs, blocks, block / 8, 4] and uint8[outputs, blocks, 2].
    """
    outputs, inputs = grid.codes.shape
    bits = (grid.codes + 8).astype(np.uint8).reshape(outputs, inputs // grid.block, -1, 2, 4)
    codes = np.bitwise_or(bits[..., 0, :], bits[..., 1, :] * np.uint8(16), dtype=np.uint8)
    scales = (short(grid.scales).view(np.uint32) >> 16).astype("<u2")
    return codes, scales.view(np.uint8).reshape(outputs, -1, 2)


def totals(grid: Grid) -> NDArray[np.float32]:
    """The sum of the values of each output's weights, as they are stored.

    :param grid: of 4 bits.
    :return: float32[outputs].
    """
    values = grid.codes * spread(short(grid.scales), grid.block, grid.codes.shape[1]).astype(np.float64)
    return np.asarray(values.sum(axis=1), np.float32)

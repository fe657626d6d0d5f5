"""Matrix products in int8 whose activations have a scale and a zero point for each row, so that no row depends on another.

ONNX Runtime's own dynamic quantisation takes one scale over the whole tensor, and so over every text of a batch. Here a row x becomes
codes c = round(x / s) + z in [0, 255], its range [low, high] widened to hold 0, with s = (high - low) / 255 and z = round(-low / s).
Weights are codes k in [-127, 127] with a step t for each column n, and a product is

    y[n] = s t[n] (sum of c k[n]) - s z t[n] (sum of k[n]) + bias[n].

The first sum is exact in integers. ONNX Runtime takes no zero point per row, so the rest is a product of two columns, the row's s z and
1, with two constant rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.body.grid import Grid
from edgeemb.exporters.onnx.nodes import NodeWriter

#: Domain of ONNX Runtime's own ops.
CONTRIB = "com.microsoft"
_LARGEST = np.float32(127)
_CODES = 255
#: `accuracy_level` of `MatMulNBits`.
_INT8_ACTIVATIONS = 4
#: Added to the range of a row, which it changes only where that is all but 0.
_LEAST = 1e-30


@dataclass(frozen=True)
class Columns:
    """A matrix in int8 with a step for each column.

    :param codes: int8[inputs, outputs].
    :param steps: float32[outputs].
    """

    codes: NDArray[np.int8]
    steps: NDArray[np.float32]

    def corrections(self, bias: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """What a row's zero point takes off, in units of what it stands for, and what is added to every row.

        :param bias: float32[outputs]; zeros by default.
        :return: float32[2, outputs].
        """
        taken = -self.codes.sum(axis=0, dtype=np.int64) * self.steps.astype(np.float64)
        return np.stack([taken.astype(np.float32), np.zeros_like(self.steps) if bias is None else bias])


def quantize_columns(matrix: NDArray[np.float32]) -> Columns:
    """The matrix in int8: the largest magnitude of each column becomes 127.

    :param matrix: float32[inputs, outputs].
    """
    largest = np.abs(matrix).max(axis=0)
    steps = (np.where(largest > 0, largest, _LARGEST) / _LARGEST).astype(np.float32)
    return Columns(np.rint(matrix / steps).clip(-_LARGEST, _LARGEST).astype(np.int8), steps)


@dataclass(frozen=True)
class QuantizedRows:
    """Names of the tensors of some activations, quantised row by row; n is the number of rows.

    :param codes: uint8[n, inputs].
    :param steps: float32[n, 1].
    :param offsets: float32[n, 2]: what the zero point stands for, and 1.
    :param leading: int64: the shape of the activations without its last axis.
    """

    codes: str
    steps: str
    offsets: str
    leading: str


def quantize_rows(nodes: NodeWriter, rows: str, inputs: str) -> QuantizedRows:
    """Write the nodes that quantise activations.

    :param nodes: where to write them.
    :param rows: name of the activations, float32[..., inputs].
    :param inputs: name of the size of the last axis, int64[1].
    """
    last = nodes.constant(np.array([1], np.int64))
    by_row = nodes.op("Concat", [nodes.constant(np.array([-1], np.int64)), inputs], axis=0)
    flat = nodes.op("Reshape", [rows, by_row])
    high = nodes.op("Relu", [nodes.op("ReduceMax", [flat, last], keepdims=0)])
    low = nodes.op("Relu", [nodes.op("Neg", [nodes.op("ReduceMin", [flat, last], keepdims=0)])])
    # A row of zeros has codes of zeros, whatever its step; it must only not be 0.
    span = nodes.op("Sum", [high, low, nodes.constant(np.array(_LEAST, np.float32))])
    step = nodes.op("Mul", [span, nodes.constant(np.array(1 / _CODES, np.float32))])
    zero = nodes.op("QuantizeLinear", [low, step], axis=0)
    codes = nodes.op("QuantizeLinear", [flat, step, zero], axis=0)
    offset = nodes.op("Unsqueeze", [nodes.op("DequantizeLinear", [zero, step], axis=0), last])
    beside = [nodes.constant(np.array([0, 0, 0, 1], np.int64)), nodes.constant(np.array(1, np.float32))]
    return QuantizedRows(
        codes=codes,
        steps=nodes.op("Unsqueeze", [step, last]),
        offsets=nodes.op("Pad", [offset, *beside]),
        leading=nodes.op("Shape", [rows], end=-1),
    )


def multiply(
    nodes: NodeWriter,
    rows: QuantizedRows,
    names: tuple[str, str, str],
    outputs: str,
    *,
    output: str | None = None,
) -> str:
    """Write the nodes that multiply quantised activations with a matrix.

    :param nodes: where to write them.
    :param rows: the activations.
    :param names: names of the constants `Columns.codes`, `Columns.steps` and of what `Columns.corrections` gives.
    :param outputs: name of the number of the matrix's columns, int64[1].
    :param output: name of the result; a new one by default.
    :return: name of the result, float32[..., outputs].
    """
    codes, steps, corrections = names
    one, zero = nodes.constant(np.array(1, np.float32)), nodes.constant(np.array(0, np.uint8))
    sums = nodes.op("MatMulIntegerToFloat", [rows.codes, codes, one, steps, zero], domain=CONTRIB)
    result = nodes.op("Gemm", [rows.offsets, corrections, nodes.op("Mul", [sums, rows.steps])])
    shape = nodes.op("Concat", [rows.leading, outputs], axis=0)
    return nodes.op("Reshape", [result, shape], output=output, allowzero=1)


def multiply_columns(
    nodes: NodeWriter, rows: str, grid: Grid, bias: NDArray[np.float32], *, output: str | None = None
) -> str:
    """Write the nodes that multiply activations with a matrix in 8 bits: `quantize_rows`, then `multiply`.

    :param nodes: where to write them.
    :param rows: name of the activations, float32[..., inputs].
    :param grid: of 8 bits with a scale for each output.
    :param bias: float32[outputs] that is added to each row.
    :param output: name of the result; a new one by default.
    :return: name of the result, float32[..., outputs].
    """
    outputs, inputs = (nodes.constant(np.array([size])) for size in grid.codes.shape)
    columns = Columns(np.ascontiguousarray(grid.codes.T), grid.scales[:, 0])
    names = (
        nodes.constant(columns.codes),
        nodes.constant(columns.steps),
        nodes.constant(columns.corrections(bias)),
    )
    return multiply(nodes, quantize_rows(nodes, rows, inputs), names, outputs, output=output)


def multiply_blocks(
    nodes: NodeWriter, rows: str, grid: Grid, bias: NDArray[np.float32], *, output: str | None = None
) -> str:
    """Write the nodes that multiply activations with a matrix in 4 bits: `MatMulNBits`, which quantises each block of a row to int8.

    Two neighbouring codes share a byte, the first in the low half, each plus 8; the last block of a row is filled up with zeros. Codes [1, 2, -8]
    in a block of 16 are the bytes 0xa9 0x80 0x88 and so on.

    :param nodes: where to write them.
    :param rows: name of the activations, float32[..., inputs].
    :param grid: of 4 bits.
    :param bias: float32[outputs] that is added to each row.
    :param output: name of the result; a new one by default.
    :return: name of the result, float32[..., outputs].
    """
    outputs, inputs = grid.codes.shape
    codes = (np.pad(grid.codes, ((0, 0), (0, -inputs % grid.block))) + 8).astype(np.uint8)
    packed = (codes[:, 0::2] | codes[:, 1::2] << 4).reshape(outputs, -1, grid.block // 2)
    constants = [nodes.constant(packed), nodes.constant(grid.scales.reshape(-1))]
    plain = None if bias.any() else output
    result = nodes.op(
        "MatMulNBits",
        [rows, *constants],
        output=plain,
        domain=CONTRIB,
        K=inputs,
        N=outputs,
        bits=4,
        block_size=grid.block,
        accuracy_level=_INT8_ACTIVATIONS,
    )
    return nodes.op("Add", [result, nodes.constant(bias)], output=output) if bias.any() else result

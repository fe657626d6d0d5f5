"""Op `QuantizedLinear`: a product of activations with a matrix of 8 or 4 bits in panels, and its portable body.

The native op (``runtimes/panels/quantized_linear.h``) reads the panels where they lie in the file. The body puts the matrix back in order with
nodes that a runtime computes once, when it loads the model, and multiplies with ONNX Runtime's own ops: 8 bits as
`edgeemb.exporters.onnx.products` does, 4 bits with `MatMulNBits`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from edgeemb.body.grid import Grid
from edgeemb.body.panels import COLUMNS, layer_panels, to_panels
from edgeemb.exporters.onnx.nodes import FunctionWriter, NodeWriter
from edgeemb.exporters.onnx.products import CONTRIB, multiply, quantize_rows
from edgeemb.quiet import quiet

#: Domain of the op.
DOMAIN = "edgeemb"
#: Name of the op, before that of its activation and the number of its bits.
OP = "QuantizedLinear"
#: Activations that the op applies: domains and names of the nodes that compute them alone.
ACTIVATIONS = (("", "Relu"), (CONTRIB, "Gelu"), (CONTRIB, "FastGelu"))


def fuse_activations(model: onnx.ModelProto) -> None:
    """Put a node in the place of those that compute a GELU, exact or by tanh, as exporters write it.

    :param model: the model to change.
    """
    with quiet():
        from onnxruntime.transformers.fusion_fastgelu import FusionFastGelu
        from onnxruntime.transformers.fusion_gelu import FusionGelu
        from onnxruntime.transformers.onnx_model import OnnxModel

        wrapped = OnnxModel(model)
        for fusion in (FusionGelu(wrapped), FusionFastGelu(wrapped)):
            fusion.apply()
        wrapped.topological_sort()


def multiply_panels(
    nodes: NodeWriter,
    rows: str,
    grid: Grid,
    bias: NDArray[np.float32],
    *,
    activation: str = "",
    output: str | None = None,
) -> str:
    """Write the node that multiplies activations with a matrix.

    :param nodes: where to write it.
    :param rows: name of the activations, float32[..., K].
    :param grid: a matrix that `fits_panels`, of K inputs and N outputs.
    :param bias: float32[N] that is added to each row.
    :param activation: name of one of `ACTIVATIONS`, or empty.
    :param output: name of the result; a new one by default.
    :return: name of the result, float32[..., N].
    """
    outputs, inputs = grid.codes.shape
    shape = {"K": inputs, "N": outputs}
    if grid.bits == 4:
        shape["block"] = grid.block
    names = [rows, *map(nodes.constant, (*layer_panels(grid), to_panels(bias)))]
    return nodes.op(f"{OP}{activation}{grid.bits}", names, output=output, domain=DOMAIN, **shape)


_SIZES = f"""
    first_axis = Constant <value_ints: ints = [0]> ()
    minus_one = Constant <value_ints: ints = [-1]> ()
    inputs_scalar = Constant <value_int: int = @K> ()
    inputs = Unsqueeze (inputs_scalar, first_axis)
    outputs_scalar = Constant <value_int: int = @N> ()
    outputs = Unsqueeze (outputs_scalar, first_axis)
    panels = Shape <end = 1> (weight)
    columns = Constant <value_ints: ints = [{COLUMNS}]> ()
    all_columns = Mul (panels, columns)"""

#: The matrix in order, and what a row's zero point takes off. All of it is constant.
_MATRIX = """
    in_order = Transpose <perm = [1, 3, 0, 2]> (weight)
    by_column = Concat <axis = 0> (minus_one, all_columns)
    padded = Reshape (in_order, by_column)
    origin = Constant <value_ints: ints = [0, 0]> ()
    corner = Concat <axis = 0> (inputs, outputs)
    matrix = Slice (padded, origin, corner)
    scales = Slice (scale, first_axis, outputs)
    sums_float = Cast <to = 1> (sums)
    weighed = Mul (sums_float, scale)
    taken = Neg (weighed)
    taken_row = Unsqueeze (taken, first_axis)
    bias_row = Unsqueeze (bias, first_axis)
    both = Concat <axis = 0> (taken_row, bias_row)
    both_corner = Constant <value_ints: ints = [2]> ()
    both_end = Concat <axis = 0> (both_corner, outputs)
    corrections = Slice (both, origin, both_end)"""

#: A panel's block as scales [32][2 bytes] and codes [block / 8][32][4], with inputs 0 ... 3 in the low and 4 ... 7 in the high bits, to the order of
#: MatMulNBits: by outputs, blocks and inputs, two neighbours in a byte. A scale is the upper half of a float32.
_MATRIX4 = f"""
    last_axis = Constant <value_ints: ints = [2]> ()
    scale_bytes = Constant <value_ints: ints = [{2 * COLUMNS}]> ()
    far = Constant <value_ints: ints = [2147483647]> ()
    packed = Slice (weight, scale_bytes, far, last_axis)
    stored = Slice (weight, first_axis, scale_bytes, last_axis)
    blocks = Shape <start = 1, end = 2> (weight)
    by_eight = Constant <value_ints: ints = [0, 0, -1, {COLUMNS}, 4]> ()
    words = Reshape (packed, by_eight)
    nibble = Constant <value = uint8 {{15}}> ()
    four = Constant <value = uint8 {{4}}> ()
    low_bits = BitwiseAnd (words, nibble)
    high_bits = BitShift <direction = "RIGHT"> (words, four)
    eight = Concat <axis = -1> (low_bits, high_bits)
    by_output = Transpose <perm = [0, 3, 1, 2, 4]> (eight)
    two = Constant <value_ints: ints = [2]> ()
    by_pair = Concat <axis = 0> (all_columns, blocks, minus_one, two)
    pairs = Reshape (by_output, by_pair)
    pair_axis = Constant <value_ints: ints = [3]> ()
    first, second = Split <axis = 3, num_outputs = 2> (pairs)
    first_bits = Squeeze (first, pair_axis)
    second_bits = Squeeze (second, pair_axis)
    raised = BitShift <direction = "LEFT"> (second_bits, four)
    padded = BitwiseOr (first_bits, raised)
    matrix = Slice (padded, first_axis, outputs)
    by_bytes = Constant <value_ints: ints = [0, 0, {COLUMNS}, 2]> ()
    halves = Reshape (stored, by_bytes)
    scales_by_output = Transpose <perm = [0, 2, 1, 3]> (halves)
    by_block = Concat <axis = 0> (all_columns, blocks, two)
    scale_halves = Reshape (scales_by_output, by_block)
    wide = Cast <to = 1> (scale_halves)
    lower, upper = Split <axis = 2, num_outputs = 2> (wide)
    half_byte = Constant <value_float: float = 128.0> ()
    sign = Constant <value_float: float = 2.0> ()
    one = Constant <value_float: float = 1.0> ()
    bias_of_power = Constant <value_float: float = 127.0> ()
    negative_part = Div (upper, half_byte)
    negative = Floor (negative_part)
    off = Mul (negative, half_byte)
    power_high = Sub (upper, off)
    doubled = Mul (power_high, sign)
    low_part = Div (lower, half_byte)
    power_low = Floor (low_part)
    power = Add (doubled, power_low)
    exponent = Sub (power, bias_of_power)
    magnitude = Pow (sign, exponent)
    fraction = Sub (low_part, power_low)
    significand = Add (fraction, one)
    unsigned = Mul (magnitude, significand)
    twice = Mul (negative, sign)
    signs = Sub (one, twice)
    values = Mul (unsigned, signs)
    scales_padded = Squeeze (values, last_axis)
    scales_rows = Slice (scales_padded, first_axis, outputs)
    scales = Reshape (scales_rows, minus_one)
    addend = Slice (bias, first_axis, outputs)"""

_PRODUCTS4 = f"""
    sums = {CONTRIB}.MatMulNBits <K: int = @K, N: int = @N, block_size: int = @block, bits = 4, accuracy_level = 4> (rows, matrix, scales)
    product = Add (sums, addend)"""

#: The op of each number of bits: what it takes, and its lines up to the product.
_BODIES = {
    "8": ("<K, N> (rows, weight, scale, sums, bias)", f"{_SIZES}{_MATRIX}"),
    "4": ("<K, N, block> (rows, weight, totals, bias)", f"{_SIZES}{_MATRIX4}{_PRODUCTS4}"),
}


@dataclass(frozen=True)
class Body:
    """A portable body.

    :param text: its beginning, as `onnx.parser` reads functions.
    :param nodes: what follows.
    """

    text: str
    nodes: list[onnx.NodeProto]


def body_of(name: str) -> Body | None:
    """The portable body of an op of this module; None for another op.

    :param name: name of the op.
    """
    activation, bits = name.removeprefix(OP)[:-1], name[-1:]
    domains = {"Identity": ""} | {node: domain for domain, node in ACTIVATIONS}
    last = activation or "Identity"
    if not name.startswith(OP) or bits not in _BODIES or last not in domains:
        return None
    signature, lines = _BODIES[bits]
    nodes, product = FunctionWriter(f"{name}/product"), "product"
    if bits == "8":
        rows = quantize_rows(nodes, "rows", "inputs")
        product = multiply(nodes, rows, ("matrix", "scales", "corrections"), "outputs")
    nodes.op(last, [product], output="results", domain=domains[last])
    return Body(f"{name} {signature} => (results) {{{lines}\n}}", nodes.nodes)

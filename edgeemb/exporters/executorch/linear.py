"""Products of the body as our own ops: `edgeemb::quantized_linear8` and `edgeemb::quantized_linear4`, over matrices in panels.

Their implementation here is the decomposition into plain torch: it has the bits of ``runtimes/panels/quantized_linear.h`` but for GELU, which
torch rounds differently.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from edgeemb.body.grid import Grid
from edgeemb.body.panels import COLUMNS, fits_panels, layer_panels, to_panels
from edgeemb.body.smoothing import ScaledLinear
from edgeemb.torch_tables.ops import define

_LINEAR8 = (
    "quantized_linear8(Tensor rows, Tensor weight, Tensor scale, Tensor sums, Tensor bias, "
    "int inputs, int outputs, int activation) -> Tensor"
)
_LINEAR4 = (
    "quantized_linear4(Tensor rows, Tensor weight, Tensor totals, Tensor bias, "
    "int inputs, int outputs, int activation, int block) -> Tensor"
)

#: Activations of the ops, by their number.
_NONE, _RELU, _GELU, _GELU_TANH = range(4)
#: Least span of a row that has a grid, and steps of a grid.
_LEAST_SPAN, _STEPS = 1e-30, 255.0


def quantized_linear8(
    rows: Tensor,
    weight: Tensor,
    scale: Tensor,
    sums: Tensor,
    bias: Tensor,
    inputs: int,
    outputs: int,
    activation: int,
) -> Tensor:
    """Rows times a matrix of 8 bits, each row quantised by itself; P = ceil(outputs / 32).

    :param rows: float32[..., inputs].
    :param weight: int8[P, ceil(inputs / 16) * 4, 32, 4]: `edgeemb.body.panels.panels`.
    :param scale: float32[32 P].
    :param sums: int32[32 P], of each output's codes.
    :param bias: float32[32 P].
    :param inputs: elements of a row.
    :param outputs: elements of a result.
    :param activation: 0 none, 1 ReLU, 2 GELU, 3 its form by tanh.
    :return: float32[..., outputs].
    """
    codes, zero, step = _quantize(rows)
    matrix = weight.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)[:outputs, :inputs]
    # Sums are whole numbers below 2^53, so that their order does not matter.
    products = torch.matmul(codes, matrix.to(torch.float64).T) - zero * sums[:outputs]
    results = products.to(torch.float32) * (step * scale[:outputs]) + bias[:outputs]
    return _activated(results, activation)


def quantized_linear4(
    rows: Tensor,
    weight: Tensor,
    totals: Tensor,
    bias: Tensor,
    inputs: int,
    outputs: int,
    activation: int,
    block: int,
) -> Tensor:
    """Rows times a matrix of 4 bits, each row quantised by itself; P = ceil(outputs / 32).

    :param rows: float32[..., inputs].
    :param weight: uint8[P, inputs / block, 64 + 16 * block]: `edgeemb.body.panels.panels_fours`.
    :param totals: float32[32 P], sums of the values of each output's weights.
    :param bias: float32[32 P].
    :param inputs: elements of a row.
    :param outputs: elements of a result.
    :param activation: 0 none, 1 ReLU, 2 GELU, 3 its form by tanh.
    :param block: inputs that share a scale.
    :return: float32[..., outputs].
    """
    codes, zero, step = _quantize(rows)
    panels, blocks = weight.shape[:2]
    heads, bits = weight[..., : 2 * COLUMNS], weight[..., 2 * COLUMNS :]
    scales = heads.contiguous().view(torch.bfloat16).to(torch.float32)
    scales = scales.transpose(1, 2).flatten(0, 1)[:outputs]
    words = bits.reshape(panels, blocks, block // 8, COLUMNS, 1, 4)
    pairs = torch.cat([torch.bitwise_and(words, 15), torch.bitwise_right_shift(words, 4)], dim=-2)
    matrix = pairs.permute(0, 3, 1, 2, 4, 5).reshape(panels * COLUMNS, inputs)[:outputs].to(torch.float64) - 8
    total = rows.new_zeros((*rows.shape[:-1], outputs))
    for number in range(blocks):
        at = slice(number * block, (number + 1) * block)
        products = torch.matmul(codes[..., at] - 128, matrix[:, at].T)
        total = total + products.to(torch.float32) * scales[:, number]
    shift = (zero - 128).to(torch.float32) * totals[:outputs]
    return _activated((total - shift) * step + bias[:outputs], activation)


def _quantize(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows on their grids of 256 codes, as ``runtimes/panels/linear.h`` has them.

    :param rows: float32[..., inputs].
    :return: codes float64[..., inputs], their zero float64[..., 1] and step float32[..., 1].
    """
    least, largest = rows.amin(-1, keepdim=True).clamp(max=0), rows.amax(-1, keepdim=True).clamp(min=0)
    span = largest - least
    spread = span > _LEAST_SPAN
    factor = torch.where(spread, _STEPS / span, 0.0)
    step = torch.where(spread, span / _STEPS, 0.0)
    zero = -torch.round(least * factor)
    codes = (torch.round(rows * factor) + zero).clamp(max=_STEPS)
    return codes.to(torch.float64), zero.to(torch.float64), step


def _activated(results: Tensor, activation: int) -> Tensor:
    if activation == _RELU:
        return torch.relu(results)
    if activation in (_GELU, _GELU_TANH):
        return nn.functional.gelu(results, approximate="tanh" if activation == _GELU_TANH else "none")
    return results


def _fake8(
    rows: Tensor,
    weight: Tensor,
    scale: Tensor,
    sums: Tensor,
    bias: Tensor,
    inputs: int,
    outputs: int,
    activation: int,
) -> Tensor:
    return rows.new_empty((*rows.shape[:-1], outputs))


def _fake4(
    rows: Tensor,
    weight: Tensor,
    totals: Tensor,
    bias: Tensor,
    inputs: int,
    outputs: int,
    activation: int,
    block: int,
) -> Tensor:
    return rows.new_empty((*rows.shape[:-1], outputs))


define(_LINEAR8, quantized_linear8, _fake8)
define(_LINEAR4, quantized_linear4, _fake4)


class QuantizedLinear(nn.Linear):
    """A linear layer that multiplies by our op. Its weight stays for those who read it elsewhere; a program keeps only what it uses."""

    def forward(self, input: Tensor) -> Tensor:
        """:param input: float32[..., inputs]. :return: float32[..., outputs]."""
        ops = torch.ops.edgeemb
        arrays = [value for name, value in self.named_buffers(recurse=False) if name.startswith("panels")]
        numbers = (self.in_features, self.out_features, _NONE)
        results: Tensor = (
            ops.quantized_linear4(input, *arrays, *numbers, self.block)
            if self.block
            else ops.quantized_linear8(input, *arrays, *numbers)
        )
        return results

    def hold(self, grid: Grid) -> None:
        """Take the matrix to multiply by.

        :param grid: the matrix, which `fits_panels`.
        """
        bias = torch.zeros(self.out_features) if self.bias is None else self.bias.detach()
        for number, array in enumerate([*layer_panels(grid), to_panels(bias.numpy())]):
            self.register_buffer(f"panels{number}", torch.from_numpy(array))
        self.block = grid.block if grid.bits == 4 else 0


class QuantizedScaledLinear(ScaledLinear, QuantizedLinear):
    """The same where the input is multiplied by constants first."""


#: What becomes of a layer. Others, such as the output layer of `nn.MultiheadAttention`, are no more than a place for their weight.
_PANELS: dict[type[nn.Linear], type[QuantizedLinear]] = {
    nn.Linear: QuantizedLinear,
    ScaledLinear: QuantizedScaledLinear,
}


def use_panels(layer: nn.Linear, grid: Grid) -> bool:
    """Make a linear layer multiply by our op, in place.

    :param layer: the layer.
    :param grid: its matrix.
    :return: whether the op computes what the layer does; if not, nothing has changed.
    """
    if type(layer) not in _PANELS or not fits_panels(grid):
        return False
    layer.__class__ = _PANELS[type(layer)]
    assert isinstance(layer, QuantizedLinear)
    layer.hold(grid)
    return True


def fuse_activations(program: ExportedProgram) -> None:
    """Let our ops apply the ReLU or GELU that alone reads their results.

    :param program: a traced program, which is changed.
    """
    graph = program.graph_module.graph
    ops, aten = torch.ops.edgeemb, torch.ops.aten
    for node in list(graph.nodes):
        if node.target not in (ops.quantized_linear8.default, ops.quantized_linear4.default):
            continue
        if len(node.users) != 1:
            continue
        (reader,) = node.users
        if reader.target is aten.relu.default:
            activation = _RELU
        elif reader.target is aten.gelu.default:
            tanh = reader.kwargs.get("approximate", "none") == "tanh"
            activation = _GELU_TANH if tanh else _GELU
        else:
            continue
        place = [argument.name for argument in node.target._schema.arguments].index("activation")
        reader.target, reader.kwargs = node.target, {}
        reader.args = (*node.args[:place], activation, *node.args[place + 1 :])
        graph.erase_node(node)
    graph.lint()
    program.graph_module.recompile()

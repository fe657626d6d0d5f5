"""The ops QuantizedLinear in ExecuTorch: the bits of their definition and of ONNX Runtime's op, in place of linear layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from edgeemb.body.grid import Grid
from edgeemb.body.grids import Grids
from edgeemb.body.smoothing import ScaledLinear
from edgeemb.exporters.executorch.body import quantize_body
from edgeemb.exporters.executorch.linear import QuantizedLinear, use_panels
from edgeemb.exporters.executorch.writer import _edge
from edgeemb.runtimes.executorch.runner import Program
from tests.fixtures.models.linear import SHAPES, defined, grid_of, linear_model, rows_of
from tests.fixtures.models.lookups import run as run_onnx
from tests.fixtures.models.lookups import session

MOST = 64
#: Activations by the names that ONNX Runtime's op has for them.
ACTIVATIONS = {
    "Relu": nn.ReLU(),
    "Gelu": nn.GELU(),
    "FastGelu": nn.GELU(approximate="tanh"),
    "": nn.Identity(),
}
#: Large enough to be divided among threads.
WIDE = (8, 0, 160, 352)


def layer_of(grid: Grid, bias: NDArray[np.float32] | None) -> nn.Linear:
    outputs, inputs = grid.codes.shape
    layer = nn.Linear(inputs, outputs, bias=bias is not None)
    layer.weight = nn.Parameter(torch.from_numpy(grid.values()), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(torch.from_numpy(bias), requires_grad=False)
    return layer


class Layers(nn.Module):
    """Layers of all shapes, some with an activation behind them: one program shows them all."""

    def __init__(self) -> None:
        super().__init__()
        shapes = [*SHAPES, WIDE, *([SHAPES[3]] * len(ACTIVATIONS))]
        self.grids = [grid_of(*shape) for shape in shapes]
        self.biases = [rows_of(len(grid.codes)) for grid in self.grids]
        self.layers = nn.ModuleList(map(layer_of, self.grids, self.biases))
        self.activations = nn.ModuleList(
            [nn.Identity()] * (len(shapes) - len(ACTIVATIONS)) + list(ACTIVATIONS.values())
        )
        self.rows = [rows_of(1, MOST, grid.codes.shape[1]) for grid in self.grids]
        grids = Grids()
        for grid in self.grids:
            grids.add(grid)
        assert quantize_body(self, "fp32", grids, native=True) == []

    def forward(self, *rows: Tensor) -> tuple[Tensor, ...]:
        """:param rows: float32[1, n, inputs] for each layer. :return: float32[1, n, outputs] for each."""
        parts = zip(self.layers, self.activations, rows, strict=True)
        return tuple(activation(layer(own)) for layer, activation, own in parts)


@pytest.fixture(scope="module")
def layers() -> Layers:
    return Layers()


@pytest.fixture(scope="module")
def program(layers: Layers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of all layers."""
    length = torch.export.Dim("length", min=1, max=MOST)
    rows = tuple(map(torch.from_numpy, layers.rows))
    shapes: Any = (tuple({1: length} for _ in rows),)
    path = tmp_path_factory.mktemp("layers") / "model.pte"
    path.write_bytes(_edge("layers", layers, (rows, shapes), quantized=False).to_executorch().buffer)
    return path


def run(program: Path, rows: list[NDArray[np.float32]], threads: int = 1) -> list[NDArray[np.float32]]:
    opened = Program(program, threads=threads)
    results = opened.run(rows)
    opened.close()
    return results


def same(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(found.reshape(wanted.shape).view(np.uint32), wanted.view(np.uint32))


@pytest.mark.parametrize("count", [1, 23, MOST])
def test_the_op_gives_the_bits_of_its_definition(count: int, layers: Layers, program: Path) -> None:
    rows = [np.ascontiguousarray(own[:, :count]) for own in layers.rows]
    found = run(program, rows)
    with torch.no_grad():
        decomposed = layers(*map(torch.from_numpy, rows))
    for number in range(len(SHAPES)):
        wanted = defined(layers.grids[number], layers.biases[number], rows[number][0])
        same(found[number], wanted)
        same(decomposed[number].numpy(), wanted)


def test_an_activation_that_follows_is_part_of_the_op(layers: Layers, program: Path) -> None:
    found = run(program, layers.rows)
    for number, name in enumerate(ACTIVATIONS, len(SHAPES) + 1):
        model = linear_model(layers.grids[number], layers.biases[number], name)
        same(found[number], run_onnx(session(model.SerializeToString()), layers.rows[number]))


def test_threads_change_no_bit(layers: Layers, program: Path) -> None:
    for alone, divided in zip(run(program, layers.rows), run(program, layers.rows, 3), strict=True):
        same(divided, alone)


def test_the_program_holds_panels_and_no_floats(layers: Layers, program: Path) -> None:
    content = program.read_bytes()
    for grid, layer in zip(layers.grids, layers.layers, strict=True):
        assert content.count(bytes(layer.panels0.numpy())) == 1
        assert grid.values().tobytes() not in content


def test_a_layer_that_scales_its_input_still_does() -> None:
    grid, factors = grid_of(8, 0, 48, 20), torch.rand(48) + 0.5
    layer = ScaledLinear(layer_of(grid, None), factors)
    rows = torch.from_numpy(rows_of(3, 48))
    assert use_panels(layer, grid)
    with torch.no_grad():
        same(layer(rows).numpy(), defined(grid, np.zeros(20, np.float32), (rows * factors).numpy()))


def test_a_layer_whose_weight_alone_is_used_is_left_to_the_runtime() -> None:
    attention = nn.MultiheadAttention(32, 2)
    assert type(attention.out_proj) is NonDynamicallyQuantizableLinear
    quantize_body(attention, "int8", Grids(), native=True)
    assert not isinstance(attention.out_proj, QuantizedLinear)

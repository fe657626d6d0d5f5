"""The ops QuantizedLinear in LiteRT: the bits of their definition and of ONNX Runtime's op, in place of the operators that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from numpy.typing import NDArray

from edgeemb.body.grid import Grid
from edgeemb.body.grids import Grids
from edgeemb.exporters.tflite.tables import tidy
from edgeemb.exporters.tflite.weights import quantize_weights
from edgeemb.models.tflite.flatbuffer import opcode_name, pack_tflite
from edgeemb.native.libraries import find_library
from edgeemb.runtimes.tflite.engine import load_delegate
from tests.fixtures.models.linear import SHAPES, defined, grid_of, linear_model, rows_of
from tests.fixtures.models.lookups import run as run_onnx
from tests.fixtures.models.lookups import session
from tests.fixtures.models.tflite_files import product_model

RELU = 1


def written(grid: Grid, *axes: int, native: bool = True, **options: Any) -> tuple[Any, list[str]]:
    """A model of one product with a matrix on a grid, as the writer leaves it, and its operators."""
    grids = Grids()
    model = product_model(grids.add(grid), *axes, **options)
    assert quantize_weights(model, 0, 0, grids, native=native) == []
    tidy(model)
    return model, [
        opcode_name(model.operatorCodes[item.opcodeIndex]) for item in model.subgraphs[0].operators
    ]


def run(model: Any, rows: NDArray[np.float32], threads: int = 1) -> NDArray[np.float32]:
    interpreter = litert.Interpreter(
        model_content=pack_tflite(model),
        num_threads=1,
        experimental_delegates=[load_delegate(litert, threads)],
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], rows)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


@pytest.mark.parametrize(("bits", "block", "inputs", "outputs"), SHAPES)
def test_the_op_gives_the_bits_of_its_definition(bits: int, block: int, inputs: int, outputs: int) -> None:
    grid, bias = grid_of(bits, block, inputs, outputs), rows_of(outputs)
    for axes in ((1,), (3, 23)):
        model, ops = written(grid, *axes, bias=bias)
        rows = rows_of(*axes, inputs)
        wanted = defined(grid, bias, rows.reshape(-1, inputs)).reshape(*axes, outputs)
        np.testing.assert_array_equal(run(model, rows).view(np.uint32), wanted.view(np.uint32))
        assert ops == [f"edgeemb.QuantizedLinear{bits}"]


@pytest.mark.parametrize(
    ("activation", "options"),
    [("Relu", {"activation": RELU}), ("Gelu", {"gelu": False}), ("FastGelu", {"gelu": True})],
)
def test_an_activation_that_follows_is_part_of_the_op(activation: str, options: dict[str, Any]) -> None:
    grid, bias, rows = grid_of(4, 32, 64, 20), rows_of(20), rows_of(2, 3, 64)
    model, ops = written(grid, 2, 3, bias=bias, **options)
    assert ops == ["edgeemb.QuantizedLinear4"]
    wanted = run_onnx(session(linear_model(grid, bias, activation).SerializeToString()), rows)
    np.testing.assert_array_equal(run(model, rows).view(np.uint32), wanted.view(np.uint32))


def test_an_activation_that_the_op_lacks_keeps_the_operator() -> None:
    relu6 = 3
    assert written(grid_of(8, 0, 48, 20), 2, activation=relu6)[1] == ["FULLY_CONNECTED"]


def test_builtin_ops_keep_the_operators_of_the_format() -> None:
    assert written(grid_of(8, 0, 48, 20), 2, native=False, gelu=True)[1] == ["FULLY_CONNECTED", "GELU"]


def test_products_that_follow_one_another_and_share_a_matrix_store_it_once() -> None:
    """What lies between two of our ops has to be placed by the runtime."""
    grid = grid_of(8, 0, 32, 32)
    grids = Grids()
    model = product_model(grids.add(grid), 5)
    graph, first = model.subgraphs[0], model.subgraphs[0].operators[0]
    middle = first.outputs[0]
    other = product_model(grid.values(), 5).subgraphs[0].operators[0]
    graph.tensors.append(type(graph.tensors[0])())
    vars(graph.tensors[-1]).update(vars(graph.tensors[middle]))
    other.inputs, other.outputs = [middle, first.inputs[1], -1], [len(graph.tensors) - 1]
    graph.operators, graph.outputs = [first, other], other.outputs
    model.signatureDefs[0].outputs[0].tensorIndex = other.outputs[0]
    quantize_weights(model, 0, 0, grids, native=True)
    tidy(model)
    rows, bias = rows_of(5, 32), np.zeros(32, np.float32)
    wanted = defined(grid, bias, defined(grid, bias, rows))
    np.testing.assert_array_equal(run(model, rows).view(np.uint32), wanted.view(np.uint32))
    stored = [len(buffer.data) for buffer in model.buffers if buffer.data is not None]
    assert stored.count(grid.codes.nbytes) == 1


def test_threads_change_no_bit() -> None:
    model, _ = written(grid_of(8, 0, 160, 352), 64, bias=rows_of(352))
    rows = rows_of(64, 160)
    np.testing.assert_array_equal(run(model, rows).view(np.uint32), run(model, rows, 3).view(np.uint32))


@pytest.mark.parametrize("options", [{"threads": "0"}, {"threads": "65"}, {"threads": "2x"}, {"cores": "2"}])
def test_options_that_the_delegate_does_not_know_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="the delegate takes one option, threads"):
        litert.load_delegate(str(find_library("edgeemb_tflite")), options)

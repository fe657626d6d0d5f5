"""Products in int8 with a scale for each row of activations: what they compute, and that no row sees another."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.body.grid import near_grid
from edgeemb.body.grids import Grids
from edgeemb.exporters.onnx.products import quantize_columns
from edgeemb.exporters.onnx.quantized import quantize_products
from tests.fixtures.models.lookups import session

INPUTS, OUTPUTS = 48, 20


def model_of(
    nodes: list[onnx.NodeProto],
    constants: dict[str, NDArray[Any]],
    outputs: dict[str, int],
    shape: tuple[str | int, ...] = ("batch", "length", INPUTS),
) -> onnx.ModelProto:
    """A model of some nodes over the activations ``x``; `outputs` have ranks."""
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"{name}{axis}" for axis in range(rank)])
            for name, rank in outputs.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])


def matrix(seed: int, inputs: int = INPUTS, outputs: int = OUTPUTS) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((inputs, outputs)).astype(np.float32)


def linear() -> onnx.ModelProto:
    """One product with a bias."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["b", "product"], ["y"]),
    ]
    return model_of(nodes, {"w": matrix(0), "b": matrix(1, 1)[0]}, {"y": 3})


def run(model: onnx.ModelProto, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [
        np.asarray(value) for value in session(model.SerializeToString(), library=False).run(None, {"x": x})
    ]


def quantised(model: onnx.ModelProto, *, native: bool = True) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    quantize_products(changed, native=native)
    onnx.checker.check_model(changed)
    return changed


def ops(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_a_product_is_that_of_codes_with_a_step_and_a_zero_point_for_each_row() -> None:
    x = np.random.default_rng(2).standard_normal((3, 5, INPUTS)).astype(np.float32) * 4 + 1
    low = np.minimum(x.min(axis=-1, keepdims=True), 0).astype(np.float64)
    step = (np.maximum(x.max(axis=-1, keepdims=True), 0) - low) / 255
    zero = np.rint(-low / step)
    codes = np.clip(np.rint(x / step) + zero, 0, 255)
    columns = quantize_columns(matrix(0))
    expected = (codes - zero) @ columns.codes.astype(np.float64) * step * columns.steps + matrix(1, 1)[0]
    got = run(quantised(linear()), x)[0]
    # A code may round the other way where float32 does.
    np.testing.assert_allclose(got, expected, atol=1.01 * float(step.max() * np.abs(matrix(0)).max()))
    assert np.median(np.abs(got - expected)) < 1e-5


def test_builtin_ops_and_the_portable_body_give_the_same_bits() -> None:
    x = np.random.default_rng(2).standard_normal((3, 5, INPUTS)).astype(np.float32)
    builtin = quantised(linear(), native=False)
    assert "MatMulIntegerToFloat" in ops(builtin)
    assert not builtin.functions
    np.testing.assert_array_equal(run(builtin, x)[0], run(quantised(linear()), x)[0])


def test_a_row_is_the_same_to_the_bit_beside_any_other() -> None:
    random = np.random.default_rng(3)
    session_ = session(quantised(linear()).SerializeToString(), library=False)
    x = random.standard_normal((1, 4, INPUTS)).astype(np.float32)
    alone = session_.run(None, {"x": x})[0][0]
    for batch in (2, 3, 17):
        others = random.standard_normal((batch, 9, INPUTS)).astype(np.float32) * 1e4
        at = int(random.integers(batch))
        others[at, 2:6] = x[0]
        np.testing.assert_array_equal(session_.run(None, {"x": others})[0][at, 2:6], alone)


@pytest.mark.parametrize(
    "row",
    [
        np.zeros(INPUTS),
        np.full(INPUTS, 3.0),
        np.full(INPUTS, -3.0),
        np.linspace(5, 6, INPUTS),
        np.linspace(-6, -5, INPUTS),
        np.eye(INPUTS)[7] * 1e20,
        np.linspace(-1, 1, INPUTS) * 1e-20,
    ],
    ids=["zeros", "equal", "equal below 0", "above 0", "below 0", "one large", "tiny"],
)
def test_every_kind_of_row_keeps_its_product(row: NDArray[np.float64]) -> None:
    x = np.stack([row, np.linspace(-1, 1, INPUTS)])[None].astype(np.float32)
    exact, got = run(linear(), x)[0], run(quantised(linear()), x)[0]
    assert np.isfinite(got).all()
    scale = np.abs(x).max(axis=-1, keepdims=True) * np.abs(matrix(0)).sum(axis=0).max()
    assert (np.abs(exact - got) <= 0.01 * scale + 1e-6).all()


def test_products_of_the_same_activations_become_one() -> None:
    nodes = [helper.make_node("MatMul", ["x", name], [f"{name}x"]) for name in ("q", "k")]
    nodes.append(helper.make_node("Add", ["kx", "b"], ["kb"]))
    constants = {"q": matrix(4, outputs=8), "k": matrix(5, outputs=12), "b": matrix(6, 1, 12)[0]}
    model = model_of(nodes, constants, {"qx": 3, "kb": 3})
    changed = quantised(model)
    assert ops(changed).count("QuantizedLinear8") == 1
    assert not {"q", "k", "b"} & {item.name for item in changed.graph.initializer}
    x = np.random.default_rng(7).standard_normal((2, 3, INPUTS)).astype(np.float32)
    for exact, got in zip(run(model, x), run(changed, x), strict=True):
        assert exact.shape == got.shape
        assert np.abs(exact - got).max() < 0.02 * np.abs(exact).max()


@pytest.mark.parametrize(
    ("options", "added"),
    [
        ({}, "c"),
        ({"transB": 1}, "c"),
        ({"alpha": 0.5, "beta": 2.0}, "c"),
        ({}, "rows"),
        ({}, ""),
        ({"beta": 2.0}, "rows"),
        ({"transA": 1}, "c"),
    ],
)
def test_a_gemm_keeps_what_it_computes(options: dict[str, Any], added: str) -> None:
    square = matrix(8, INPUTS, INPUTS)
    nodes = [
        helper.make_node("Neg", ["x"], ["rows"]),
        helper.make_node("Gemm", ["x", "w", *([added] if added else [])], ["y"], **options),
    ]
    model = model_of(nodes, {"w": square, "c": square[0]}, {"y": 2}, (INPUTS, INPUTS))
    x = np.random.default_rng(9).standard_normal((INPUTS, INPUTS)).astype(np.float32)
    changed = quantised(model)
    exact, got = run(model, x)[0], run(changed, x)[0]
    assert np.abs(exact - got).max() < 0.02 * np.abs(exact).max()
    left_alone = "transA" in options or (added == "rows" and "beta" in options)
    assert ("QuantizedLinear8" in ops(changed)) != left_alone


def test_a_matrix_that_something_else_reads_keeps_its_float_copy() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Neg", ["w"], ["z"])]
    model = model_of(nodes, {"w": matrix(0)}, {"y": 3, "z": 2})
    changed = quantised(model)
    assert "w" in {item.name for item in changed.graph.initializer}
    x = np.random.default_rng(9).standard_normal((1, 2, INPUTS)).astype(np.float32)
    np.testing.assert_array_equal(run(changed, x)[1], -matrix(0))


def test_a_sum_that_is_read_elsewhere_too_stays_a_sum() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["y"]),
        helper.make_node("Neg", ["product"], ["z"]),
    ]
    model = model_of(nodes, {"w": matrix(0), "b": matrix(1, 1)[0]}, {"y": 3, "z": 3})
    x = np.random.default_rng(9).standard_normal((1, 2, INPUTS)).astype(np.float32)
    y, z = run(quantised(model), x)
    np.testing.assert_allclose(y, matrix(1, 1)[0] - z, atol=1e-5)
    assert np.abs(y - run(model, x)[0]).max() < 0.02 * np.abs(y).max()


def test_a_product_in_4_bits_is_that_of_its_grid_with_a_last_block_of_any_size() -> None:
    x = np.random.default_rng(2).standard_normal((3, 5, INPUTS)).astype(np.float32)
    changed = onnx.ModelProto()
    changed.CopyFrom(linear())
    grids = Grids()
    values = near_grid(np.ascontiguousarray(matrix(0).T), 4, 32)
    changed.graph.initializer[0].CopyFrom(numpy_helper.from_array(grids.add(values).T.copy(), "w"))
    quantize_products(changed, 4, 32, grids)
    assert ops(changed) == ["MatMulNBits", "Add"]
    got = run(changed, x)[0]
    expected = x @ values.values().T + matrix(1, 1)[0]
    # Activations have 8 bits too.
    assert np.abs(got - expected).max() < 0.02 * np.abs(expected).max()


GELU = [
    helper.make_node("Div", ["y", "root"], ["z"]),
    helper.make_node("Erf", ["z"], ["e"]),
    helper.make_node("Add", ["e", "one"], ["f"]),
    helper.make_node("Mul", ["y", "f"], ["g"]),
    helper.make_node("Mul", ["g", "half"], ["h"]),
]


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize(
    ("nodes", "op"),
    [
        ([helper.make_node("Relu", ["y"], ["h"])], "QuantizedLinearRelu8"),
        (GELU, "QuantizedLinearGelu8"),
        ([helper.make_node("Sigmoid", ["y"], ["h"])], "QuantizedLinear8"),
    ],
    ids=["relu", "gelu", "sigmoid"],
)
def test_an_activation_that_alone_reads_a_product_is_computed_with_it(
    nodes: list[onnx.NodeProto], op: str, library: bool
) -> None:
    product = helper.make_node("Gemm", ["x", "w", "b"], ["y"])
    one, half, root = (np.array(value, np.float32) for value in (1, 0.5, 2**0.5))
    constants = {"w": matrix(0), "b": matrix(1, 1)[0], "one": one, "half": half, "root": root}
    model = model_of([product, *nodes], constants, {"h": 2}, ("batch", INPUTS))
    changed = quantised(model)
    assert op in ops(changed)
    assert len(changed.graph.node) == (2 if op == "QuantizedLinear8" else 1)
    x = np.random.default_rng(9).standard_normal((7, INPUTS)).astype(np.float32)
    got = np.asarray(session(changed.SerializeToString(), library=library).run(None, {"x": x})[0])
    exact = run(model, x)[0]
    assert np.abs(exact - got).max() < 0.02 * np.abs(exact).max()


def test_an_activation_stays_where_something_else_reads_the_product() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Relu", ["y"], ["h"])]
    changed = quantised(model_of(nodes, {"w": matrix(0)}, {"y": 3, "h": 3}))
    assert ops(changed) == ["QuantizedLinear8", "Relu"]


def test_a_matrix_that_is_kept_stays_in_float() -> None:
    changed = linear()
    grids = Grids()
    grids.keep(matrix(0).T)
    quantize_products(changed, 4, 32, grids)
    assert ops(changed) == ["MatMul", "Add"]

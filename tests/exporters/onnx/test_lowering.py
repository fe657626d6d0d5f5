"""Lookup programs as ONNX: the portable bodies give the rows of the numpy reference, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgeemb import tables
from edgeemb.errors import ExportError
from edgeemb.exporters.onnx.lowering import add_functions, replace_table
from edgeemb.exporters.support import sample_tokens
from edgeemb.native.libraries import find_library
from edgeemb.native.onnxruntime import RUNTIME_ERRORS, open_session, session_options
from edgeemb.tables import Table
from edgeemb.tables.program import MatMul, walk
from tests.fixtures.tables import SPECS as SAMPLES
from tests.fixtures.tables import table_of

ROWS = 40
SPECS = (
    "fp32",
    "fp16",
    "int8",
    "int8:block=4",
    "int4",
    "int4:block=4,scale=fp32",
    "int2",
    "int2:block=4",
    "binary",
    "binary:block=4",
    "binary:planes=2",
    "binary:block=4,planes=3",
    "binary:planes=4",
    "pq:m=4,k=8",
    "rvq:m=2,k=8",
    "ngram:n=2",
)


def lookup_model(
    table: Table, ids_type: int = TensorProto.INT64, axes: list[Any] | None = None, *, int8: bool = False
) -> onnx.ModelProto:
    """A model that is nothing but a Gather over a float table, with `table` put in its place."""
    shape = ["n"] if axes is None else axes
    graph = helper.make_graph(
        [helper.make_node("Gather", ["weight", "ids"], ["rows"], axis=0)],
        "lookup",
        [helper.make_tensor_value_info("ids", ids_type, shape)],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [*shape, table.shape[1]])],
        [numpy_helper.from_array(np.zeros(table.shape, np.float32), "weight")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    replace_table(model, "weight", table, "word", {"ids": ids_type}, int8=int8)
    add_functions(model, [table])
    onnx.checker.check_model(model, full_check=True)
    return model


def session_of(model: onnx.ModelProto, *, custom: bool) -> onnxruntime.InferenceSession:
    options = session_options()
    if custom:
        options.register_custom_ops_library(str(find_library("edgeemb_onnxruntime")))
    return open_session(model.SerializeToString(), options)


def random_table(spec: str, dim: int, seed: int = 0) -> Table:
    weight = np.random.default_rng(seed).standard_normal((ROWS, dim)).astype(np.float32)
    return tables.encode(weight, spec, tokens=sample_tokens(ROWS))


@pytest.mark.parametrize("custom", [False, True], ids=["builtin", "custom"])
@pytest.mark.parametrize("spec", SPECS)
def test_both_lowerings_give_the_rows_of_the_reference(spec: str, custom: bool) -> None:
    table = random_table(spec, 24)
    for ids_type, dtype in ((TensorProto.INT64, np.int64), (TensorProto.INT32, np.int32)):
        session = session_of(lookup_model(table, ids_type, ["batch", "length"]), custom=custom)
        for shape in ((1, 1), (2, 7), (3, 0), (0, 2)):
            ids = np.random.default_rng(1).integers(0, ROWS, shape).astype(dtype)
            rows = session.run(None, {"ids": ids})[0]
            assert rows.shape == (*shape, 24)
            np.testing.assert_array_equal(rows, table.rows(ids))


@pytest.mark.parametrize("custom", [False, True], ids=["builtin", "custom"])
@pytest.mark.parametrize("spec", SAMPLES)
def test_writes_every_codec(spec: str, custom: bool) -> None:
    table = table_of(spec)
    ids = np.array([0, table.shape[0] - 1, 5, 5, 77])
    rows = session_of(lookup_model(table), custom=custom).run(None, {"ids": ids})[0]
    if table.exact:
        np.testing.assert_array_equal(rows, table.rows(ids))
    else:
        np.testing.assert_allclose(rows, table.rows(ids), rtol=1e-5, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    spec=st.sampled_from(["int8", "int4", "int2", "binary", "binary:planes=3"]),
    dim=st.integers(1, 70),
    seed=st.integers(0, 99),
)
def test_portable_bodies_serve_any_dimension(spec: str, dim: int, seed: int) -> None:
    table = random_table(spec, dim, seed)
    ids = np.random.default_rng(seed).integers(0, ROWS, 9)
    rows = session_of(lookup_model(table), custom=False).run(None, {"ids": ids})[0]
    np.testing.assert_array_equal(rows, table.rows(ids))


@pytest.mark.parametrize("custom", [False, True], ids=["builtin", "custom"])
@pytest.mark.parametrize("spec", ["fp32", "int8", "int4:block=4", "binary:planes=2"])
@pytest.mark.parametrize("bad", [-1, ROWS, 2**40, -(2**40)])
def test_an_id_out_of_range_is_refused_by_the_graph_itself(spec: str, bad: int, custom: bool) -> None:
    session = session_of(lookup_model(random_table(spec, 8)), custom=custom)
    with pytest.raises(RUNTIME_ERRORS, match=str(ROWS)):
        session.run(None, {"ids": np.array([0, bad])})


def test_the_library_takes_the_lookup_from_the_portable_body() -> None:
    table = random_table("int4:block=4", 24)
    model = lookup_model(table)
    kernels = {}
    for custom in (False, True):
        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        if custom:
            options.register_custom_ops_library(str(find_library("edgeemb_onnxruntime")))
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        session.run(None, {"ids": np.arange(4)})
        from pathlib import Path

        path = Path(session.end_profiling())
        kernels[custom] = path.read_text()
        path.unlink()
    assert '"QuantizedLookup4"' in kernels[True]
    assert '"QuantizedLookup4"' not in kernels[False]


def test_a_second_gather_over_the_table_is_replaced_too() -> None:
    table = random_table("int8", 8)
    nodes = [
        helper.make_node("Gather", ["weight", "a"], ["x"], axis=0),
        helper.make_node("Gather", ["weight", "b"], ["y"], axis=0),
        helper.make_node("Add", ["x", "y"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "twice",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["n"]) for name in "ab"],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array(np.zeros(table.shape, np.float32), "weight")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    replace_table(model, "weight", table, "word", {})
    add_functions(model, [table])
    a, b = np.array([1, 2]), np.array([3, 4])
    result = session_of(model, custom=False).run(None, {"a": a, "b": b})[0]
    np.testing.assert_array_equal(result, table.rows(a) + table.rows(b))
    assert "weight" not in {item.name for item in model.graph.initializer}


@pytest.mark.parametrize("int8", [False, True], ids=["fp32", "int8"])
@pytest.mark.parametrize("custom", [False, True], ids=["builtin", "custom"])
def test_rows_of_a_large_product_are_computed_once_for_each_distinct_id(custom: bool, int8: bool) -> None:
    table = random_table("ngram:n=2,dim=512", 24)
    for ids_type, dtype in ((TensorProto.INT64, np.int64), (TensorProto.INT32, np.int32)):
        model = lookup_model(table, ids_type, ["batch", "length"], int8=int8)
        assert [node.op_type for node in model.graph.node].count("Unique") == 1
        session = session_of(model, custom=custom)
        for shape in ((1, 1), (3, 40), (3, 0), (0, 2)):
            ids = np.random.default_rng(1).integers(0, 9, shape).astype(dtype)
            rows = session.run(None, {"ids": ids})[0]
            assert rows.shape == (*shape, 24)
            np.testing.assert_allclose(rows, table.rows(ids), rtol=1e-4, atol=0.1 if int8 else 1e-5)
            np.testing.assert_array_equal(rows, session.run(None, {"ids": ids})[0])
        with pytest.raises(RUNTIME_ERRORS, match=str(ROWS)):
            session.run(None, {"ids": np.array([[0, ROWS]], dtype)})


def test_rows_of_a_small_product_are_computed_for_every_id() -> None:
    model = lookup_model(random_table("lowrank:rank=4", 24))
    assert "Unique" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("spec", ["lowrank:rank=4", "ngram:n=2,dim=96"])
def test_products_are_stored_in_int8_with_an_int8_body(spec: str) -> None:
    table = random_table(spec, 24)
    stored = {item.name: item for item in lookup_model(table, int8=True).graph.initializer}
    matrix = next(node.array for node in walk(table.program) if isinstance(node, MatMul))
    assert stored[f"word.{matrix}"].data_type == TensorProto.INT8
    assert stored[f"word.{matrix}.step"].dims == [24]
    ids = np.arange(ROWS)
    rows = session_of(lookup_model(table, int8=True), custom=False).run(None, {"ids": ids})[0]
    assert np.abs(rows - table.rows(ids)).max() < 0.05 * np.abs(table.rows(ids)).max()


def test_a_table_without_lookups_is_refused() -> None:
    model = lookup_model(random_table("int8", 8))
    with pytest.raises(ExportError, match="'other': no Gather"):
        replace_table(model, "other", random_table("int8", 8), "other", {})

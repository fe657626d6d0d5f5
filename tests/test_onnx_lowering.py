"""Every codec in ONNX: standard ops alone give the rows of the numpy reference."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.export.onnx_lowering import add_functions, replace_table
from edgeemb.tables.program import BatchMatMul, MatMul, walk
from tests.tables_all import DIM, ROWS, SPECS, table_of, uncovered

TYPES = {np.int64: TensorProto.INT64, np.int32: TensorProto.INT32}


@cache
def session(spec: str, ids_type: type) -> onnxruntime.InferenceSession:
    """A model of one Gather over [ROWS, DIM], with the table of a spec in its place, in a stock runtime."""
    ids = helper.make_tensor_value_info("ids", TYPES[ids_type], ["batch", "length"])
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", "length", DIM])
    weight = numpy_helper.from_array(np.zeros((ROWS, DIM), np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["weight", "ids"], ["rows"])], "g", [ids], [rows], [weight]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    table = table_of(spec)
    replace_table(model, "weight", table, "table", {"ids": TYPES[ids_type]})
    add_functions(model, [table])
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def rows_of(spec: str, ids: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(session(spec, ids.dtype.type).run(None, {"ids": ids})[0])


def test_covers_every_codec() -> None:
    assert uncovered() == set()


@pytest.mark.parametrize("ids_type", TYPES)
@pytest.mark.parametrize("spec", SPECS)
def test_gives_the_rows_of_the_reference(spec: str, ids_type: type) -> None:
    table = table_of(spec)
    ids = np.random.default_rng(1).integers(0, ROWS, (3, 7)).astype(ids_type)
    ids[0, :2] = 0, ROWS - 1
    rows = rows_of(spec, ids)
    if any(isinstance(node, MatMul | BatchMatMul) for node in walk(table.program)):
        np.testing.assert_allclose(rows, table.rows(ids), rtol=1e-5, atol=1e-5)
    else:
        # Equal as numbers: the runtime's Where turns -0 into 0.
        np.testing.assert_array_equal(rows, table.rows(ids))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_gives_no_rows_for_no_ids(spec: str, shape: tuple[int, int]) -> None:
    assert rows_of(spec, np.zeros(shape, np.int64)).shape == (*shape, DIM)


@pytest.mark.parametrize("wrong", [-1, ROWS])
@pytest.mark.parametrize("spec", SPECS)
def test_refuses_an_id_outside_the_table(spec: str, wrong: int) -> None:
    with pytest.raises(
        onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="out of data bounds"
    ):
        rows_of(spec, np.array([[0, wrong]], np.int64))

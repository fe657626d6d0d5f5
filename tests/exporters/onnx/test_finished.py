"""Finished models of every op set take compressed tables, and what they become is what ONNX Runtime loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.models.onnx.opsets import newest
from tests.fixtures.models.onnx_files import save
from tests.fixtures.weights import structured

IDS = np.array([[1, 2, 49], [0, 7, 7]])
SPECS = (
    "int8",
    "int4:block=8",
    "int2:block=8",
    "binary:block=8,planes=2",
    "pq:m=4",
    "rvq:m=2",
    "lowrank:rank=4",
    "fp16",
)


def model_of(opset: int) -> onnx.ModelProto:
    """A table and its mean, in the op set's own words."""
    by_input = opset >= 18
    nodes = [
        helper.make_node("Gather", ["W", "input_ids"], ["rows"]),
        helper.make_node(
            "ReduceMean",
            ["rows", "one"] if by_input else ["rows"],
            ["vector"],
            keepdims=0,
            **({} if by_input else {"axes": [1]}),
        ),
    ]
    constants = {"W": structured(50, 8), **({"one": np.array([1])} if by_input else {})}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "s"])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["b", 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    ops = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=ops, ir_version=helper.find_min_ir_version_for(ops, True))


@pytest.mark.parametrize("opset", range(11, onnx.defs.onnx_opset_version() + 1))
def test_op_sets_from_11_to_the_newest_take_every_kind_of_table(opset: int, tmp_path: Path) -> None:
    path = save(model_of(opset), tmp_path / "m.onnx")
    wanted = structured(50, 8)[IDS].mean(axis=1)
    # Each table by the path that differs: a function, a plain composition; all of them in the op sets at the ends.
    ends = opset in (11, 19, onnx.defs.onnx_opset_version())
    for spec in SPECS if ends else SPECS[1::5]:
        bundle = edgeemb.export(path, tmp_path / "b", table=spec, ops="builtin", force=True)
        with edgeemb.open(bundle) as session:
            got = session.run({"input_ids": IDS})
        assert float(np.sum(got * wanted) / np.linalg.norm(got) / np.linalg.norm(wanted)) > 0.6
    exact = edgeemb.export(path, tmp_path / "b", table="fp32", ops="builtin", force=True)
    with edgeemb.open(exact) as session:
        np.testing.assert_allclose(session.run({"input_ids": IDS}), wanted, atol=1e-6)
    assert read_manifest(exact).opset == min(max(opset, 18), newest())


def test_an_op_set_that_no_runtime_takes_yet_is_lowered_and_said_so(tmp_path: Path) -> None:
    latest = onnx.defs.onnx_opset_version()
    if latest <= newest():
        pytest.skip("this ONNX Runtime runs the newest op set that onnx knows")
    bundle = edgeemb.export(
        save(model_of(latest), tmp_path / "m.onnx"), tmp_path / "b", table="int8", ops="builtin"
    )
    assert (
        f"the model was moved from op set {latest} to {newest()}, the newest that"
        in read_manifest(bundle).notes[0]
    )
    onnxruntime.InferenceSession(bundle / "model.onnx")

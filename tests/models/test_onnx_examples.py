"""Inputs that a finished model without text is compared on are ones that the original runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.cli.app import main
from edgeemb.errors import ModelError
from edgeemb.exporters.options import ExportOptions
from tests.fixtures.models.onnx_files import save
from tests.fixtures.models.onnx_forms import DIM, WEIGHT, Builder


def finish(
    b: Builder, inputs: dict[str, list[Any]], output: list[Any], floats: tuple[str, ...] = ()
) -> onnx.ModelProto:
    graph = helper.make_graph(
        b.nodes,
        "g",
        [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT if name in floats else TensorProto.INT64, axes
            )
            for name, axes in inputs.items()
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, output)],
        b.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def lengths_model(axis: list[Any]) -> onnx.ModelProto:
    """A sum of rows, divided by lengths that come in an input of one axis."""
    b = Builder()
    b.hold("one", np.array([1], np.int64))
    total = b.op("ReduceSum", b.op("Gather", b.hold("emb.weight", WEIGHT), "ids"), "one", keepdims=0)
    wide = b.op("Unsqueeze", b.op("Cast", "input_lengths", to=TensorProto.FLOAT), "one")
    b.op("Div", total, wide, output="out")
    return finish(b, {"ids": ["batch", "seq"], "input_lengths": axis}, ["batch", DIM])


@pytest.mark.parametrize("axis", [["batch"], [None]])
def test_an_input_of_lengths_has_one_for_each_row(axis: list[Any], tmp_path: Path) -> None:
    model = edgeemb.load(save(lengths_model(axis), tmp_path / "m.onnx"))
    feeds = model.examples()[0]
    assert feeds["ids"].shape[0] == feeds["input_lengths"].shape[0] == 2
    assert (
        read_manifest(edgeemb.export(model, tmp_path / "b", table="int8", ops="builtin")).parity["cosine_min"]
        > 0.99
    )


def test_a_graph_of_batch_one_is_compared_on_batches_of_one(tmp_path: Path) -> None:
    b = Builder()
    rows = b.op("Gather", b.hold("emb.weight", WEIGHT), "x")
    b.op("Reshape", rows, b.hold("shape", np.array([1, -1, DIM], np.int64)), output="flat")
    b.op("Squeeze", "flat", b.hold("zero", np.array([0], np.int64)), output="again")
    # The squeeze leaves [length, dim] for one row only; adding it to the rows refuses two.
    b.op("Add", b.op("Squeeze", rows, "zero"), "again", output="out")
    model = edgeemb.load(save(finish(b, {"x": ["batch", "seq"]}, ["seq", DIM]), tmp_path / "m.onnx"))
    assert model.examples()[0]["x"].shape[0] == 1


def test_axes_that_are_sums_of_others_have_that_size(tmp_path: Path) -> None:
    b = Builder()
    rows = b.op("Gather", b.hold("emb.weight", WEIGHT), "ids")
    both = b.op("Concat", "past", rows, axis=1)
    b.op(
        "Mul",
        both,
        b.op("Unsqueeze", b.op("Cast", "mask", to=TensorProto.FLOAT), b.hold("two", np.array([2], np.int64))),
        output="out",
    )
    inputs: dict[str, list[Any]] = {
        "ids": ["batch", "seq"],
        "mask": ["batch", "past_seq + seq"],
        "past": ["batch", "past_seq", DIM],
    }
    model = edgeemb.load(save(finish(b, inputs, ["batch", "all", DIM], ("past",)), tmp_path / "m.onnx"))
    assert model.examples()[0]["mask"].shape == (2, 32)


def picky() -> onnx.ModelProto:
    """A model that runs on nothing but seven ids."""
    b = Builder()
    rows = b.op("Gather", b.hold("emb.weight", WEIGHT), "ids")
    b.op("Reshape", rows, b.hold("shape", np.array([7, DIM], np.int64)), output="out")
    return finish(b, {"ids": ["seq"]}, [7, DIM])


def test_inputs_that_the_user_gives_are_taken(tmp_path: Path) -> None:
    path = save(picky(), tmp_path / "m.onnx")
    np.savez(tmp_path / "inputs.npz", ids=np.arange(7))
    bundle = edgeemb.export(
        path,
        tmp_path / "b",
        table="int8",
        ops="builtin",
        options=ExportOptions(example_inputs=tmp_path / "inputs.npz"),
    )
    assert read_manifest(bundle).parity["examples"] == 1
    by_name = edgeemb.load(path, example_inputs={"ids": list(range(7))})
    by_place = edgeemb.load(path, example_inputs=(np.arange(7, dtype=np.int32),))
    for model in (by_name, by_place):
        np.testing.assert_array_equal(model.examples()[0]["ids"], np.arange(7))
        assert model.examples()[0]["ids"].dtype == np.int64


def test_a_model_that_runs_on_nothing_that_is_made_up_asks_for_inputs(tmp_path: Path) -> None:
    path = save(picky(), tmp_path / "m.onnx")
    with pytest.raises(
        ModelError,
        match=r"cannot run it .* the inputs were made up: give some that it runs on as `example_inputs`",
    ):
        edgeemb.export(path, tmp_path / "b", table="int8", ops="builtin")
    assert not (tmp_path / "b").exists()


def test_such_a_model_is_written_unchecked_where_that_is_asked_for(tmp_path: Path) -> None:
    path = save(picky(), tmp_path / "m.onnx")
    out = str(tmp_path / "b")
    done = CliRunner().invoke(
        main, ["export", str(path), "--table", "fp32", "--ops", "builtin", "--unchecked", "-o", out]
    )
    assert done.exit_code == 0, done.output
    assert "Parity to the original: not measured" in done.output
    assert read_manifest(Path(out)).parity == {}
    with edgeemb.open(out) as session:
        np.testing.assert_array_equal(session.run({"ids": np.arange(7)}), WEIGHT[:7])


def test_unchecked_changes_nothing_where_the_original_runs(tmp_path: Path) -> None:
    path = save(lengths_model(["batch"]), tmp_path / "m.onnx")
    bundle = edgeemb.export(
        path, tmp_path / "b", table="int8", ops="builtin", options=ExportOptions(unchecked=True)
    )
    assert read_manifest(bundle).parity["cosine_min"] > 0.99


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"other": np.arange(7)}, "'ids' is missing; it takes ids"),
        ({"ids": np.arange(7), "more": np.arange(7)}, "'more' is not an input of it; it takes ids"),
        ({"ids": np.ones((1, 7), np.int64)}, r"'ids' is int64\[1, 7\], it takes int64\['seq'\]"),
        ({"ids": np.full(7, 200)}, r"'ids' holds ids outside \[0, 200\)"),
    ],
)
def test_refuses_inputs_that_do_not_fit(inputs: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=says):
        edgeemb.load(save(picky(), tmp_path / "m.onnx"), example_inputs=inputs)


def test_refuses_a_file_that_holds_no_arrays_or_pickles(tmp_path: Path) -> None:
    path = save(picky(), tmp_path / "m.onnx")
    (tmp_path / "bad.npz").write_bytes(b"no")
    np.savez(tmp_path / "pickle.npz", ids=np.array([object()]))
    for name in ("bad.npz", "pickle.npz", "missing.npz"):
        with pytest.raises(ModelError, match=rf"{name} is not an \.npz file of arrays"):
            edgeemb.load(path, example_inputs=tmp_path / name)

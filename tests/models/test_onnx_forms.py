"""Word tables that a finished model stores as codes, as a one-hot product or half-way computed are seen, decoded and replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import EdgeembError, SpecError
from edgeemb.models.summary import inspect_model
from tests.fixtures.models.onnx_files import save
from tests.fixtures.models.onnx_forms import DIM, FORMS, ROWS, WEIGHT, Builder, encoder_in
from tests.fixtures.weights import structured

IDS = np.random.default_rng(3).integers(0, ROWS, (3, 9))
FEEDS = {"input_ids": IDS, "token_type_ids": (IDS % 2).astype(np.int64)}


def computed(path: Path, feeds: dict[str, NDArray[Any]] = FEEDS) -> NDArray[Any]:
    return np.asarray(onnxruntime.InferenceSession(path).run(None, feeds)[0])


@pytest.mark.parametrize("form", FORMS)
def test_a_table_in_any_form_is_seen_decoded_and_replaced(form: str, tmp_path: Path) -> None:
    path = save(encoder_in(form), tmp_path / "m.onnx")
    model = edgeemb.load(path)
    word = model.word_table
    assert (word.alias, word.rows, word.dim) == ("word", ROWS, DIM)
    # 4 bits, 8 bits, or what is held in floats already.
    slack = {"GatherBlockQuantized": 0.1, "per row, zero points": 0.05, "half": 1e-3}.get(form, 0.01)
    np.testing.assert_allclose(model.table_weight("word"), WEIGHT, atol=slack * np.abs(WEIGHT).max())
    bundle = edgeemb.export(model, tmp_path / "b", table=["word=fp32", "type=fp32"], ops="builtin")
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.run(FEEDS), computed(path), rtol=0, atol=2e-5)


@pytest.mark.parametrize("form", FORMS)
def test_what_held_the_old_table_is_gone_and_the_body_kept(form: str, tmp_path: Path) -> None:
    before = encoder_in(form)
    bundle = edgeemb.export(
        save(before, tmp_path / "m.onnx"), tmp_path / "b", table="int4:block=16", ops="builtin"
    )
    after = onnx.load(bundle / "model.onnx")
    tall = [item.name for item in after.graph.initializer if len(item.dims) == 2 and ROWS in item.dims]
    assert [name.split(".")[-1] for name in sorted(tall)] == ["codes", "scales"]
    assert read_manifest(bundle).body == "keep"
    kept = {node.name for node in before.graph.node if node.op_type in ("Add", "ReduceMean")}
    assert kept <= {node.name for node in after.graph.node}
    held = {item.name: numpy_helper.to_array(item) for item in after.graph.initializer}
    np.testing.assert_array_equal(held["dense"], structured(DIM, DIM, seed=7))


def test_a_table_that_is_not_named_stays_in_its_own_form(tmp_path: Path) -> None:
    path = save(encoder_in("dynamic"), tmp_path / "m.onnx")
    model = edgeemb.load(path)
    assert model.word_table.bytes == ROWS * DIM + 4 + 1
    assert [table.bytes for table in inspect_model(model).tables] == [ROWS * DIM + 5, 2 * DIM * 4]


def test_a_word_table_of_int4_counts_half_a_byte_for_each_number(tmp_path: Path) -> None:
    model = edgeemb.load(save(encoder_in("GatherBlockQuantized"), tmp_path / "m.onnx"))
    assert model.word_table.bytes == ROWS * DIM // 2 + ROWS * 2 * 4


def unseen() -> onnx.ModelProto:
    """An encoder whose word table is read along its other axis, so that no lookup of rows reaches it."""
    b = Builder()
    columns = b.op("Gather", b.hold("word_embeddings.weight", WEIGHT.T.copy()), "input_ids", axis=1)
    rows = b.op("Transpose", columns, perm=[1, 2, 0])
    kinds = b.op("Gather", b.hold("token_type_embeddings.weight", structured(2, DIM)), "token_type_ids")
    b.op("Add", rows, kinds, output="sum")
    names = ("input_ids", "token_type_ids")
    graph = helper.make_graph(
        b.nodes,
        "encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in names],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["batch", "length", DIM])],
        b.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_a_spec_that_reaches_no_table_is_an_error_that_says_what_looks_like_one(tmp_path: Path) -> None:
    path = save(unseen(), tmp_path / "m.onnx")
    with pytest.raises(
        SpecError,
        match=r"'int4:block=16' reaches no table of m, which has type \(2 x 32\) only; 'word_embeddings\.weight' looks like "
        r"one, but it \(float, 32 x 200\) is read along another axis by Gather",
    ):
        edgeemb.export(path, tmp_path / "b", table="int4:block=16", ops="builtin")
    assert not (tmp_path / "b").exists()
    bundle = edgeemb.export(path, tmp_path / "b", table="type=int8", ops="builtin")
    notes = read_manifest(bundle).notes
    assert any(
        note.startswith("'word_embeddings.weight' looks like a table and stays as it is") for note in notes
    )


def test_a_model_without_a_table_says_what_looks_like_one(tmp_path: Path) -> None:
    model = unseen()
    kinds = next(node for node in model.graph.node if node.input[0].startswith("token_type"))
    model.graph.node.remove(kinds)
    model.graph.node[-1].input[1] = "bias"
    model.graph.initializer.append(numpy_helper.from_array(np.ones(DIM, np.float32), "bias"))
    with pytest.raises(
        EdgeembError, match=r"'word_embeddings\.weight' looks like one, but it .* along another axis"
    ):
        edgeemb.load(save(model, tmp_path / "m.onnx"))

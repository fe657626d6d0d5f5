"""Finished ONNX models as input: which tables are found, what stays as it was, and what is refused."""

from __future__ import annotations

import subprocess
import sys
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
from edgeemb.errors import ExportError, InputError, ModelError, SpecError
from edgeemb.models.summary import inspect_model
from tests.fixtures.models import TEXTS
from tests.fixtures.models.onnx_files import DIM, ROWS, encoder, save
from tests.fixtures.weights import structured

Feeds = dict[str, NDArray[Any]]
FEEDS: Feeds = {
    "input_ids": np.array([[1, 2, 399, 0], [5, 6, 7, 8]]),
    "attention_mask": np.array([[1, 1, 1, 0], [1, 1, 1, 1]]),
}


def original(path: Path, feeds: Feeds) -> NDArray[Any]:
    """What ONNX Runtime computes with a file."""
    return np.asarray(onnxruntime.InferenceSession(path).run(None, feeds)[0])


def exported(path: Path, out: Path, **options: Any) -> Path:
    """A bundle of a file with a table that loses nothing, unless said otherwise."""
    return edgeemb.export(str(path), out, **{"table": "fp32", "ops": "builtin", **options})


# Reading.


def test_finds_the_table_and_what_feeds_it(tmp_path: Path) -> None:
    model = edgeemb.load(save(encoder(types=True), tmp_path / "m.onnx"))
    assert [(t.alias, t.name, t.role, t.rows, t.dim, t.tied) for t in model.tables] == [
        ("word", "embed.weight", "word", ROWS, DIM, False),
        ("type", "kinds.token_type_embeddings.weight", "type", 4, DIM, False),
    ]
    assert [(info.name, info.dtype, info.axes, info.table, info.rows) for info in model.inputs] == [
        ("input_ids", "int64", ("batch", "length"), "word", ROWS),
        ("attention_mask", "int64", ("batch", "length"), None, None),
        ("token_type_ids", "int64", ("batch", "length"), "type", 4),
    ]
    summary = inspect_model(model)
    assert summary.kind == "module"
    assert [table.bytes for table in summary.tables] == [ROWS * DIM * 4, 4 * DIM * 4]


def test_takes_text_where_a_tokenizer_lies_beside_it(tmp_path: Path) -> None:
    path = save(encoder(types=True), tmp_path / "m.onnx", tokenizer=True)
    bundle = exported(path, tmp_path / "b")
    manifest = read_manifest(bundle)
    assert (manifest.kind, manifest.max_length, manifest.body) == ("embedding", 512, "keep")
    assert manifest.parity["sentences"] == 64
    with edgeemb.open(bundle) as session:
        ids, mask = session.tokenize(TEXTS)
        zeros = np.zeros_like(ids)
        wanted = original(path, {"input_ids": ids, "attention_mask": mask, "token_type_ids": zeros})
        np.testing.assert_allclose(session.encode(TEXTS), wanted, atol=2e-3)


def test_takes_a_tokenizer_from_elsewhere(tmp_path: Path) -> None:
    save(encoder(), tmp_path / "other" / "m.onnx", tokenizer=True)
    model = edgeemb.load(
        save(encoder(), tmp_path / "m.onnx"), tokenizer=tmp_path / "other" / "tokenizer.json", max_length=9
    )
    assert (model.kind, model.max_length) == ("embedding", 9)


def test_a_model_of_fixed_length_pads_its_texts_to_it(tmp_path: Path) -> None:
    path = save(encoder(axes=("batch", 12)), tmp_path / "m.onnx", tokenizer=True)
    bundle = exported(path, tmp_path / "b")
    assert read_manifest(bundle).lengths == [12]
    with edgeemb.open(bundle) as session:
        assert session.encode(TEXTS).shape == (3, DIM)


# Replacing.


@pytest.mark.parametrize("through", ["initializer", "Identity", "Constant"])
@pytest.mark.parametrize("ids", [TensorProto.INT32, TensorProto.INT64])
def test_a_float_table_in_place_of_a_float_table_changes_nothing(
    tmp_path: Path, through: str, ids: int
) -> None:
    path = save(encoder(through=through, ids=ids), tmp_path / "m.onnx")
    dtype = np.int32 if ids == TensorProto.INT32 else np.int64
    feeds = {name: value.astype(dtype) for name, value in FEEDS.items()}
    with edgeemb.open(exported(path, tmp_path / "b")) as session:
        np.testing.assert_array_equal(session.run(feeds), original(path, feeds))
        assert session.manifest.inputs[0].dtype == np.dtype(dtype).name
        with pytest.raises(InputError, match="id 400 is outside"):
            session.run({**feeds, "input_ids": feeds["input_ids"] + dtype(1)})


def test_everything_but_the_lookup_stays_byte_for_byte(tmp_path: Path) -> None:
    model = encoder(types=True)
    bundle = exported(save(model, tmp_path / "m.onnx"), tmp_path / "b", table=["int4", "type=fp32"])
    after = onnx.load(bundle / "model.onnx")
    assert [item for item in after.opset_import if item.domain == ""] == list(model.opset_import)
    assert (after.ir_version, after.metadata_props) == (model.ir_version, model.metadata_props)
    assert (after.graph.input, after.graph.output) == (model.graph.input, model.graph.output)
    kept = [node for node in model.graph.node if node.op_type != "Gather"]
    names = {node.name for node in kept}
    assert [node for node in after.graph.node if node.name in names] == kept
    held = {item.name: numpy_helper.to_array(item) for item in after.graph.initializer}
    for item in model.graph.initializer:
        if "weight" not in item.name:
            np.testing.assert_array_equal(held[item.name], numpy_helper.to_array(item))
    assert "embed.weight" not in held


def test_a_half_precision_table_gives_half_precision_rows(tmp_path: Path) -> None:
    path = save(encoder(stored=np.float16), tmp_path / "m.onnx")
    model = edgeemb.load(path)
    assert model.table_weight("word").dtype == np.float32
    with edgeemb.open(exported(path, tmp_path / "b")) as session:
        np.testing.assert_array_equal(session.run(FEEDS), original(path, FEEDS))


def test_an_old_op_set_is_raised_and_said_so(tmp_path: Path) -> None:
    path = save(encoder(opset=13), tmp_path / "m.onnx")
    bundle = exported(path, tmp_path / "b", table="int8")
    manifest = read_manifest(bundle)
    assert manifest.opset == 18
    assert manifest.notes == ["the model was raised from op set 13 to 18, which the lookups need"]
    assert manifest.parity["cosine_min"] > 0.999


@pytest.mark.parametrize("head", ["tied", "copy"])
def test_a_tied_head_reads_the_table(tmp_path: Path, head: str) -> None:
    path = save(encoder(head=head), tmp_path / "m.onnx")
    model = edgeemb.load(path)
    assert model.tables[0].tied
    bundle = exported(path, tmp_path / "b", table="int8")
    manifest = read_manifest(bundle)
    held = {item.name for item in onnx.load(bundle / "model.onnx").graph.initializer if len(item.dims) == 2}
    assert manifest.notes == []
    assert held == {"word.codes", "word.scales", "dense"}
    assert manifest.parity["cosine_min"] > 0.99
    with edgeemb.open(bundle, ops="custom") as fused, edgeemb.open(bundle, ops="builtin") as portable:
        np.testing.assert_allclose(fused.run(FEEDS)[0], portable.run(FEEDS)[0], atol=1e-3)


@pytest.mark.parametrize("spec", ["qr:rows=8", "word=qr:rows=8"])
def test_a_table_that_cannot_be_the_head_is_refused_and_says_why(tmp_path: Path, spec: str) -> None:
    path = save(encoder(head="copy"), tmp_path / "m.onnx")
    with pytest.raises(ExportError, match="it is also the output layer, which qr:rows=8 cannot be: its rows"):
        exported(path, tmp_path / "b", table=spec)


@pytest.mark.parametrize("body", ["fp16", "int8"])
def test_the_body_is_converted_only_when_asked_for(tmp_path: Path, body: str) -> None:
    path = save(encoder(), tmp_path / "m.onnx")
    bundle = exported(path, tmp_path / "b", body=body)
    before = {node.op_type for node in onnx.load(path).graph.node}
    after = {node.op_type for node in onnx.load(bundle / "model.onnx").graph.node}
    assert read_manifest(bundle).body == body
    assert after - before
    assert read_manifest(bundle).parity["cosine_min"] > 0.999


def test_tables_with_unknown_inputs_all_take_a_bare_spec(tmp_path: Path) -> None:
    constants = {"user.weight": structured(30, 8), "item.weight": structured(20, 8, seed=1)}
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["user.weight", "user"], ["left"]),
            helper.make_node("Gather", ["item.weight", "item"], ["right"]),
            helper.make_node("Mul", ["left", "right"], ["score"]),
        ],
        "recommender",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch"]) for name in ("user", "item")],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    bundle = exported(save(model, tmp_path / "m.onnx"), tmp_path / "b", table="int8")
    specs = {alias: entry.spec for alias, entry in read_manifest(bundle).tables.items()}
    assert specs == {"user": "int8", "item": "int8"}


def test_native_kernels_give_what_the_portable_bodies_give(tmp_path: Path) -> None:
    path = save(encoder(), tmp_path / "m.onnx")
    bundle = exported(path, tmp_path / "b", table="int4", ops="custom")
    with edgeemb.open(bundle, ops="custom") as custom, edgeemb.open(bundle, ops="builtin") as builtin:
        np.testing.assert_array_equal(custom.run(FEEDS), builtin.run(FEEDS))


def test_no_torch_is_imported(tmp_path: Path) -> None:
    path = save(encoder(), tmp_path / "m.onnx", tokenizer=True)
    code = f"""
import sys
import edgeemb
from edgeemb.models.summary import inspect_model
inspect_model(edgeemb.load({str(path)!r}))
bundle = edgeemb.export({str(path)!r}, {str(tmp_path / "b")!r}, table="int4", ops="builtin")
edgeemb.open(bundle).encode(["the cat"])
sys.exit("torch" in sys.modules or "transformers" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# External data.


def with_external_data(folder: Path) -> Path:
    """A model whose weights lie in ``weights.bin`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "m.onnx"
    onnx.save(encoder(), path, save_as_external_data=True, location="weights.bin", size_threshold=100)
    return path


def test_external_data_are_read(tmp_path: Path) -> None:
    path = with_external_data(tmp_path)
    with edgeemb.open(exported(path, tmp_path / "b")) as session:
        np.testing.assert_array_equal(session.run(FEEDS), original(path, FEEDS))


def test_refuses_missing_external_data(tmp_path: Path) -> None:
    path = with_external_data(tmp_path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"lies in weights\.bin, which is missing"):
        edgeemb.load(path)


def test_refuses_external_data_that_are_cut(tmp_path: Path) -> None:
    path = with_external_data(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match=r"of weights\.bin, which has 100: copy it again"):
        edgeemb.load(path)


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/passwd"])
def test_refuses_external_data_outside_the_folder(tmp_path: Path, place: str) -> None:
    path = with_external_data(tmp_path / "inner")
    (tmp_path / "inner" / "weights.bin").rename(tmp_path / "weights.bin")
    model = onnx.load(path, load_external_data=False)
    for item in model.graph.initializer:
        for entry in item.external_data:
            if entry.key == "location":
                entry.value = place
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not a path inside its folder"):
        edgeemb.load(path)


def test_refuses_external_data_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    path = with_external_data(tmp_path / "inner")
    (tmp_path / "inner" / "weights.bin").rename(tmp_path / "weights.bin")
    (tmp_path / "inner" / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(ModelError, match="a link out of the model's folder"):
        edgeemb.load(path)


# Refusing.


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08"])
def test_refuses_what_is_not_onnx(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(
        ModelError, match=r"m\.onnx (has 0 bytes|is truncated or not|is not a valid)"
    ) as error:
        edgeemb.load(tmp_path / "m.onnx")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_refuses_a_truncated_file(tmp_path: Path, part: float) -> None:
    content = encoder().SerializeToString()
    (tmp_path / "m.onnx").write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ModelError, match=r"m\.onnx is (truncated or not|not a valid)"):
        edgeemb.load(tmp_path / "m.onnx")


def test_refuses_a_cyclic_graph(tmp_path: Path) -> None:
    model = encoder()
    hidden = next(node for node in model.graph.node if node.output[0] == "hidden")
    hidden.input[0] = "masked"
    with pytest.raises(ModelError, match="is not a valid ONNX model"):
        edgeemb.load(save(model, tmp_path / "m.onnx"))


def test_refuses_a_model_without_a_table(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    with pytest.raises(ModelError, match="has no table to compress: no Gather picks rows"):
        edgeemb.load(save(model, tmp_path / "m.onnx"))


def test_refuses_a_table_that_is_computed_from_an_input(tmp_path: Path) -> None:
    model = encoder()
    gather = next(node for node in model.graph.node if node.op_type == "Gather")
    gather.input[0] = "scaled"
    model.graph.input.append(helper.make_tensor_value_info("scale", TensorProto.FLOAT, []))
    model.graph.node.insert(0, helper.make_node("Mul", ["embed.weight", "scale"], ["scaled"], name="mul"))
    with pytest.raises(ModelError, match="'scaled' looks like one, but it is computed by a Mul node"):
        edgeemb.load(save(model, tmp_path / "m.onnx"))


def test_refuses_a_named_table_that_is_an_input(tmp_path: Path) -> None:
    model = encoder()
    model.graph.input.append(helper.make_tensor_value_info("given", TensorProto.FLOAT, [9, DIM]))
    model.graph.node.append(helper.make_node("Gather", ["given", "input_ids"], ["more"]))
    path = save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="table 'given' of m is an input of the model, and only a constant"):
        exported(path, tmp_path / "b", table="given=int8")


def test_refuses_a_tokenizer_with_more_ids_than_the_table_has_rows(tmp_path: Path) -> None:
    model = encoder()
    table = next(item for item in model.graph.initializer if item.name == "embed.weight")
    table.CopyFrom(numpy_helper.from_array(np.ones((9, DIM), np.float32), "embed.weight"))
    with pytest.raises(ModelError, match=r"the tokenizer gives ids up to 66, the table has 9 rows"):
        edgeemb.load(save(model, tmp_path / "m.onnx", tokenizer=True))


def test_refuses_a_table_with_values_that_are_no_numbers(tmp_path: Path) -> None:
    model = encoder()
    table = next(item for item in model.graph.initializer if item.name == "embed.weight")
    weight = numpy_helper.to_array(table).copy()
    weight[3, 4] = np.nan
    table.CopyFrom(numpy_helper.from_array(weight, "embed.weight"))
    with pytest.raises(ModelError, match=r"embed\.weight holds 1 NaN or infinite values"):
        exported(save(model, tmp_path / "m.onnx"), tmp_path / "b")


def test_refuses_its_own_exports(tmp_path: Path) -> None:
    bundle = exported(save(encoder(), tmp_path / "m.onnx"), tmp_path / "b", table="int4")
    with pytest.raises(ModelError, match="was written by edgeemb already"):
        edgeemb.load(bundle / "model.onnx")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"runtime": "tflite"}, "is a finished model for the runtime onnx, not for tflite"),
        ({"vocab": ["script:latin"]}, "so its vocabulary cannot be shrunk"),
    ],
)
def test_refuses_what_a_finished_model_cannot_become(
    tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    path = save(encoder(), tmp_path / "m.onnx", tokenizer=True)
    with pytest.raises(SpecError, match=says):
        exported(path, tmp_path / "b", **options)


def test_refuses_to_keep_the_body_of_what_is_no_finished_model(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="body 'keep' is for finished models"):
        edgeemb.export(tiny, tmp_path / "b", body="keep", ops="builtin")

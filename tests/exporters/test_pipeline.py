"""From a loaded model to a bundle: what the bundle computes, what it says of itself, and what a failed export leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.bundle.writing import atomic_folder
from edgeemb.errors import ExportError, InputError, ModelError, SpecError
from edgeemb.exporters.choice import choose
from edgeemb.models.torch.model import Model
from tests.fixtures.models import TEXTS, Recommender, run, save_plain, save_sentence


def test_a_bundle_of_float_tables_computes_what_the_model_computes(tiny: Model, tmp_path: Path) -> None:
    names = dict.fromkeys(("word", "position", "type"), "fp32")
    bundle = edgeemb.export(tiny, tmp_path / "b", table=names, body="fp32", ops="builtin")
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.encode(TEXTS), run(tiny, TEXTS).numpy(), atol=2e-6)


@pytest.mark.parametrize("body", ["fp16", "int8", "int4"])
def test_every_body_stays_close_to_the_original(tiny: Model, tmp_path: Path, body: str) -> None:
    bundle = edgeemb.export(tiny, tmp_path / "b", table="int8", body=body, ops="builtin")
    manifest = read_manifest(bundle)
    assert manifest.body == body
    # Sixteen random columns are harder on 4 bits than a trained model.
    assert manifest.parity["cosine_mean"] > (0.7 if body == "int4" else 0.98)


def test_the_table_of_a_bundle_is_the_table_that_was_fitted(tiny: Model, tiny_bundle: Path) -> None:
    from edgeemb.tables import encode

    fitted = encode(tiny.table_weight("word"), "int4")
    stored = {item.name: item for item in onnx.load(tiny_bundle / "model.onnx").graph.initializer}
    for name, array in fitted.arrays.items():
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(stored[f"word.{name}"]), array)


def test_the_model_is_opset_18_and_ir_8_and_says_nothing_of_the_machine(tiny_bundle: Path) -> None:
    model = onnx.load(tiny_bundle / "model.onnx")
    assert model.ir_version == 8
    assert {item.domain: item.version for item in model.opset_import} == {"": 18, "edgeemb": 1}
    assert {function.name for function in model.functions} == {"QuantizedLookup4", "QuantizedLookup8"}
    assert str(Path.cwd()).encode() not in (tiny_bundle / "model.onnx").read_bytes()


def test_position_and_type_tables_are_int8_unless_named(
    tiny_bundle: Path, tiny: Model, tmp_path: Path
) -> None:
    specs = {alias: entry.spec for alias, entry in read_manifest(tiny_bundle).tables.items()}
    assert specs == {"word": "int4", "position": "int8", "type": "int8"}
    named = edgeemb.export(
        tiny, tmp_path / "b", table=["binary", "position=int4"], body="fp32", ops="builtin"
    )
    specs = {alias: entry.spec for alias, entry in read_manifest(named).tables.items()}
    assert specs == {"word": "binary", "position": "int4", "type": "int8"}


def test_the_manifest_adds_up(tiny_bundle: Path) -> None:
    manifest = read_manifest(tiny_bundle)
    on_disk = {
        path.name: path.stat().st_size for path in tiny_bundle.iterdir() if path.name != "manifest.json"
    }
    assert {name: entry.bytes for name, entry in manifest.files.items()} == on_disk
    assert manifest.sizes["total"] == sum(on_disk.values())
    assert manifest.sizes["tables"] == sum(entry.bytes for entry in manifest.tables.values())
    assert manifest.parity["sentences"] == 64


def test_golden_vectors_are_what_a_session_gives(tiny_bundle: Path) -> None:
    golden = json.loads((tiny_bundle / "golden.json").read_text("utf-8"))
    with edgeemb.open(tiny_bundle, ops="builtin") as session:
        for text, ids, output in zip(golden["sentences"], golden["ids"], golden["output"], strict=True):
            assert session.tokenize([text])[0][0].tolist() == ids
            np.testing.assert_allclose(session.encode([text])[0], output, atol=1e-6)


def test_equal_seeds_give_equal_models(tiny: Model, tiny_bundle: Path, tmp_path: Path) -> None:
    again = edgeemb.export(tiny, tmp_path / "again", table="int4", body="fp32", ops="builtin")
    for name in ("model.onnx", "model.data", "golden.json"):
        assert read_manifest(again).files[name] == read_manifest(tiny_bundle).files[name]


def test_a_module_with_several_tables_is_exported_whole(tmp_path: Path) -> None:
    module = Recommender()
    examples = (torch.tensor([3, 4]), torch.tensor([[1, 2, 3], [4, 5, 6]]))
    model = edgeemb.load(module, example_inputs=examples)
    bundle = edgeemb.export(model, tmp_path / "b", table=["int8", "item=int4"], body="fp32", ops="builtin")
    manifest = read_manifest(bundle)
    assert {alias: entry.spec for alias, entry in manifest.tables.items()} == {"user": "int8", "item": "int4"}
    assert manifest.notes == []  # the output layer reads the table of items
    with edgeemb.open(bundle) as session:
        scores = session.run({"user": np.array([9]), "history": np.array([[1, 1, 2]])})
        assert scores.shape == (1, 30)
        with pytest.raises(InputError, match=r"id 50 is outside the user's \[0, 50\)"):
            session.run({"user": np.array([50]), "history": np.array([[1, 1, 2]])})
        with pytest.raises(InputError, match="takes no text"):
            session.encode(["text"])


def test_a_classifier_keeps_its_labels(tmp_path: Path) -> None:
    folder = save_plain(
        tmp_path / "m",
        "bert",
        "ForSequenceClassification",
        num_labels=3,
        id2label={0: "no", 1: "maybe", 2: "yes"},
    )
    model = edgeemb.load(str(folder))
    bundle = edgeemb.export(model, tmp_path / "b", table="int8", body="fp32", ops="builtin")
    with edgeemb.open(bundle) as session:
        assert session.manifest.labels == ["no", "maybe", "yes"]
        assert session.encode(TEXTS).argmax(1).tolist() == run(model, TEXTS).argmax(1).tolist()


@pytest.mark.parametrize(
    "family",
    [
        "xlm-roberta",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("roberta", "mpnet", "distilbert")),
    ],
)
def test_every_family_keeps_its_embeddings(tmp_path: Path, family: str) -> None:
    model = edgeemb.load(str(save_sentence(tmp_path / "m", family)))
    bundle = edgeemb.export(model, tmp_path / "b", table="int8", body="fp32", ops="builtin")
    assert read_manifest(bundle).parity["cosine_min"] > 0.99
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.encode(TEXTS), run(model, TEXTS).numpy(), atol=0.05)


def test_a_pruned_vocabulary_shrinks_table_and_tokenizer_together(tiny: Model, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the cat sat on the mat\nthe cat ran\n", "utf-8")
    bundle = edgeemb.export(
        tiny, tmp_path / "b", table="fp32", body="fp32", ops="builtin", vocab=[f"keep:{corpus}"]
    )
    manifest = read_manifest(bundle)
    assert manifest.tables["word"].rows < tiny.word_table.rows
    assert manifest.vocabulary is not None
    assert manifest.vocabulary["rows_after"] == manifest.tables["word"].rows
    with edgeemb.open(bundle) as session:
        # Position and type tables are int8 here.
        np.testing.assert_allclose(
            session.encode(["the cat sat"]), run(tiny, ["the cat sat"]).numpy(), atol=0.05
        )


def test_a_zip_opens_like_its_folder(tiny: Model, tiny_bundle: Path, tmp_path: Path) -> None:
    zipped = edgeemb.ExportOptions(as_zip=True)
    archive = edgeemb.export(
        tiny, tmp_path / "b.zip", table="int4", body="fp32", ops="builtin", options=zipped
    )
    assert zipfile.is_zipfile(archive)
    with edgeemb.open(archive) as session, edgeemb.open(tiny_bundle) as folder:
        np.testing.assert_array_equal(session.encode(TEXTS), folder.encode(TEXTS))
        unpacked = session.path
    assert not unpacked.exists()


def test_the_native_library_travels_with_custom_ops(tiny: Model, tmp_path: Path) -> None:
    bundle = edgeemb.export(tiny, tmp_path / "b", table="int4", body="fp32", ops="custom")
    assert [path.name for path in bundle.glob("lib/*/*")] == ["libedgeemb_onnxruntime.so"]
    with edgeemb.open(bundle, ops="custom") as custom, edgeemb.open(bundle, ops="builtin") as builtin:
        assert (custom.engine.ops, builtin.engine.ops) == ("custom", "builtin")
        np.testing.assert_array_equal(custom.encode(TEXTS), builtin.encode(TEXTS))


def test_every_file_of_a_bundle_can_be_read_by_everyone(tiny_bundle: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in tiny_bundle.rglob("*") if path.is_file()}
    assert "model.data" in modes
    assert set(modes.values()) == {0o644}


# What a failure leaves.


def test_an_existing_output_is_refused_and_left_alone(tiny: Model, tmp_path: Path) -> None:
    out = tmp_path / "b"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    with pytest.raises(ExportError, match=r"exists: choose another output, or replace it with force=True"):
        edgeemb.export(tiny, out, ops="builtin")
    with pytest.raises(ExportError, match="edgeemb did not write"):
        edgeemb.export(tiny, out, ops="builtin", force=True)
    assert (out / "mine.txt").read_text() == "precious"


def test_a_forced_export_that_fails_keeps_the_old_bundle(
    tiny: Model, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b"
    shutil.copytree(tiny_bundle, out)
    with pytest.raises(SpecError, match="block=7 does not divide"):
        edgeemb.export(tiny, out, table="int4:block=7", ops="builtin", force=True)
    with edgeemb.open(out) as session:
        assert session.encode(TEXTS).shape == (3, 16)
    assert os.listdir(tmp_path) == ["b"]


def test_a_forced_export_replaces_the_old_bundle(tiny: Model, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "b"
    shutil.copytree(tiny_bundle, out)
    edgeemb.export(tiny, out, table="int8", body="fp32", ops="builtin", force=True)
    assert read_manifest(out).tables["word"].spec == "int8"
    assert os.listdir(tmp_path) == ["b"]


def test_an_interrupted_export_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "b", force=False) as folder:
        (folder / "half.bin").write_bytes(b"half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_killed_export_leaves_no_bundle(tmp_path: Path) -> None:
    script = f"""
        import os
        from pathlib import Path
        from edgeemb.bundle.writing import atomic_folder
        with atomic_folder(Path({str(tmp_path / "b")!r}), force=False) as folder:
            (folder / "half.bin").write_bytes(b"half")
            os.kill(os.getpid(), 9)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert result.returncode == -9
    assert not (tmp_path / "b").exists()


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    # The kernel's own full device: every write to it fails as on a full disk.
    with (
        pytest.raises(ExportError, match="no space left on the disk"),
        atomic_folder(tmp_path / "b", force=False),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"table": "int5"}, "codec 'int5' is not known: did you mean int8"),
        ({"table": "int4:blocks=32"}, "has no option 'blocks'"),
        ({"table": ["int4", "int8"]}, "two specs without a table's name"),
        ({"body": "int3"}, "body 'int3' is not known"),
        ({"target": "toaster"}, "target 'toaster' is not known: .*use .*linux-x64"),
        ({"target": "cortexm4"}, "did you mean cortex-m4"),
        ({"runtime": "caffe"}, "runtime 'caffe' is not known: use onnx"),
        ({"ops": "magic"}, "ops 'magic' is not known"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(
    tmp_path: Path, options: dict[str, str], says: str
) -> None:
    with pytest.raises(SpecError, match=says):
        edgeemb.export("no such model", tmp_path / "b", **{"ops": "builtin", **options})


def test_an_unknown_table_is_refused_with_the_tables_that_there_are(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no table 'words', its tables are: word, position, type"):
        edgeemb.export(tiny, tmp_path / "b", table="words=int4", ops="builtin")


def test_a_runtime_without_the_ops_of_the_target_gets_its_own() -> None:
    assert choose("linux-x64", "c", None, None).ops == "builtin"
    with pytest.raises(SpecError, match='C99 has no custom ops: use ops="builtin"'):
        choose("linux-x64", "c", None, "custom")

"""Opening bundles: what is damaged, altered, newer or hostile is named in one line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgeemb
from edgeemb.bundle.golden import read_golden
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import BundleError, InputError, SpecError
from tests.fixtures.models import TEXTS


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may damage."""
    copy = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, copy)
    return copy


def edit(bundle: Path, change: Callable[[dict[str, object]], None]) -> None:
    path = bundle / "manifest.json"
    values = json.loads(path.read_text("utf-8"))
    change(values)
    path.write_text(json.dumps(values), "utf-8")


@pytest.mark.parametrize("name", ["model.onnx", "model.data", "tokenizer.json", "golden.json"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=name):
        edgeemb.open(bundle)


def test_a_truncated_file_is_named_with_its_size(bundle: Path) -> None:
    data = (bundle / "model.data").read_bytes()
    (bundle / "model.data").write_bytes(data[:-1])
    with pytest.raises(BundleError, match=rf"model.data has {len(data) - 1} bytes instead of {len(data)}"):
        edgeemb.open(bundle)


def test_an_altered_file_is_named(bundle: Path) -> None:
    data = bytearray((bundle / "model.data").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "model.data").write_bytes(data)
    with pytest.raises(BundleError, match=r"model.data was altered"):
        edgeemb.open(bundle)


def test_a_newer_schema_asks_for_an_update(bundle: Path) -> None:
    edit(bundle, lambda values: values.update(schema=99))
    with pytest.raises(BundleError, match="schema 99, this edgeemb reads up to 1: update edgeemb"):
        edgeemb.open(bundle)


def test_fields_of_a_later_version_are_ignored(bundle: Path) -> None:
    edit(bundle, lambda values: values.update(mood="sunny"))
    with edgeemb.open(bundle) as session:
        assert session.encode(TEXTS).shape == (3, 16)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": "one"}'])
def test_a_damaged_manifest_is_one_line(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text, "utf-8")
    with pytest.raises(BundleError) as caught:
        edgeemb.open(bundle)
    assert "\n" not in str(caught.value)
    assert "manifest.json" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"max_length": "long"}, "Expected 'int', got 'str' - at '$.max_length'"),
        ({"max_length": -1}, "Expected 'int' >= 0 - at '$.max_length'"),
        ({"lengths": [16, 0]}, "Expected 'int' >= 1 - at '$.lengths[1]'"),
        ({"tables": {"word": {"spec": "int4"}}}, "missing required field 'rows' - at '$.tables[...]'"),
        ({"files": {"model.onnx": {"bytes": 1, "sha256": "beef"}}}, "sha256"),
        ({"inputs": [{"name": "ids", "dtype": "int64", "axes": [None]}]}, "'$.inputs[0].axes[0]'"),
        ({"name": "x" * 2000}, "Expected 'str' of length <= 1024 - at '$.name'"),
        ({"parity": {"cosine_mean": float("nan")}}, "'$.parity[...]'"),
        ({"sizes": {}}, "sizes lack 'tables'"),
        ({"plan": {}}, "missing required field 'table'"),
    ],
)
def test_a_manifest_of_other_types_ranges_or_lengths_is_refused(
    bundle: Path, change: dict[str, object], says: str
) -> None:
    edit(bundle, lambda values: values.update(change))
    with pytest.raises(BundleError, match=re.escape(says)) as caught:
        read_manifest(bundle)
    assert "manifest.json is damaged" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a\\b", "C:/x"])
def test_a_manifest_that_points_outside_is_refused(bundle: Path, name: str) -> None:
    edit(bundle, lambda values: values.update(files={name: {"bytes": 1, "sha256": 64 * "0"}}))
    with pytest.raises(BundleError, match="lies outside the bundle"):
        read_manifest(bundle)


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"not a zip")
    with pytest.raises(BundleError, match="neither a bundle folder nor a whole zip"):
        edgeemb.open(path)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no manifest\.json"):
        edgeemb.open(tmp_path)
    with pytest.raises(BundleError, match="does not exist"):
        edgeemb.open(tmp_path / "nowhere")


def test_a_damaged_model_is_one_line_even_unverified(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"rubbish")
    with pytest.raises(BundleError) as caught:
        edgeemb.open(bundle, verify_files=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "golden",
    [
        '{"inputs": {"x": [[1], [2, 3]]}, "output": [1]}',
        '{"inputs": {"x": ["a"]}, "output": [1]}',
        '{"ids": 3}',
        "[]",
    ],
)
def test_damaged_golden_vectors_are_one_line(tmp_path: Path, golden: str) -> None:
    (tmp_path / "golden.json").write_text(golden, "utf-8")
    with pytest.raises(BundleError, match=r"golden\.json holds no golden vectors"):
        read_golden(tmp_path)


def test_an_output_too_long_for_the_golden_file_is_not_compared(tmp_path: Path) -> None:
    kept = {"inputs": {"x": [1]}, "shape": [1, 20000], "first_values": [0.5]}
    (tmp_path / "golden.json").write_text(json.dumps(kept), "utf-8")
    assert read_golden(tmp_path) == []


# Sessions.


def test_ids_out_of_range_name_the_id_and_the_bound(bundle: Path) -> None:
    with edgeemb.open(bundle) as session:
        rows = session.manifest.tables["word"].rows
        for bad in (-1, rows, 2**40):
            ids = np.array([[1, bad]])
            with pytest.raises(InputError, match=rf"id {bad} is outside the input_ids's \[0, {rows}\)"):
                session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})


def test_a_missing_input_is_named_with_all_that_there_are(bundle: Path) -> None:
    with (
        edgeemb.open(bundle) as session,
        pytest.raises(InputError, match="'attention_mask' is missing: the model takes input_ids"),
    ):
        session.run({"input_ids": np.array([[1]])})


@pytest.mark.parametrize("texts", [[""], ["fine", "  \t"], ["fine", 3], "one text"])
def test_texts_that_cannot_be_used_are_refused(bundle: Path, texts: list[str]) -> None:
    with edgeemb.open(bundle) as session, pytest.raises(InputError):
        session.encode(texts)


def test_a_long_text_is_cut_as_the_tokenizer_cuts_it(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    with edgeemb.open(bundle) as session:
        long = "the cat sat on the mat " * 50
        with caplog.at_level("INFO", logger="edgeemb"):
            ids, _ = session.tokenize([long, "the cat"])
        assert ids.shape[1] == session.manifest.max_length
        assert "1 of 2 texts had more than" in caplog.text
        assert session.encode([long]).shape == (1, 16)


def test_rows_come_back_in_the_order_of_the_texts(bundle: Path) -> None:
    texts = ["the cat sat on the mat", "cat", "the mat", "a cat ran away"]
    with edgeemb.open(bundle) as session:
        alone = np.concatenate([session.encode([text]) for text in texts])
        np.testing.assert_allclose(session.encode(texts, batch_size=2), alone, atol=2e-6)


def test_unknown_ops_are_refused(bundle: Path) -> None:
    with pytest.raises(SpecError, match='ops="magic" is not known: use auto, builtin, custom'):
        edgeemb.open(bundle, ops="magic")


def test_a_session_imports_neither_torch_nor_an_exporter(bundle: Path) -> None:
    script = f"""
import sys, edgeemb
with edgeemb.open({str(bundle)!r}) as session:
    session.encode(["the cat"])
heavy = {{"torch", "onnx", "transformers", "sklearn", "optuna"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True)

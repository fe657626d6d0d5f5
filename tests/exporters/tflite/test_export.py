"""Exports to TFLite, and the sessions that run them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.devices.host.profile import profile
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import BundleError, ExportError, InputError, NativeError, SpecError
from edgeemb.exporters.parity import sentences
from edgeemb.exporters.tflite.convert import choose_lengths
from edgeemb.exporters.tflite.policy import RUNTIMES
from edgeemb.exporters.tflite.writer import check_ops
from edgeemb.models.tflite.flatbuffer import opcode_name, parse_tflite, write_tflite
from edgeemb.models.torch.model import Model
from edgeemb.runtimes.tflite import engine as tflite
from tests.fixtures.models.tflite_files import lookup_model
from tests.fixtures.models.words import save_words

Cached = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def bundle(tiny: Model, cached: Cached) -> Path:
    """The tiny encoder for LiteRT: two signatures, int8 body, the custom op. Copy it before changing it."""
    options: dict[str, Any] = {"table": "int4:block=8", "body": "int8", "ops": "custom", "lengths": (16, 40)}
    return cached("tflite-tiny", lambda path: edgeemb.export(tiny, path, runtime="tflite", **options))


@pytest.fixture(scope="session")
def builtin(tiny: Model, cached: Cached) -> Path:
    """The tiny encoder for tflite-runtime: float32 body, builtin ops. Copy it before changing it."""
    options: dict[str, Any] = {"table": "int4", "body": "fp32", "ops": "builtin", "lengths": (40,)}
    return cached(
        "tflite-runtime", lambda path: edgeemb.export(tiny, path, runtime="tflite-runtime", **options)
    )


def test_refuses_a_model_without_a_vocabulary(tmp_path: Path) -> None:
    model = save_words(tmp_path / "model", pooling=["mean"])
    with pytest.raises(ExportError, match="takes the bytes of words, which TFLite models cannot"):
        edgeemb.export(str(model), tmp_path / "bundle", runtime="tflite")


def _manifest(bundle: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((bundle / "manifest.json").read_text())
    return values


def _rows(bundle: Path, ids: list[int]) -> Any:
    with edgeemb.open(bundle) as session:
        return session.run(session.feeds([ids]))


def test_describes_its_signatures_and_parity(bundle: Path) -> None:
    manifest = _manifest(bundle)
    assert manifest["lengths"] == [16, 40]
    assert manifest["parity"]["cosine_min"] > 0.95
    assert (bundle / "lib" / "linux-x64" / "libedgeemb_tflite.so").is_file()


def test_keeps_the_meaning_of_minilm(cached: Cached) -> None:
    options: dict[str, Any] = {"table": "int4:block=32", "body": "int8", "ops": "builtin", "lengths": (16,)}
    folder = cached(
        "tflite-minilm", lambda path: edgeemb.export("all-MiniLM-L6-v2", path, runtime="tflite", **options)
    )
    assert _manifest(folder)["parity"]["cosine_mean"] >= 0.9955
    assert (folder / "model.tflite").stat().st_size <= 19.0e6


def test_gives_the_same_vector_at_every_length(bundle: Path) -> None:
    with edgeemb.open(bundle) as session:
        ids = list(range(5, 15))
        short = session.run({"input_ids": np.array([ids]), "attention_mask": np.ones((1, 10), np.int64)})
        padded = {
            "input_ids": np.pad(np.array([ids]), [(0, 0), (0, 25)]),
            "attention_mask": np.pad(np.ones((1, 10), np.int64), [(0, 0), (0, 25)]),
        }
        np.testing.assert_allclose(session.run(padded), short, atol=0.02)


def test_encodes_batches(builtin: Path) -> None:
    texts = sentences()[:5]
    with edgeemb.open(builtin) as session:
        together = session.encode(texts)
        apart = np.concatenate([session.encode([text]) for text in texts])
    np.testing.assert_allclose(together, apart, atol=1e-6)


def test_agrees_with_the_onnx_bundle_of_the_same_table(tiny_bundle: Path, builtin: Path) -> None:
    with edgeemb.open(tiny_bundle) as first, edgeemb.open(builtin) as second:
        np.testing.assert_allclose(first.encode(["the cat"]), second.encode(["the cat"]), atol=1e-5)


def test_holds_no_float_table(bundle: Path, tiny: Model) -> None:
    model = parse_tflite((bundle / "model.tflite").read_bytes(), "bundle")
    weight = tiny.table_weight("word")
    sizes = [len(buffer.data) for buffer in model.buffers if buffer.data is not None]
    assert weight.nbytes not in sizes
    ops = {opcode_name(code) for code in model.operatorCodes}
    assert {"edgeemb.QuantizedLookup", "edgeemb.QuantizedLinear8"} <= ops
    assert not {"FULLY_CONNECTED", "GELU"} & ops


def test_stores_panels_once_for_all_lengths(bundle: Path) -> None:
    model = parse_tflite((bundle / "model.tflite").read_bytes(), "bundle")
    large = [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None]
    large = [data for data in large if len(data) > 1000]
    assert len(set(large)) == len(large)


def test_counts_what_the_file_holds(bundle: Path, builtin: Path) -> None:
    for folder in (bundle, builtin):
        manifest = _manifest(folder)
        position, word = manifest["tables"]["position"], manifest["tables"]["word"]
        assert (position["bytes"], position["arrays"]) == (0, {})
        assert manifest["sizes"]["tables"] == word["bytes"] + sum(
            table["bytes"] for alias, table in manifest["tables"].items() if alias != "word"
        )
        assert any("position" in note and "float32" in note for note in manifest["notes"])
    codes = _manifest(bundle)["tables"]["word"]["arrays"].values()
    stored = sum(int(np.prod(array["shape"])) * np.dtype(array["dtype"]).itemsize for array in codes)
    assert 0 <= _manifest(bundle)["tables"]["word"]["bytes"] - stored < 100


def test_leaves_constants_aligned(bundle: Path) -> None:
    content = (bundle / "model.tflite").read_bytes()
    model = parse_tflite(content, "bundle")
    large = [
        bytes(buffer.data) for buffer in model.buffers if buffer.data is not None and len(buffer.data) > 500
    ]
    assert large
    assert all(content.find(data) % 64 == 0 for data in large)


def test_leaves_the_model_as_it_was(tiny: Model, builtin: Path) -> None:
    assert _manifest(builtin)["parity"]["cosine_mean"] < 1
    weight = tiny.table_weight("position")
    np.testing.assert_array_equal(
        weight, tiny.module.get_parameter(tiny.table("position").name).detach().numpy()
    )


def test_refuses_ids_outside_of_the_table(bundle: Path, tiny: Model) -> None:
    rows = tiny.table("word").rows
    with pytest.raises(InputError, match=str(rows)):
        _rows(bundle, [1, rows])


def test_refuses_inputs_longer_than_the_longest_signature(bundle: Path) -> None:
    ids = np.ones((1, 41), np.int64)
    with edgeemb.open(bundle) as session, pytest.raises(InputError, match="has 41 along the axis 'length'"):
        session.run({"input_ids": ids, "attention_mask": ids})


def test_tells_the_cost_by_operator(builtin: Path) -> None:
    report = profile(builtin, ProfilePlan(lengths=(40,), runs=2, ops_profile=True))
    calls = {operator.name: operator.calls for operator in report.operators}
    assert calls["lookup of word"] >= 2
    assert sum(count for name, count in calls.items() if name.startswith("XNNPACK Fully Connected")) >= 6
    assert any("whole microseconds" in note for note in report.notes)


def test_computes_the_same_while_profiled(builtin: Path, tmp_path: Path) -> None:
    with edgeemb.open(builtin) as plain, edgeemb.open(builtin, ops_profile=tmp_path / "profile") as profiled:
        np.testing.assert_allclose(profiled.encode(["the cat"]), plain.encode(["the cat"]), atol=1e-6)


def test_says_why_custom_ops_have_no_cost_by_operator(bundle: Path) -> None:
    report = profile(bundle, ProfilePlan(lengths=(16,), runs=2, ops_profile=True))
    assert not report.operators
    assert any("No cost by operator" in note and "builtin ops" in note for note in report.notes)


def test_cuts_texts_at_the_longest_signature(tiny: Model, bundle: Path) -> None:
    with edgeemb.open(bundle) as session:
        assert session.encode(["the cat sat on the mat and ran away " * 20]).shape == (1, 16)


def test_maps_the_table_and_copies_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "large.tflite"
    write_tflite(lookup_model(np.ones((40_000, 256), np.float32)), path)
    program = (
        "import sys, numpy as np; from edgeemb.devices.host.memory import read_memory;"
        "from edgeemb.runtimes.tflite.engine import find_interpreter; module = find_interpreter();"
        "before = read_memory().anonymous_bytes; interpreter = module.Interpreter(model_path=sys.argv[1]);"
        "interpreter.get_signature_runner()(ids=np.arange(6, dtype=np.int32) * 6000);"
        "print(read_memory().anonymous_bytes - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) < path.stat().st_size / 4


def test_refuses_other_ops_than_it_was_exported_with(bundle: Path, builtin: Path) -> None:
    with pytest.raises(SpecError, match='exported with ops="custom"'):
        edgeemb.open(bundle, ops="builtin")
    with pytest.raises(SpecError, match='exported with ops="builtin"'):
        edgeemb.open(builtin, ops="custom")


@pytest.mark.parametrize("found", ["2.4.0", "1.1.2", "3.0.0.dev20270101", "unknown"])
def test_the_native_lookups_are_not_loaded_into_a_version_that_they_were_not_run_in(
    found: str, bundle: Path, builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / f"ai_edge_litert-{found}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: {found}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    expected = (
        f"run in ai-edge-litert 1.2 to 2.3, installed is version {found}: pip install 'ai-edge-litert==2.3.*'"
    )
    with pytest.raises(NativeError, match=re.escape(expected)):
        edgeemb.open(bundle)
    with edgeemb.open(builtin) as session:
        assert session.encode(["the cat"]).shape == (1, 16)


def test_names_a_truncated_model(builtin: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(builtin, broken)
    content = (broken / "model.tflite").read_bytes()
    (broken / "model.tflite").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"model\.tflite"):
        edgeemb.open(broken)


def test_names_a_model_that_is_no_flatbuffer(builtin: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(builtin, broken)
    (broken / "model.tflite").write_bytes(b"not a model")
    with pytest.raises(BundleError, match="cannot load it"):
        edgeemb.open(broken, verify_files=False)


def test_names_a_delegate_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "libedgeemb_tflite.so"
    library.write_bytes(b"not a library")
    monkeypatch.setattr(tflite, "find_library", lambda name: library)
    with pytest.raises(NativeError, match="does not load"):
        tflite.load_delegate(tflite.find_interpreter())


@pytest.mark.parametrize(
    ("runtime", "body"), [("tflite-runtime", "int8"), ("tflm", "int8"), ("tflm", "fp16")]
)
def test_refuses_bodies_that_the_runtime_miscomputes(
    runtime: str, body: str, tiny: Model, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=f"cannot run the body '{body}'"):
        edgeemb.export(tiny, tmp_path / "out", target="linux-arm64", runtime=runtime, body=body)


@pytest.mark.parametrize("runtime", ["tflite-runtime", "tflm"])
def test_names_an_op_that_the_runtime_rejects(runtime: str) -> None:
    model = lookup_model(np.ones((4, 4), np.float32))
    code = model.operatorCodes[0]
    code.version = 99 if runtime == "tflite-runtime" else 1
    if runtime == "tflm":
        code.builtinCode, code.deprecatedBuiltinCode = 150, 127  # GELU
    with pytest.raises(ExportError, match=r"rejects (GATHER version 99|GELU version 1)"):
        check_ops(model, RUNTIMES[runtime])


def test_refuses_lengths_that_the_model_has_no_positions_for(tiny: Model) -> None:
    with pytest.raises(ExportError, match="length 41 is out of range"):
        choose_lengths(tiny, (16, 41), several=True)


def test_shortens_the_default_lengths_to_the_models_limit(tiny: Model) -> None:
    assert choose_lengths(tiny, (), several=True) == (16, 40)
    assert choose_lengths(tiny, (), several=False) == (16,)

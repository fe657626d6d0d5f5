"""Exports to TensorFlow Lite Micro, in the wheel that has its interpreter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.errors import BundleError, InputError, NativeError
from edgeemb.exporters.support import sample_tokens
from edgeemb.exporters.tflite.graph import opcode_index
from edgeemb.models.tflite.flatbuffer import write_tflite
from edgeemb.models.torch.model import Model
from edgeemb.runtimes.tflm import engine as tflm
from edgeemb.runtimes.tflm.engine import TflmEngine
from edgeemb.tables import Table, encode
from tests.fixtures.models.tflite_files import lookup_model, table_model
from tests.fixtures.requirements import needs_tflm_wheel

pytestmark = needs_tflm_wheel

ROWS, DIM = 300, 12


@pytest.fixture(scope="session")
def bundle(tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The tiny encoder for TFLM, with builtin ops. Copy it before changing it."""
    options: dict[str, Any] = {"table": "int4:block=8", "lengths": (40,)}
    return cached("tflm-tiny", lambda path: edgeemb.export(tiny, path, target="tflm", **options))


def _engine(folder: Path, bundle: Path, table: Table, *, custom: bool) -> TflmEngine:
    """An engine for a model that is a lookup and nothing else, with a manifest borrowed from a bundle."""
    write_tflite(table_model(table, "tflm", custom=custom, shape=(1, 6)), folder / "model.tflite")
    values = json.loads((bundle / "manifest.json").read_text())
    values |= {"ops": "custom" if custom else "builtin", "lengths": [], "files": {}}
    values["inputs"] = [{"name": "ids", "dtype": "int64", "axes": [1, 6], "rows": None}]
    values["outputs"] = [{"name": "rows", "dtype": "float32", "axes": [1, 6, DIM], "rows": None}]
    (folder / "manifest.json").write_text(json.dumps(values))
    session = edgeemb.open(folder, verify_files=False)
    assert isinstance(session.engine, TflmEngine)
    return session.engine


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize(
    "spec",
    [
        "int8",
        "int4",
        "int2:block=4",
        "binary:planes=2",
        "mixed:40=int4,*=fp16",
        "qr:rows=64+int8",
        "pq:m=3",
        "rvq:m=2,k=16",
        "ngram:n=2,lanes=4",
        "mixed:40=int4,*=ngram:n=2,lanes=2",
    ],
)
def test_computes_the_same_bits_as_the_reference(
    spec: str, custom: bool, bundle: Path, tmp_path: Path
) -> None:
    weight = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32)
    table = encode(weight, spec, tokens=sample_tokens(ROWS))
    engine = _engine(tmp_path, bundle, table, custom=custom)
    ids = np.array([[1, 299, 0, 4, 4, 77]])
    np.testing.assert_array_equal(engine.run({"ids": ids})[0], table.rows(ids))
    with pytest.raises(InputError, match="refused the inputs"):
        engine.run({"ids": np.array([[1, ROWS, 0, 4, 4, 77]])})
    with pytest.raises(InputError, match="refused the inputs"):
        engine.run({"ids": np.array([[1, 2, 0, 4, -1, 77]])})
    engine.close()


def test_encodes_as_the_original_does(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["parity"]["cosine_min"] > 0.95
    assert manifest["lengths"] == [40]


def test_tells_what_the_model_takes_of_the_arena(bundle: Path) -> None:
    with edgeemb.open(bundle) as session:
        session.encode(["the cat"])
        engine = session.engine
        assert isinstance(engine, TflmEngine)
        arena = engine.arena()
    assert arena.total == arena.persistent + arena.transient
    assert 1000 < arena.transient < 1_000_000


def test_names_the_op_that_it_lacks(bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    model = lookup_model(np.ones((4, 4), np.float32))
    model.subgraphs[0].operators[0].opcodeIndex = opcode_index(model, "BITWISE_XOR", 1, False)
    write_tflite(model, broken / "model.tflite")
    with pytest.raises(BundleError, match="it lacks BITWISE_XOR"):
        edgeemb.open(broken, verify_files=False)


def test_refuses_another_version_of_the_wheel(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflm, "version", lambda package: "0.dev20250101")
    with pytest.raises(NativeError, match=r"tflite-micro 0\.dev20250101 is installed, edgeemb needs"):
        edgeemb.open(bundle)


def test_refuses_longer_inputs(bundle: Path) -> None:
    ids = np.ones((1, 41), np.int64)
    with edgeemb.open(bundle) as session, pytest.raises(InputError, match="has 41 along the axis 'length'"):
        session.run({"input_ids": ids, "attention_mask": ids})

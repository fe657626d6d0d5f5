"""Exports with smaller vectors: what their sessions give, what the manifest says, and what the code in them does."""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import edgeemb
from edgeemb.bundle.manifest import parse_manifest, read_manifest
from edgeemb.cli.app import main
from edgeemb.errors import BundleError, InputError, SpecError
from edgeemb.exporters.kits import FOLDER
from edgeemb.models.torch.model import Model
from edgeemb.runtimes.c.engine import build_library
from edgeemb.text.sentences import sentences
from edgeemb.vectors.codes import cosines

TEXTS = ["the cat sat", "a dog ran home", "the cat loved a dog"]


@pytest.fixture(scope="module")
def bundle(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vectors") / "tiny"
    return edgeemb.export(tiny, out, table="fp32", body="fp32", vectors="pca=8+int8")


def test_a_session_gives_codes_and_compares_them(bundle: Path) -> None:
    with edgeemb.open(bundle) as session:
        stored, floats = session.encode(TEXTS), session.encode(TEXTS, as_floats=True)
        assert stored.dtype == np.int8 and stored.shape == (3, 8)
        assert floats.dtype == np.float32 and floats.shape == (3, 8)
        form = session.vectors
        assert form is not None and np.array_equal(form.pack(floats), stored)
        np.testing.assert_allclose(session.similarity(stored, stored), cosines(floats, floats), atol=0.01)
        np.testing.assert_allclose(session.similarity(floats, stored), cosines(floats, floats), atol=0.01)
        assert session.manifest.parity["cosine_min"] > 0.999
        assert session.manifest.normalize


def test_the_manifest_says_what_a_vector_is(bundle: Path) -> None:
    entry = read_manifest(bundle).vectors
    assert entry is not None
    assert (entry.spec, entry.dim, entry.dtype, entry.width, entry.measure) == (
        "pca=8+int8",
        8,
        "int8",
        8,
        "cosine",
    )
    golden = json.loads((bundle / "golden.json").read_text())
    assert np.shape(golden["output"]) == (8, 8)
    with edgeemb.open(bundle) as session:
        again = session.encode(golden["sentences"], as_floats=True)
    np.testing.assert_allclose(again, golden["output"], atol=1e-5)


def test_vectors_of_two_bundles_are_compared_only_if_they_are_alike(bundle: Path, tiny: Model) -> None:
    with edgeemb.open(bundle) as session:
        codes = session.encode(TEXTS)
        assert session.vectors is not None
        kept = edgeemb.VectorForm.from_json(json.loads(json.dumps(session.vectors.to_json())))
        assert session.similarity(codes, codes, stored_as=kept).shape == (3, 3)
        other = edgeemb.VectorForm("another", kept.entry)
        with pytest.raises(InputError, match="their model is tiny on one side and another on the other"):
            session.similarity(codes, codes, stored_as=other)


def test_the_command_line_takes_and_shows_them(bundle: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(main, ["inspect", str(bundle)]).output
    assert "Vectors: pca=8+int8, 8 bytes each, compared by cosine" in " ".join(shown.split())
    found = json.loads(runner.invoke(main, ["run", str(bundle), "the cat", "--json"]).output)
    assert len(found[0]["output"]) == 8 and all(isinstance(value, int) for value in found[0]["output"])
    assert re.search(
        r"\[[+-]\d+ .*\] \(8 values\)", runner.invoke(main, ["run", str(bundle), "the cat"]).output
    )
    refused = runner.invoke(main, ["export", "nothing", "--vectors", "int7", "-o", str(tmp_path / "out")])
    assert refused.exit_code == 2 and "vectors 'int7': 'int7' is not known" in refused.output


def test_an_evaluation_measures_what_is_stored(bundle: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    lines = sentences()
    pairs.write_text("".join(f"{number % 5}\t{lines[number]}\t{lines[number + 1]}\n" for number in range(20)))
    with edgeemb.open(bundle) as session:
        result = edgeemb.evaluate(session, sts=pairs)
    assert result.sts is not None and result.sts.pairs == 20


def _changed(bundle: Path, change: Callable[[dict[str, Any]], object]) -> str:
    values = json.loads((bundle / "manifest.json").read_text())
    change(values)
    return json.dumps(values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values["vectors"].update(dim=0), "is damaged"),
        (lambda values: values["vectors"].update(scales=["a"]), "is damaged"),
        (lambda values: values["vectors"].update(scales=[1.0] * 99), "is damaged"),
        (lambda values: values["vectors"].update(scales=[-1.0]), "are not 1 numbers above 0"),
        (lambda values: values["vectors"].update(spec="int99"), "newer than this edgeemb, or damaged"),
        (lambda values: values["vectors"].update(dim=16, width=16), "16 dimensions to an output of 8"),
        (lambda values: values["vectors"].update(dtype="uint8"), "is not what the spec says"),
        (lambda values: values.update(kind="classification"), "gives vectors of 8 dimensions"),
    ],
)
def test_a_manifest_whose_vectors_cannot_be_is_refused(
    change: Callable[[dict[str, Any]], object], words: str, bundle: Path
) -> None:
    from edgeemb.vectors.form import form_of

    with pytest.raises(BundleError, match=words):
        form_of(parse_manifest(_changed(bundle, change), bundle / "manifest.json"))


def test_a_spec_past_the_model_stops_the_export(tiny: Model, tmp_path: Path) -> None:
    for spec, words in (("dim=17", "past the 16 dimensions"), ("dim=12+binary", "12 is no multiple of 8")):
        with pytest.raises(SpecError, match=words):
            edgeemb.export(tiny, tmp_path / "out", vectors=spec)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("target", "spec"), [("ios", "dim=8+binary:planes=2"), ("cortex-m4", "dim=8+int4")])
def test_a_c_export_stores_and_compares_as_python_does(
    target: str, spec: str, tiny: Model, tmp_path: Path
) -> None:
    bundle = edgeemb.export(tiny, tmp_path / "tiny", target=target, table="int8", vectors=spec)
    with edgeemb.open(bundle, allow_code=True) as session:
        assert session.manifest.parity["cosine_mean"] > 0.99
        form = session.vectors
        floats, stored = session.encode(TEXTS, as_floats=True), session.encode(TEXTS)
    assert form is not None
    library = ctypes.CDLL(
        str(build_library(bundle, tmp_path / "tiny.so", ("-Wall", "-Wextra", "-Werror", "-pedantic")))
    )
    library.tiny_similarity.restype = library.tiny_similarity_to.restype = ctypes.c_float

    def at(row: Any) -> ctypes.c_void_p:
        return ctypes.c_void_p(row.ctypes.data)

    got = np.zeros_like(stored)
    for row, vector in zip(got, floats, strict=True):
        library.tiny_store(at(vector), at(row))
    assert np.array_equal(got, stored)
    pairs = [[library.tiny_similarity(at(one), at(other)) for other in got] for one in got]
    np.testing.assert_allclose(pairs, form.similarity(stored, stored), atol=2e-6)
    pairs = [[library.tiny_similarity_to(at(one), at(other)) for other in got] for one in floats]
    np.testing.assert_allclose(pairs, form.similarity(floats, stored), atol=2e-6)
    assert f"#define TINY_VECTOR_BYTES {form.nbytes}u" in (bundle / "model.h").read_text()
    if target == "ios":
        swift = (bundle / FOLDER / "Sources" / "TextModel.swift").read_text()
        assert f"storedBytes = {form.nbytes}" in swift and swift.count("{") == swift.count("}")
        for name in ("store", "similarity", "similarity_to"):
            assert f"tiny_{name}(" in swift and f"tiny_{name}(" in (bundle / "model.h").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["tflite", "executorch"])
@pytest.mark.parametrize("spec", ["dim=8", "pca=8+binary"])
def test_every_runtime_gives_the_same_vectors(runtime: str, spec: str, tiny: Model, tmp_path: Path) -> None:
    bundle = edgeemb.export(tiny, tmp_path / "tiny", runtime=runtime, table="fp32", body="fp32", vectors=spec)
    with edgeemb.open(bundle) as session:
        assert session.manifest.parity["cosine_min"] > 0.999
        assert session.encode(TEXTS).shape == (3, 8 if spec == "dim=8" else 1)

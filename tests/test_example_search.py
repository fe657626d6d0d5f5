"""The example of a search: what an index of usearch finds is what the bundle finds most similar."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click import UsageError

from edgeemb.errors import InputError
from edgeemb.models.torch_model import Model
from edgeemb.models.vectors import make_small
from edgeemb.runtimes.session import Session
from edgeemb.text.sentences import sentences
from edgeemb.vectors.registry import parse_vectors
from tests.fixtures.models.torch_session import torch_session
from tests.places import ROOT


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("search", ROOT / "examples" / "search.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def opened(model: Model, spec: str, folder: Path) -> Session:
    small = make_small(model, parse_vectors(spec), None, 0)
    assert isinstance(small.model, Model)
    return torch_session(small.model, folder, small.entry)


@pytest.mark.parametrize("spec", ["float32", "int8", "binary"])
def test_an_index_finds_what_is_most_similar(spec: str, example: Any, tiny: Model, tmp_path: Path) -> None:
    texts = list(dict.fromkeys(sentences()))
    with opened(tiny, spec, tmp_path) as session:
        example.build(session, texts, tmp_path / "texts.usearch")
        index = example.load(session, tmp_path / "texts.usearch")
        assert len(index) == len(texts)
        for query in texts[:5]:
            found = example.search(session, index, query, 3)
            scores = session.similarity(session.encode([query], as_floats=True), session.encode(texts))[0]
            assert [score for _, score in found] == pytest.approx(sorted(scores)[:-4:-1], abs=1e-5)
            assert [scores[number] for number, _ in found] == pytest.approx([score for _, score in found])
            assert spec == "binary" or np.argmax(scores) == found[0][0]


def test_an_index_of_other_vectors_is_refused(example: Any, tiny: Model, tmp_path: Path) -> None:
    with opened(tiny, "int8", tmp_path) as session:
        example.build(session, sentences()[:4], tmp_path / "texts.usearch")
    with (
        opened(tiny, "binary", tmp_path) as session,
        pytest.raises(InputError, match="their spec is binary on one side and int8"),
    ):
        example.load(session, tmp_path / "texts.usearch")
    with opened(tiny, "int4", tmp_path) as session, pytest.raises(UsageError, match="no index for int4"):
        example.build(session, sentences()[:4], tmp_path / "texts.usearch")


def test_the_program_finds_a_text_with_the_real_runtime(minilm_bundle: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("Play some quiet piano music.\nThe package has not arrived.\nThe heating is cold.\n")
    command = [sys.executable, str(ROOT / "examples" / "search.py"), str(minilm_bundle), str(texts)]
    for _ in ("builds the index", "opens it again"):
        done = subprocess.run(
            [*command, "Where is my parcel?", "--index", str(tmp_path / "texts.usearch"), "--count", "1"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("  The package has not arrived.\n")

"""The cache of compiled exports: what is compiled and read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeemb.cache import CACHE_VARIABLE
from edgeemb.errors import NativeError
from edgeemb.runtimes.c import engine
from edgeemb.runtimes.c.engine import cached_library


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources of an export that is next to nothing, and an empty cache."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.c").write_text("int a;", "utf-8")
    (folder / "weights.c").write_text("int weights;", "utf-8")
    return folder


def test_compiles_an_export_once_and_again_when_a_source_changes(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached_library(sources)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cached_library(sources) == first
    with (sources / "model.c").open("a") as file:
        file.write("/* another */\n")
    with pytest.raises(NativeError, match="no C compiler"):
        cached_library(sources)


def test_does_not_read_sources_again_that_did_not_change_since(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SETTLED_S", 60.0)
    first = cached_library(sources)
    assert not (tmp_path / "cache" / "opened").exists()
    monkeypatch.setattr(engine, "_SETTLED_S", -60.0)
    assert cached_library(sources) == first
    (note,) = (tmp_path / "cache" / "opened").glob("*/digest")
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_contents", None)
        assert cached_library(sources) == first
    note.write_text("../../elsewhere", "utf-8")
    assert cached_library(sources) == first
    (sources / "model.c").write_text("int b;", "utf-8")
    assert cached_library(sources) != first

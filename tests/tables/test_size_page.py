"""The sizes that the page of codecs computes are those of the tables."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from edgeemb.tables import nbytes
from edgeemb.tables.spec import parse_spec
from tests.places import ROOT


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The hook that fills the page."""
    spec = importlib.util.spec_from_file_location("sizes", ROOT / "docs" / "hooks" / "sizes.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("columns", [128, 312, 384, 2048])
def test_every_size_is_that_of_the_table(columns: int, page: ModuleType) -> None:
    found = page.lines(columns)
    assert len(found) >= 10
    for text, slope, start in found:
        for rows in (10_000, 77_777, 262_144):
            assert abs(start + slope * rows - nbytes(parse_spec(text), rows, columns)) <= 1


def test_the_page_has_the_table_in_the_place_of_its_mark(page: ModuleType) -> None:
    text = (ROOT / "docs" / "codecs" / "README.md").read_text("utf-8")
    shown = page.on_page_markdown(text, page=None, config=None, files=None)
    assert page.MARK not in shown
    assert "int4:block=32" in shown.partition("<script>")[2]

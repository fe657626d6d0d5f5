"""The pages of docs/codecs: their worked examples are true, and every codec has one."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from edgeemb.tables import CODECS
from tests.places import ROOT

PAGES = sorted((ROOT / "docs" / "codecs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_gives_the_results_that_the_page_shows(page: Path) -> None:
    outcome = doctest.testfile(str(page), module_relative=False)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_describes_every_codec() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert [name for name in CODECS if f"`{name}`" not in text] == []


def test_says_of_the_right_codecs_that_they_are_meant_to_be_trained() -> None:
    text = (ROOT / "docs" / "codecs" / "README.md").read_text("utf-8")
    named = re.search(r"- ([^\n]*) are meant to be \[trained\]", text)
    assert named is not None
    assert re.findall(r"`(\w+)`", named[1]) == [name for name, codec in CODECS.items() if codec.trained]

"""docs/support.md."""

from __future__ import annotations

from edgeemb.exporters.support import COLUMNS, LEGEND, SPECS, sample_table, support_page
from edgeemb.tables import CODECS
from tests.places import ROOT


def test_is_up_to_date() -> None:
    page = (ROOT / "docs" / "support.md").read_text("utf-8")
    assert page == support_page(), "run python -m edgeemb.exporters.support"


def test_knows_every_codec() -> None:
    assert set(SPECS) == set(CODECS)


def test_explains_every_word() -> None:
    words = {column.status(sample_table(codec)) for column in COLUMNS for codec in CODECS}
    assert all(word in LEGEND or word.startswith("impossible: ") for word in words)

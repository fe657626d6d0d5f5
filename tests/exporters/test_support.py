"""docs/support.md."""

from __future__ import annotations

from edgeemb.exporters.support import support_page
from edgeemb.tables import CODECS
from tests.places import ROOT


def test_is_up_to_date() -> None:
    page = (ROOT / "docs" / "support.md").read_text("utf-8")
    assert page == support_page(), "run python -m edgeemb.exporters.support"


def test_has_a_line_for_every_codec() -> None:
    lines = support_page().splitlines()
    assert all(any(line.startswith(f"| `{name}` |") for line in lines) for name in CODECS)

"""Reports as a page: it is whole, safe and fits a phone; and its plots."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeemb.devices.measurement import (
    Operator,
)
from edgeemb.errors import EdgeembError
from edgeemb.report import render_page, write_page
from edgeemb.report.comparison import Comparison
from edgeemb.report.page.plots import Segment, bar, scatter, ticks
from tests.fixtures.reports import COMPARISON, SUBJECT, Elements, board, emulated, host
from tests.fixtures.requirements import requires_program


def test_the_page_is_whole_shows_every_value_and_asks_for_nothing() -> None:
    page = Elements(render_page(COMPARISON, "A & B"))
    assert page.open == []
    assert page.tags.count("title") == 1 and "A & B" in page.text
    assert page.tags.count("circle") == 2 and page.tags.count("rect") > 20
    for expected in (
        "1.04 ms",
        "18.3 MB",
        "1.23 M instructions",
        "QuantizedLookup4",
        "needs 100 runs, had 40",
        "Quality against size",
    ):
        assert expected in page.text
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not {"src", "href", "onload", "onclick"} & set(page.attributes)
    assert "default-src 'none'; style-src 'unsafe-inline'" in page.attributes["content"]
    assert "width=device-width, initial-scale=1" in page.attributes["content"]


def test_the_page_shows_hot_and_cold_latency_side_by_side() -> None:
    text = Elements(render_page(COMPARISON, "hot and cold")).text
    assert "Cold: the caches were swept before each run." in text
    hot, cold = text.index("1.04 ms"), text.index("2.31 ms")
    assert hot < cold < text.index("8.12 ms")


def test_the_page_shows_names_as_text_whatever_they_hold() -> None:
    name = "<script>alert(1)</script>\"'&"
    odd = replace(
        host(),
        bundle=replace(SUBJECT, name=name, source=name),
        operators=(Operator(name, 1, 1.0, "ms", 100.0),),
    )
    page = Elements(render_page(Comparison((odd,)), name))
    assert "script" not in page.tags
    assert page.open == []
    assert name in page.text


def test_a_page_of_a_device_that_measured_nothing_is_still_a_page() -> None:
    empty = replace(board(), measurements=(), bundle=replace(SUBJECT, sizes={}, parity={}, tables={}))
    assert "All values" in Elements(render_page(Comparison((empty,)))).text


@requires_program("chromium", "chromium")
@pytest.mark.parametrize("width", [360, 1000])
def test_a_browser_shows_the_page_without_sideways_scrolling(tmp_path: Path, width: int) -> None:
    everything = Comparison((*COMPARISON.reports, emulated()), COMPARISON.ratios)
    frame = (
        f'<iframe style="border: 0; width: {width}px" srcdoc="{escape(render_page(everything))}"></iframe>'
    )
    measure = "onload = () => { document.title = frames[0].document.documentElement.scrollWidth }"
    path = tmp_path / "wrapper.html"
    path.write_text(f"<!doctype html><body>{frame}<script>{measure}</script>", "utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--dump-dom",
        f"--user-data-dir={tmp_path / 'user'}",
    ]
    shown = subprocess.run(
        ["chromium", *options, path.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    found = re.search(r"<title>(\d+)</title>", shown.stdout)
    assert found is not None and width - 20 <= int(found[1]) <= width


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page(path, COMPARISON)
    assert path.read_text("utf-8") == render_page(COMPARISON)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(EdgeembError, match="cannot write"):
        write_page(tmp_path / "absent" / "report.html", COMPARISON)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_are_few_rise_and_span_the_values(low: float, span: float) -> None:
    values = ticks(low, low + span)
    slack = 1e-6 * max(abs(low), span, 1e-6)
    assert 2 <= len(values) <= 8
    assert values == sorted(set(values))
    assert values[0] <= low + slack and values[-1] >= low + span - slack


@given(st.lists(st.floats(0, 1e12), max_size=5), st.floats(0, 1e12))
def test_a_bar_stays_within_its_width_for_any_values(values: list[float], whole: float) -> None:
    drawn = bar([Segment(value, "part0") for value in values], whole, marks=values)
    ends = [piece.start + piece.width for piece in drawn.pieces]
    assert len(ends) == len(values) and all(0 <= end <= 100 + 1e-6 for end in [*ends, *drawn.marks])
    assert [piece.start for piece in drawn.pieces] == [0.0, *ends][: len(ends)]


def test_a_scatter_plot_has_its_points_between_its_axes() -> None:
    plot = scatter([(90.8, 86.7), (18.1, 86.6)], "size, MB", "STS Spearman", ["large", "small"])
    (x_large, y_large), (x_small, y_small) = plot.places
    assert plot.left < x_small < x_large <= plot.right
    assert plot.top <= y_large < y_small <= plot.bottom
    assert plot.x_ticks[0].label == "0" and plot.says == "large; small"

"""Reports: what they may hold, their JSON, and how they are shown."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import suppress
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgeemb.cli.app import main
from edgeemb.devices.host.profile import Ratio
from edgeemb.devices.measurement import (
    Machine,
    Measurement,
    Operator,
    Report,
    Subject,
    dump,
    read_report,
    report_from_json,
)
from edgeemb.errors import EdgeembError, InputError
from edgeemb.report import print_comparison, print_profile, render_page, to_markdown, write_page
from edgeemb.report.comparison import Comparison, join, read_comparison, write_comparison
from edgeemb.report.grid import grid_of
from edgeemb.report.plots import Point, Segment, bar, scatter, ticks
from edgeemb.report.values import show
from tests.fixtures.requirements import requires_program

SUBJECT = Subject(
    name="minilm-int4",
    source="all-MiniLM-L6-v2",
    runtime="onnx",
    ops="custom",
    kernel="avx2",
    body="int8",
    tables={"words": "int4:block=32", "positions": "int8"},
    sizes={
        "tables": 6_600_000,
        "body": 11_000_000,
        "tokenizer": 700_000,
        "libraries": 0,
        "kit": 0,
        "total": 18_300_000,
    },
    parity={"sentences": 50, "cosine_mean": 0.9912, "cosine_min": 0.9631},
)


def host(name: str = "minilm-int4", scale: float = 1.0) -> Report:
    """A report of a host, all of it measured but p99 at 128 tokens."""
    sizes = {part: int(size * scale) for part, size in SUBJECT.sizes.items()}
    subject = replace(SUBJECT, name=name, sizes=sizes)
    return Report(
        "host",
        "host",
        Machine("A processor (x86_64)", 2, "Linux 6.1"),
        subject,
        (
            Measurement("baseline_rss_bytes", 44_000_000),
            Measurement("load_anonymous_bytes", int(21_000_000 * scale)),
            Measurement("load_file_bytes", 3_000_000),
            Measurement("steady_anonymous_bytes", int(24_500_000 * scale)),
            Measurement("steady_file_bytes", 4_100_000),
            Measurement("peak_rss_bytes", int(41_000_000 * scale)),
            Measurement("load_ms", 61.5 * scale, runs=3),
            Measurement("first_inference_ms", 3.1, length=16, threads=1, runs=3),
            Measurement("p50_ms", 1.04 * scale, length=16, threads=1, runs=500),
            Measurement("p90_ms", 1.21 * scale, length=16, threads=1, runs=500),
            Measurement("p99_ms", 1.87 * scale, length=16, threads=1, runs=500),
            Measurement("p50_ms", 8.12 * scale, length=128, threads=1, runs=40),
            Measurement("p90_ms", 8.9 * scale, length=128, threads=1, runs=40),
            Measurement("p99_ms", None, "needs 100 runs, had 40", length=128, threads=1, runs=40),
            Measurement("spearman_percent", 86.72 - 0.1 * scale, runs=1500),
        ),
        (
            Operator("MatMul", 36, 0.7, "ms", 70.0),
            Operator("QuantizedLookup4", 1, 0.3, "ms", 30.0, lookup=True),
        ),
        ("Every measurement ran in a fresh process.",),
        {"edgeemb": "0.1.0", "onnxruntime": "1.31.1"},
    )


def board() -> Report:
    """A report of a simulated microcontroller: instructions and memory, no time."""
    return Report(
        "mps2-an386",
        "simulated",
        Machine("Cortex-M4", 1, "none", ("QEMU 7.2",)),
        replace(SUBJECT, name="table-only", runtime="c", kernel="serial", parity={}),
        (
            Measurement("inference_instructions", 1_234_567, length=16),
            Measurement("flash_bytes", 180_224),
            Measurement("ram_bytes", None, "the linker map names no stack"),
        ),
    )


COMPARISON = Comparison(
    (host("fp32", 4.0), host(), board()),
    (Ratio(0, 16, 1, 1.0), Ratio(1, 16, 1, 0.254), Ratio(1, 128, 1, 0.26)),
)


def printed(comparison: Comparison, width: int) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    print_comparison(console, comparison)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


class Elements(HTMLParser):
    """What an HTML page is made of: its elements, its text, and whether they are closed in order."""

    VOID = frozenset({"meta", "rect", "line", "circle", "br", "link", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_survives_json(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(dump(host()), "utf-8")
    assert read_report(path) == host()
    assert json.loads(dump(host()))["measurements"][0]["unit"] == "bytes"


def test_a_comparison_is_json() -> None:
    values = json.loads(json.dumps(COMPARISON.to_json(), allow_nan=False))
    assert [report_from_json(report) for report in values["reports"]] == list(COMPARISON.reports)
    assert values["ratios"][1] == {"bundle": 1, "length": 16, "threads": 1, "value": 0.254}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has schema 2, this version reads up to 1: update edgeemb"),
        ({"schema": None}, "is not a profile report"),
        ({"measurements": [{"name": "p50_ms", "value": "fast"}]}, "is not a profile report"),
        ({"measurements": [{"name": "p50_ms", "value": float("nan")}]}, "is not a profile report"),
        ({"measurements": {}}, "is not a profile report"),
        ({"machine": [1]}, "is not a profile report"),
        ({"bundle": {"name": "x"}}, "is not a profile report"),
        ({"kind": "laptop"}, "kind 'laptop' is none of"),
    ],
)
def test_a_report_of_another_form_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        report_from_json({**host().to_json(), **change}, "a.json")
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=3), x),
        max_leaves=6,
    )
)
def test_json_from_anywhere_never_raises_anything_but_an_input_error(junk: object) -> None:
    values = json.loads(dump(host()))
    for key in values:
        with suppress(InputError):
            report_from_json({**values, key: junk})


@pytest.mark.parametrize("kind", ["emulated", "simulated"])
def test_a_device_without_a_clock_has_no_times(kind: str) -> None:
    with pytest.raises(InputError, match="is a time"):
        replace(host(), kind=kind)


def test_a_measurement_has_a_unit_and_either_a_value_or_a_reason() -> None:
    for wrong in (("speed", 1.0, ""), ("p50_ms", None, ""), ("p50_ms", 1.0, "but why")):
        with pytest.raises(InputError):
            Measurement(*wrong)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "bytes", "0 bytes"),
        (999, "bytes", "999 bytes"),
        (1000, "bytes", "1.00 kB"),
        (18_300_000, "bytes", "18.3 MB"),
        (-1_500_000, "bytes", "-1.50 MB"),
        (0.0213, "ms", "21.3 µs"),
        (1.04, "ms", "1.04 ms"),
        (123.4, "ms", "123 ms"),
        (2500.0, "ms", "2.50 s"),
        (1_234_567, "instructions", "1.23 M instructions"),
        (86.7249, "percent", "86.72"),
    ],
)
def test_numbers_are_shown_with_three_digits_and_their_unit(value: float, unit: str, text: str) -> None:
    assert show(value, unit) == text


@pytest.mark.parametrize("width", [80, 120])
def test_a_comparison_fits_the_terminal_and_shows_every_report(width: int) -> None:
    text = printed(COMPARISON, width)
    assert max(map(len, text.splitlines())) <= width
    for expected in (
        "fp32 on host",
        "18.3 MB 0.25×",
        "1.04 ms 0.25×",
        "86.62",
        "0.9912",
        "1.23 M instructions",
    ):
        assert expected in " ".join(text.split())


def test_what_is_absent_is_empty_with_the_reason() -> None:
    grid = grid_of(COMPARISON.reports, COMPARISON.ratios)
    row = next(row for row in grid.rows if row.label == "p50, 16 tokens")
    assert [cell.text for cell in row.cells] == ["4.16 ms  1.00×", "1.04 ms  0.25×", ""]
    assert row.cells[2].reason == "a simulator's time is not the device's"
    text = " ".join(printed(COMPARISON, 100).split())
    for reason in ("needs 100 runs, had 40", "the linker map names no stack", "not measured on mps2-an386"):
        assert reason in text


def test_a_profile_shows_the_operators_with_the_lookup_among_them() -> None:
    console = Console(file=StringIO(), width=80, color_system=None)
    print_profile(console, host())
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "QuantizedLookup4" in text and "30.0%" in text and "×" not in text


def test_the_markdown_has_a_row_per_value_and_escapes_names() -> None:
    odd = replace(host(), bundle=replace(SUBJECT, name="a|b *c*", source="<model>"))
    lines = to_markdown(Comparison((odd,))).splitlines()
    assert lines[0] == "|  | a\\|b \\*c\\* |"
    assert "| p50, 16 tokens | 1.04 ms |" in lines
    assert "| model | \\<model\\> |" in lines


def test_the_page_is_whole_shows_every_value_and_asks_for_nothing() -> None:
    page = Elements(render_page(COMPARISON, "A & B"))
    assert page.open == []
    assert page.tags.count("title") == 1 and "A & B" in page.text
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


def emulated() -> Report:
    """A report of an emulated phone: instructions and memory, no time."""
    return replace(
        board(),
        device="arm64-a76",
        kind="emulated",
        machine=Machine("Cortex-A76", 1, "Linux", ("emulated by QEMU 7.2",)),
        bundle=SUBJECT,
        measurements=(
            Measurement("steady_anonymous_bytes", 16_500_000),
            Measurement("peak_rss_bytes", None, "one peak for both"),
            Measurement("inference_instructions", 25_600_000, length=16),
            Measurement("p50_ms", None, "no clock", length=16, threads=1),
        ),
    )


def test_saved_reports_of_all_kinds_come_together_in_one_table_and_one_page(tmp_path: Path) -> None:
    write_comparison(tmp_path / "host.json", Comparison((host("fp32", 4.0), host()), COMPARISON.ratios[:2]))
    (tmp_path / "phone.json").write_text(dump(emulated()), "utf-8")
    write_comparison(tmp_path / "board.json", Comparison((board(),)))
    names = [str(tmp_path / f"{name}.json") for name in ("host", "phone", "board")]
    done = CliRunner().invoke(main, ["report", *names, "--json", "--html", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    values = json.loads(done.output)
    assert [report["kind"] for report in values["reports"]] == ["host", "host", "emulated", "simulated"]
    assert values["ratios"][1]["value"] == 0.254
    page = Elements((tmp_path / "page.html").read_text("utf-8"))
    for expected in (
        "fp32 on host",
        "minilm-int4 on arm64-a76",
        "25.6 M instructions",
        "no clock",
        "one peak",
    ):
        assert expected in page.text
    joined = join([read_comparison(Path(name)) for name in names])
    times = [row for row in grid_of(joined.reports).rows if row.label == "p50, 16 tokens"]
    assert [cell.text != "" for cell in times[0].cells] == [True, True, False, False]
    assert len(times) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 2, "reports": []}', r"saved\.json has schema 2, this version reads up to 1: update"),
        ('{"schema": 1, "reports": []}', "holds no report"),
        (
            '{"schema": 1, "reports": [{"schema": 2}]}',
            r"report 1 of .*has schema 2, this version reads up to 1",
        ),
        ('{"schema": 1, "reports": [7]}', r"report 1 of .*is not a profile report"),
        ("[1]", "is not a profile report"),
        ("{", "is not valid JSON"),
    ],
)
def test_a_saved_file_of_another_form_is_refused_with_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "saved.json"
    path.write_text(text, "utf-8")
    done = CliRunner().invoke(main, ["report", str(path)])
    assert done.exit_code == 1
    assert re.search(message, done.output)
    assert len(done.output.strip().splitlines()) == 1


def test_a_device_that_cannot_be_used_is_a_column_with_the_reason_where_that_is_allowed(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    command = ["profile", str(tiny_bundle), "--device", "arm64-a76", "--lengths", "8"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    assert refused.output == "error: qemu-aarch64 is not installed: apt-get install qemu-user\n"
    saved = tmp_path / "saved.json"
    assert CliRunner().invoke(main, [*command, "--allow-missing", "-o", str(saved)]).exit_code == 0
    (report,) = read_comparison(saved).reports
    assert report.kind == "emulated"
    reasons = {measurement.reason for measurement in report.measurements}
    assert reasons == {"qemu-aarch64 is not installed: apt-get install qemu-user"}
    assert "install qemu-user" in Elements(render_page(Comparison((host(), report)))).text


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
def test_a_bar_is_well_formed_for_any_values(values: list[float], whole: float) -> None:
    text = bar([Segment(value, "part0") for value in values], whole, marks=values, says="a <b>")
    assert Elements(text).tags.count("rect") == len(values)
    assert "nan" not in text and "inf" not in text


def test_a_scatter_plot_numbers_its_points() -> None:
    page = Elements(scatter([Point(90.8, 86.7), Point(18.1, 86.6)], "size, MB", "STS Spearman"))
    assert page.tags.count("circle") == 2
    assert page.open == []

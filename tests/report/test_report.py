"""Reports: what they may hold, their JSON, and how they are shown."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgeemb.cli.app import main
from edgeemb.devices.measurement import (
    Measurement,
    dump,
    read_report,
    report_from_json,
)
from edgeemb.errors import InputError
from edgeemb.report import print_comparison, print_profile, render_page, to_markdown
from edgeemb.report.comparison import Comparison, join, read_comparison, write_comparison
from edgeemb.report.grid import grid_of
from edgeemb.report.values import show
from tests.fixtures.reports import COMPARISON, SUBJECT, Elements, board, emulated, host


def printed(comparison: Comparison, width: int) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    print_comparison(console, comparison)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


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
        ({"kind": "laptop"}, "kind 'laptop' is not one of"),
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
    missing = (
        "no emulator is installed for this bundle: apt-get install qemu-user; "
        "for a C export (--runtime c) unicorn is enough"
    )
    assert refused.output == f"error: {missing}\n"
    saved = tmp_path / "saved.json"
    assert CliRunner().invoke(main, [*command, "--allow-missing", "-o", str(saved)]).exit_code == 0
    (report,) = read_comparison(saved).reports
    assert report.kind == "emulated"
    reasons = {measurement.reason for measurement in report.measurements}
    assert {reason.replace('runtime="c"', "--runtime c") for reason in reasons} == {missing}
    assert "install qemu-user" in Elements(render_page(Comparison((host(), report)))).text

"""Reports as one HTML page: no script, no network, readable from a phone's width up. ``page.html`` draws what is put together here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgeemb.devices.measurement import Report
from edgeemb.files import write_text
from edgeemb.report.comparison import Comparison
from edgeemb.report.grid import Grid, grid_of, heads
from edgeemb.report.page.plots import Bar, Scatter, Segment, bar, scatter
from edgeemb.report.text import footnotes, operator_rows
from edgeemb.report.values import PARTS, label_of, show, three_digits

if TYPE_CHECKING:
    from jinja2 import Template

#: Quality in the order of preference for the plot against size.
_QUALITIES = (("spearman_percent", "STS Spearman"), ("accuracy_percent", "classifier accuracy, %"))

_MEMORY_COLOURS = {
    "steady_anonymous_bytes": "part0",
    "steady_file_bytes": "part2",
    "ram_bytes": "part1",
    "flash_bytes": "part3",
}


@dataclass(frozen=True)
class Note:
    """A line of small print."""

    kind: ClassVar = "note"
    text: str


@dataclass(frozen=True)
class Heading:
    """The heading of a part of a section."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Legend:
    """What the colours of the bars below stand for."""

    kind: ClassVar = "legend"
    colours: dict[str, str]


@dataclass(frozen=True)
class Value:
    """A named value, its bar where there is one, and a line of detail."""

    kind: ClassVar = "value"
    name: str
    value: str
    bar: Bar | None = None
    detail: str = ""


@dataclass(frozen=True)
class Cells:
    """The table of all values; an empty cell refers to its reason by number."""

    kind: ClassVar = "cells"
    grid: Grid
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Notes:
    """Notes, a line each."""

    kind: ClassVar = "notes"
    lines: tuple[str, ...]


Part = Note | Heading | Legend | Value | Scatter | Cells | Notes


@dataclass(frozen=True)
class Section:
    """A section of the page; one without parts is left out."""

    title: str
    parts: tuple[Part, ...]


def write_page(path: Path, comparison: Comparison, title: str = "edgeemb report") -> None:
    """Write the page; an existing file is replaced only by a complete one.

    :param path: where to.
    :param comparison: what to show.
    :param title: its title.
    :raises EdgeembError: if it cannot be written.
    """
    write_text(path, render_page(comparison, title))


def render_page(comparison: Comparison, title: str = "edgeemb report") -> str:
    """The page as HTML text.

    :param comparison: what to show.
    :param title: its title.
    """
    return _template().render(title=title, sections=list(_sections(comparison)))


@cache
def _template() -> Template:
    # Importing it is a tenth of the time that every command takes to start.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("edgeemb.report.page", ""), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["percent"] = "{:.3f}%".format
    return environment.get_template("page.html")


def _sections(comparison: Comparison) -> Iterator[Section]:
    reports = comparison.reports
    names = heads(reports)
    grid = grid_of(reports, comparison.ratios)
    yield Section("Size by part", tuple(_sizes(reports, names)))
    yield Section("Latency", tuple(_latency(reports, names)))
    yield Section("Memory", tuple(_memory(reports, names)))
    yield Section("Instructions", tuple(_instructions(reports, names)))
    yield Section("Quality against size", tuple(_quality(reports, names)))
    for report, name in zip(reports, names, strict=True):
        title = f"Cost by operator: {name}" if len(reports) > 1 else "Cost by operator"
        yield Section(title, tuple(_operators(report)))
    yield Section("All values", (Cells(grid, grid.reasons()),))
    yield Section("How it was measured", (Notes(tuple(footnotes(reports, grid))),))


def _sizes(reports: Sequence[Report], names: Sequence[str]) -> Iterator[Part]:
    parts = [
        part for part in PARTS if part != "total" and any(report.bundle.sizes.get(part) for report in reports)
    ]
    if not parts:
        return
    whole = max(sum(report.bundle.sizes.get(part, 0) for part in parts) for report in reports)
    yield Legend({part: f"part{PARTS.index(part)}" for part in parts})
    seen: set[tuple[str, tuple[int, ...]]] = set()
    for report, name in zip(reports, names, strict=True):
        sizes = [report.bundle.sizes.get(part, 0) for part in parts]
        if (report.bundle.name, tuple(sizes)) in seen:
            continue
        seen.add((report.bundle.name, tuple(sizes)))
        detail = ", ".join(
            f"{part} {show(size, 'bytes')}" for part, size in zip(parts, sizes, strict=True) if size
        )
        segments = [
            Segment(size, f"part{PARTS.index(part)}") for part, size in zip(parts, sizes, strict=True)
        ]
        total = report.bundle.sizes.get("total", sum(sizes))
        yield Value(name, show(total, "bytes"), bar(segments, whole, says=f"{name}: {detail}"), detail)


def _latency(reports: Sequence[Report], names: Sequence[str]) -> Iterator[Part]:
    settings = dict.fromkeys((m.length, m.threads) for report in reports for m in report.named("p50_ms"))
    if not settings:
        return
    cold_too = any(m.name == "cold_p50_ms" for report in reports for m in report.measurements)
    yield Note(
        "Bars end at the median; the lines mark p90 and p99."
        + (" Cold: the caches were swept before each run." if cold_too else "")
    )
    for length, threads in settings:
        tails = [
            [
                found.value
                for name in ("p90_ms", "p99_ms")
                if (found := report.find(name, length, threads)) and found.value
            ]
            for report in reports
        ]
        medians = [report.find("p50_ms", length, threads) for report in reports]
        known = [found.value for found in medians if found and found.value]
        colds = [report.find("cold_p50_ms", length, threads) for report in reports]
        known += [found.value for found in colds if found and found.value]
        whole = max([*known, *(value for tail in tails for value in tail)], default=0)
        yield Heading(label_of("p50_ms", length, threads).removeprefix("p50, "))
        for report, name, found, tail, cold in zip(reports, names, medians, tails, colds, strict=True):
            if found is None or found.value is None:
                yield Value(name, "–", None, found.reason if found else _no_time(report))
                continue
            text = show(found.value, "ms")
            yield Value(
                name, text, bar([Segment(found.value, "accent")], whole, marks=tail, says=f"{name}: {text}")
            )
            if cold is not None and cold.value is not None:
                text, label = show(cold.value, "ms"), f"{name}, cold"
                yield Value(label, text, bar([Segment(cold.value, "cold")], whole, says=f"{label}: {text}"))


def _no_time(report: Report) -> str:
    return f"not measured: the device is {report.kind}" if report.kind != "host" else "not measured"


def _memory(reports: Sequence[Report], names: Sequence[str]) -> Iterator[Part]:
    wanted = (*_MEMORY_COLOURS, "peak_rss_bytes")
    if not any(m.name in wanted for report in reports for m in report.measurements):
        return
    values = [{m.name: m.value for m in report.measurements if m.value is not None} for report in reports]
    whole = max(
        (float(value) for own in values for name, value in own.items() if name in wanted), default=0.0
    )
    used = {name for own in values for name in own}
    yield Legend({label_of(key): colour for key, colour in _MEMORY_COLOURS.items() if key in used})
    if "peak_rss_bytes" in used:
        yield Note("The line marks the peak.")
    for report, name, own in zip(reports, names, values, strict=True):
        segments = [
            Segment(max(float(own[key]), 0), colour) for key, colour in _MEMORY_COLOURS.items() if key in own
        ]
        peak = [float(own["peak_rss_bytes"])] if "peak_rss_bytes" in own else []
        detail = ", ".join(f"{label_of(key)} {show(own[key], 'bytes')}" for key in wanted if key in own)
        if not segments:
            reasons = [m.reason for m in report.measurements if m.name in wanted and m.reason]
            yield Value(name, detail or "–", None, reasons[0] if reasons else "not measured")
            continue
        picture = bar(segments, whole, marks=peak, says=f"{name}: {detail}")
        yield Value(name, show(sum(segment.value for segment in segments), "bytes"), picture, detail)


def _instructions(reports: Sequence[Report], names: Sequence[str]) -> Iterator[Part]:
    keys = dict.fromkeys(
        (m.name, m.length) for report in reports for m in report.measurements if m.unit == "instructions"
    )
    for key, length in keys:
        found = {place: report.find(key, length) for place, report in enumerate(reports)}
        values = {place: m.value for place, m in found.items() if m and m.value is not None}
        yield Heading(label_of(key, length))
        for place, name in enumerate(names):
            if place in values:
                text = show(values[place], "instructions")
                yield Value(
                    name,
                    text,
                    bar([Segment(values[place], "accent")], max(values.values()), says=f"{name}: {text}"),
                )
            else:
                measurement = found[place]
                yield Value(
                    name,
                    "–",
                    None,
                    measurement.reason if measurement else f"not counted on {reports[place].device}",
                )


def _quality(reports: Sequence[Report], names: Sequence[str]) -> Iterator[Part]:
    def points_of(name: str) -> dict[str, tuple[float, float]]:
        found = {}
        for report, head in zip(reports, names, strict=True):
            value = report.bundle.parity.get(name) if name == "cosine_mean" else None
            value = next((m.value for m in report.named(name) if m.value is not None), value)
            if value is not None and report.bundle.sizes.get("total"):
                found[head] = (report.bundle.sizes["total"] / 1e6, float(value))
        return found

    for name, label in (*_QUALITIES, ("cosine_mean", "mean agreement with the original")):
        points = points_of(name)
        if len(points) < 2:
            continue
        listed = [f"{head}: {three_digits(x)} MB, {y:.4g}" for head, (x, y) in points.items()]
        yield scatter(list(points.values()), "size, MB", label, listed)
        return


def _operators(report: Report) -> Iterator[Part]:
    rows = operator_rows(report)
    if not rows:
        return
    yield Legend({"table lookups": "part0", "everything else": "part4"})
    largest = max(float(share.rstrip("%")) for _, _, _, share, _ in rows)
    for name, calls, cost, share, lookup in rows:
        picture = bar(
            [Segment(float(share.rstrip("%")), "part0" if lookup else "part4")],
            largest,
            says=f"{name}: {share}",
        )
        yield Value(f"{name} ({calls}×)", f"{share} · {cost}", picture)

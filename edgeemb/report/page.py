"""Reports as one HTML page: no script, no network, readable from a phone's width up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from edgeemb.devices.measurement import Report
from edgeemb.files import write_text
from edgeemb.report.comparison import Comparison
from edgeemb.report.grid import Grid, grid_of, heads
from edgeemb.report.plots import Point, Segment, bar, scatter
from edgeemb.report.style import STYLE
from edgeemb.report.text import footnotes, operator_rows
from edgeemb.report.values import PARTS, label_of, show, three_digits

#: Quality in the order of preference for the plot against size.
_QUALITIES = (("spearman_percent", "STS Spearman"), ("accuracy_percent", "classifier accuracy, %"))

# The policy lets a browser load nothing at all, wherever the names in a report come from.
_OPENING = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
"""

_MEMORY_COLOURS = {
    "steady_anonymous_bytes": "part0",
    "steady_file_bytes": "part2",
    "ram_bytes": "part1",
    "flash_bytes": "part3",
}


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
    reports = comparison.reports
    names = heads(reports)
    grid = grid_of(reports, comparison.ratios)
    sections = [
        _section("Size by part", _sizes(reports, names)),
        _section("Latency", _latency(reports, names)),
        _section("Memory", _memory(reports, names)),
        _section("Instructions", _instructions(reports, names)),
        _section("Quality against size", _quality(reports, names)),
        *(
            _section(
                f"Cost by operator: {name}" if len(reports) > 1 else "Cost by operator", _operators(report)
            )
            for report, name in zip(reports, names, strict=True)
        ),
        _section("All values", [_table(grid)]),
        _section("How it was measured", [_list(footnotes(reports, grid))]),
    ]
    name = escape(title)
    head = f"<title>{name}</title>\n<style>{STYLE}</style>"
    body = "\n".join([f"<h1>{name}</h1>", *filter(None, sections)])
    return f"{_OPENING}{head}\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"


def _section(title: str, parts: Iterator[str] | Sequence[str]) -> str:
    body = "\n".join(parts)
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def _sizes(reports: Sequence[Report], names: Sequence[str]) -> Iterator[str]:
    parts = [
        part for part in PARTS if part != "total" and any(report.bundle.sizes.get(part) for report in reports)
    ]
    if not parts:
        return
    whole = max(sum(report.bundle.sizes.get(part, 0) for part in parts) for report in reports)
    yield _legend({part: f"part{PARTS.index(part)}" for part in parts})
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
        yield _labelled(name, show(total, "bytes"), bar(segments, whole, says=f"{name}: {detail}"), detail)


def _latency(reports: Sequence[Report], names: Sequence[str]) -> Iterator[str]:
    settings = dict.fromkeys((m.length, m.threads) for report in reports for m in report.named("p50_ms"))
    if not settings:
        return
    yield '<p class="note">Bars end at the median; the lines mark p90 and p99.</p>'
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
        whole = max([*known, *(value for tail in tails for value in tail)], default=0)
        yield f"<h3>{escape(label_of('p50_ms', length, threads).removeprefix('p50, '))}</h3>"
        for report, name, found, tail in zip(reports, names, medians, tails, strict=True):
            if found is None or found.value is None:
                yield _labelled(name, "–", "", found.reason if found else _no_time(report))
                continue
            text = show(found.value, "ms")
            yield _labelled(
                name, text, bar([Segment(found.value, "accent")], whole, marks=tail, says=f"{name}: {text}")
            )


def _no_time(report: Report) -> str:
    return f"not measured: the device is {report.kind}" if report.kind != "host" else "not measured"


def _memory(reports: Sequence[Report], names: Sequence[str]) -> Iterator[str]:
    wanted = (*_MEMORY_COLOURS, "peak_rss_bytes")
    if not any(m.name in wanted for report in reports for m in report.measurements):
        return
    values = [{m.name: m.value for m in report.measurements if m.value is not None} for report in reports]
    whole = max(
        (float(value) for own in values for name, value in own.items() if name in wanted), default=0.0
    )
    used = {name for own in values for name in own}
    yield _legend({label_of(key): colour for key, colour in _MEMORY_COLOURS.items() if key in used})
    if "peak_rss_bytes" in used:
        yield '<p class="note">The line marks the peak.</p>'
    for report, name, own in zip(reports, names, values, strict=True):
        segments = [
            Segment(max(float(own[key]), 0), colour) for key, colour in _MEMORY_COLOURS.items() if key in own
        ]
        peak = [float(own["peak_rss_bytes"])] if "peak_rss_bytes" in own else []
        detail = ", ".join(f"{label_of(key)} {show(own[key], 'bytes')}" for key in wanted if key in own)
        if not segments:
            reasons = [m.reason for m in report.measurements if m.name in wanted and m.reason]
            yield _labelled(name, detail or "–", "", reasons[0] if reasons else "not measured")
            continue
        picture = bar(segments, whole, marks=peak, says=f"{name}: {detail}")
        yield _labelled(name, show(sum(segment.value for segment in segments), "bytes"), picture, detail)


def _instructions(reports: Sequence[Report], names: Sequence[str]) -> Iterator[str]:
    keys = dict.fromkeys(
        (m.name, m.length) for report in reports for m in report.measurements if m.unit == "instructions"
    )
    for key, length in keys:
        found = {place: report.find(key, length) for place, report in enumerate(reports)}
        values = {place: m.value for place, m in found.items() if m and m.value is not None}
        yield f"<h3>{escape(label_of(key, length))}</h3>"
        for place, name in enumerate(names):
            if place in values:
                text = show(values[place], "instructions")
                yield _labelled(
                    name,
                    text,
                    bar([Segment(values[place], "accent")], max(values.values()), says=f"{name}: {text}"),
                )
            else:
                measurement = found[place]
                yield _labelled(
                    name,
                    "–",
                    "",
                    measurement.reason if measurement else f"not counted on {reports[place].device}",
                )


def _quality(reports: Sequence[Report], names: Sequence[str]) -> Iterator[str]:
    def points_of(name: str) -> dict[str, tuple[float, float]]:
        found = {}
        for report, head in zip(reports, names, strict=True):
            value = report.bundle.parity.get(name) if name == "cosine_mean" else None
            value = next((m.value for m in report.named(name) if m.value is not None), value)
            if value is not None and report.bundle.sizes.get("total"):
                found[head] = (report.bundle.sizes["total"] / 1e6, float(value))
        return found

    for name, label in (*_QUALITIES, ("cosine_mean", "mean cosine to the original")):
        points = points_of(name)
        if len(points) < 2:
            continue
        listed = [f"{head}: {three_digits(x)} MB, {y:.4g}" for head, (x, y) in points.items()]
        yield scatter([Point(*place) for place in points.values()], "size, MB", label, says="; ".join(listed))
        yield f"<ol>{''.join(f'<li>{escape(line)}</li>' for line in listed)}</ol>"
        return


def _operators(report: Report) -> Iterator[str]:
    rows = operator_rows(report)
    if not rows:
        return
    yield _legend({"table lookups": "part0", "everything else": "part4"})
    largest = max(float(share.rstrip("%")) for _, _, _, share, _ in rows)
    for name, calls, cost, share, lookup in rows:
        picture = bar(
            [Segment(float(share.rstrip("%")), "part0" if lookup else "part4")],
            largest,
            says=f"{name}: {share}",
        )
        yield _labelled(f"{name} ({calls}×)", f"{share} · {cost}", picture)


def _labelled(name: str, value: str, picture: str, detail: str = "") -> str:
    small = f'<p class="note">{escape(detail)}</p>' if detail else ""
    return f'<div class="bar"><p><span>{escape(name)}</span><b>{escape(value)}</b></p>{picture}{small}</div>'


def _legend(colours: dict[str, str]) -> str:
    square = '<svg width="12" height="12"><rect class="{}" width="12" height="12"/></svg>'
    items = [f"<li>{square.format(colour)} {escape(name)}</li>" for name, colour in colours.items()]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _table(grid: Grid) -> str:
    reasons = grid.reasons()
    lines = [
        "<thead><tr><th></th>",
        *(f'<th scope="col">{escape(head)}</th>' for head in grid.heads),
        "</tr></thead><tbody>",
    ]
    group = ""
    for row in grid.rows:
        if row.group != group:
            span = 1 + len(grid.heads)
            lines.append(f'<tr class="group"><th colspan="{span}">{escape(row.group)}</th></tr>')
        group = row.group
        cells = (
            f"<td>{escape(cell.text)}</td>"
            if cell.text
            else f'<td class="absent">– ({reasons.index(cell.reason) + 1})</td>'
            for cell in row.cells
        )
        lines.append(f'<tr><th scope="row">{escape(row.label)}</th>{"".join(cells)}</tr>')
    return f'<div class="scroll"><table>{"".join(lines)}</tbody></table></div>'


def _list(lines: Sequence[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'

"""Reports on a terminal and in markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeemb.devices.measurement import Machine, Report
from edgeemb.report.comparison import Comparison
from edgeemb.report.grid import Cell, Grid, grid_of, heads
from edgeemb.report.values import show

#: Operators that are shown; the rest is summed up.
MOST_OPERATORS = 12


def print_profile(console: Console, report: Report) -> None:
    """Print one report.

    :param console: where to.
    :param report: what.
    """
    print_comparison(console, Comparison((report,)))


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print reports side by side: a column each, and below it why cells are empty and how it was measured.

    :param console: where to.
    :param comparison: what.
    """
    reports = comparison.reports
    grid = grid_of(reports, comparison.ratios)
    console.print(_table(grid))
    for report, head in zip(reports, heads(reports), strict=True):
        if report.operators:
            console.print(_operators(report, head if len(reports) > 1 else ""))
    for line in footnotes(reports, grid):
        console.print(Text(line, style="dim"))


def to_markdown(comparison: Comparison) -> str:
    """Reports side by side as markdown tables.

    :param comparison: what to write.
    """
    reports = comparison.reports
    grid = grid_of(reports, comparison.ratios)
    reasons = grid.reasons()
    lines = [_line(["", *map(_escape, grid.heads)]), _line(["---", *["---:"] * len(grid.heads)])]
    for row in grid.rows:
        lines.append(_line([_escape(row.label), *(_escape(_shown(cell, reasons)) for cell in row.cells)]))
    for report, head in zip(reports, heads(reports), strict=True):
        if report.operators:
            lines += ["", f"Operators of {_escape(head)}:", "", _line(["operator", "calls", "cost", "share"])]
            lines.append(_line(["---", "---:", "---:", "---:"]))
            lines += [_line([_escape(name), *rest]) for name, *rest, _ in operator_rows(report)]
    lines += ["", *(f"- {_escape(line)}" for line in footnotes(reports, grid))]
    return "\n".join(lines) + "\n"


def footnotes(reports: Sequence[Report], grid: Grid) -> list[str]:
    """Why cells are empty, how the values were measured, and on what, one line each.

    :param reports: the reports.
    :param grid: their table.
    """
    lines = [f"({mark}) {reason}" for mark, reason in enumerate(grid.reasons(), 1)]
    if any("×" in cell.text for row in grid.rows for cell in row.cells):
        lines.append(f"× is the multiple of {grid.heads[0]}; latencies alternated within one run.")
    lines += dict.fromkeys(note for report in reports for note in report.notes)
    lines += dict.fromkeys(f"{report.device}: {machine_text(report.machine)}" for report in reports)
    lines += dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in report.versions.items()) for report in reports
    )
    return [line for line in lines if line]


def machine_text(machine: Machine) -> str:
    """A machine in one line.

    :param machine: the machine.
    """
    cores = "" if machine.cores is None else f"{machine.cores} core{'s' if machine.cores != 1 else ''}"
    return ", ".join(filter(None, [machine.cpu, cores, machine.os, *machine.notes]))


def operator_rows(report: Report) -> list[tuple[str, str, str, str, bool]]:
    """Operators as text: name, calls, cost, share, whether it is a lookup. All lookups are among them.

    :param report: the report.
    """
    shown = [op for place, op in enumerate(report.operators) if place < MOST_OPERATORS or op.lookup]
    rest = [op for op in report.operators if op not in shown]
    rows = [
        (op.name, f"{op.calls:g}", show(op.value, op.unit), f"{op.share_percent:.1f}%", op.lookup)
        for op in shown
    ]
    if rest:
        cost, share = sum(op.value for op in rest), sum(op.share_percent for op in rest)
        calls = sum(op.calls for op in rest)
        rows.append((f"{len(rest)} others", f"{calls:g}", show(cost, rest[0].unit), f"{share:.1f}%", False))
    return rows


def _table(grid: Grid) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for head in grid.heads:
        table.add_column(Text(head), justify="right", overflow="fold")
    reasons = grid.reasons()
    previous = ""
    for row in grid.rows:
        if row.group != previous:
            table.add_row(Text(row.group, style="bold cyan"))
        previous = row.group
        cells = [Text(_shown(cell, reasons), style="" if cell.text else "dim") for cell in row.cells]
        table.add_row(Text(f"  {row.label}"), *cells)
    return table


def _operators(report: Report, head: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(Text(f"Operators{f' of {head}' if head else ''}"))
    for name in ("calls", "cost", "share"):
        table.add_column(name, justify="right")
    for name, calls, cost, share, lookup in operator_rows(report):
        style = "green" if lookup else ""
        table.add_row(Text(f"  {name}"), calls, cost, share, style=style)
    return table


def _shown(cell: Cell, reasons: Sequence[str]) -> str:
    return cell.text or f"– ({reasons.index(cell.reason) + 1})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    """Text that markdown shows as it is, within one cell."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in text)
    return " ".join(escaped.split())

"""Reports as one table of text: a row per measured thing, a column per report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeemb.devices.host.profile import Ratio
from edgeemb.devices.measurement import Report
from edgeemb.report.values import LABELS, PARTS, group_of, label_of, show

#: The order of the groups of rows.
GROUPS = ("Bundle", "Size", "Parity", "Quality", "Time", "Memory", "Cost", "Conditions")

_TIMELESS = {
    "emulated": "an emulator's time is not the device's",
    "simulated": "a simulator's time is not the device's",
}


@dataclass(frozen=True)
class Cell:
    """A value as text, or the reason why there is none.

    :param text: the value; empty if there is none.
    :param reason: why there is none; empty if there is a value.
    """

    text: str
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One measured thing across all reports.

    :param group: one of `GROUPS`.
    :param label: what was measured.
    :param cells: a cell per report.
    """

    group: str
    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Grid:
    """The table.

    :param heads: what each report is called.
    :param rows: the rows, group after group.
    """

    heads: tuple[str, ...]
    rows: tuple[Row, ...]

    def reasons(self) -> tuple[str, ...]:
        """The different reasons for empty cells, in the order in which they appear; marks count from 1."""
        return tuple(dict.fromkeys(cell.reason for row in self.rows for cell in row.cells if cell.reason))


def grid_of(reports: Sequence[Report], ratios: Sequence[Ratio] = ()) -> Grid:
    """Put reports side by side.

    :param reports: one or more, of any devices.
    :param ratios: latencies as multiples of the first report's.
    """
    rows = [*_facts(reports), *_sizes(reports), *_parity(reports), *_measured(reports, ratios)]
    ordered = sorted(rows, key=lambda row: GROUPS.index(row.group))
    return Grid(heads(reports), tuple(ordered))


def heads(reports: Sequence[Report]) -> tuple[str, ...]:
    """Column heads of reports side by side: bundle and device, as far as they differ.

    :param reports: the reports.
    """
    devices = {report.device for report in reports}
    bundles = {report.bundle.name for report in reports}
    if len(devices) == 1:
        return tuple(report.bundle.name for report in reports)
    if len(bundles) == 1:
        return tuple(report.device for report in reports)
    return tuple(f"{report.bundle.name} on {report.device}" for report in reports)


def _facts(reports: Sequence[Report]) -> Iterator[Row]:
    def row(label: str, texts: Sequence[str]) -> Row:
        return Row("Bundle", label, tuple(Cell(text) if text else Cell("", "not known") for text in texts))

    yield row(
        "device",
        [
            report.device if report.kind == "host" else f"{report.device} ({report.kind})"
            for report in reports
        ],
    )
    yield row("model", [report.bundle.source for report in reports])
    yield row("tables", [_specs(report.bundle.tables) for report in reports])
    yield row("body", [report.bundle.body for report in reports])
    yield row("runtime", [report.bundle.runtime for report in reports])
    yield row(
        "lookup", [", ".join(filter(None, [report.bundle.ops, report.bundle.kernel])) for report in reports]
    )


def _specs(tables: dict[str, str]) -> str:
    """The specs of tables; each spec once, with the tables that have it."""
    specs = list(dict.fromkeys(tables.values()))
    if len(specs) <= 1:
        return specs[0] if specs else "none"
    return "; ".join(
        f"{', '.join(alias for alias, own in tables.items() if own == spec)} {spec}" for spec in specs
    )


def _sizes(reports: Sequence[Report]) -> Iterator[Row]:
    known = dict.fromkeys([*PARTS, *(part for report in reports for part in report.bundle.sizes)])
    for part in sorted(known, key=lambda name: name == "total"):
        sizes = [report.bundle.sizes.get(part) for report in reports]
        if not any(sizes):
            continue
        cells = []
        for size in sizes:
            text = "" if size is None else show(size, "bytes")
            if part == "total" and size and sizes[0] and len(sizes) > 1:
                text += f"  {size / sizes[0]:.2f}×"
            cells.append(Cell(text, "" if text else "the bundle does not say"))
        yield Row("Size", part, tuple(cells))


def _parity(reports: Sequence[Report]) -> Iterator[Row]:
    for key, label in (("cosine_mean", "agreement, mean"), ("cosine_min", "agreement, least")):
        values = [report.bundle.parity.get(key) for report in reports]
        if any(value is not None for value in values):
            reason = "was not compared with its original"
            yield Row(
                "Parity",
                label,
                tuple(Cell("", reason) if value is None else Cell(f"{value:.4f}") for value in values),
            )


def _measured(reports: Sequence[Report], ratios: Sequence[Ratio]) -> Iterator[Row]:
    quotients = {
        (ratio.bundle, ratio.length, ratio.threads): ratio.value for ratio in ratios if len(reports) > 1
    }
    keys = dict.fromkeys((m.name, m.length, m.threads) for report in reports for m in report.measurements)
    order = list(LABELS)
    places = {name: order.index(name) if name in order else len(order) for name, _, _ in keys}
    for name, length, threads in sorted(keys, key=lambda key: (key[2] or 0, key[1] or 0, places[key[0]])):
        cells = []
        for place, report in enumerate(reports):
            found = report.find(name, length, threads)
            if found is None or found.value is None:
                cells.append(Cell("", found.reason if found else _absence(report, name)))
                continue
            text = show(found.value, found.unit)
            quotient = quotients.get((place, length or 0, threads or 0))
            cells.append(Cell(f"{text}  {quotient:.2f}×" if quotient and name == "p50_ms" else text))
        yield Row(group_of(name), label_of(name, length, threads), tuple(cells))


def _absence(report: Report, name: str) -> str:
    if name.endswith("_ms") and report.kind in _TIMELESS:
        return _TIMELESS[report.kind]
    return f"not measured on {report.device}"

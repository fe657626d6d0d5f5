"""The page and the plots of `python -m bench.tables`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

_MARKERS = "osD^v<>PX*hp8"
_TICKS = (0.5, 1, 2, 5, 10, 20, 50)
_QUALITIES = {"sts": "STS-B dev, Spearman x 100", "cosine_mean": "mean cosine to the original"}


def markdown(rows: list[dict[str, Any]], note: str) -> str:
    """The figures as a page.

    :param rows: one mapping a table, as `tables.Figure` has it.
    :param note: what they were measured with.
    """
    lines = [
        "# Every codec on one model",
        "",
        "Written by `python -m bench.tables`, whose first lines say what is measured and how. Nothing is trained. Where fewer tokens",
        "stand than the model has, the vocabulary was pruned to those most frequent in the corpus.",
        "",
        "![Quality against bytes](tables.svg)",
        "",
        "| table | tokens | MB | cosine mean / min | STS-B dev | fit, s | 512 ids, us | x fp32 Gather | fused, us | x fp32 Gather |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        spec = row["table"].rpartition(" ")[2]
        fused = (f"{row['fused_us']:.0f}", f"{row['fused_ratio']:.2f}") if row["fused_us"] else ("-", "-")
        cells = (
            f"`{spec}`",
            str(row["tokens"]),
            f"{row['nbytes'] / 1e6:.3f}",
            f"{row['cosine_mean']:.4f} / {row['cosine_min']:.4f}",
            f"{row['sts']:.2f}",
            f"{row['fit_seconds']:.0f}",
            f"{row['portable_us']:.0f}",
            f"{row['portable_ratio']:.2f}",
            *fused,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", note, ""])


def frontier(rows: list[dict[str, Any]], quality: str) -> list[dict[str, Any]]:
    """The tables that no smaller one beats, by rising size.

    :param rows: one mapping a table.
    :param quality: the figure that is to be large.
    """
    best: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda each: (each["nbytes"], -each[quality])):
        if not best or row[quality] > best[-1][quality]:
            best.append(row)
    return best


def plot(rows: list[dict[str, Any]], folder: Path) -> None:
    """Quality against bytes, as ``tables.png`` and ``tables.svg``: all tables above, the good ones below.

    :param rows: one mapping a table.
    :param folder: where the files go.
    """
    pyplot.rcParams.update({"font.size": 9, "svg.hashsalt": "edgeemb", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(2, 2, figsize=(13, 10), layout="constrained")
    for column, (quality, label) in enumerate(_QUALITIES.items()):
        whole, near = axes[0][column], axes[1][column]
        best = frontier(rows, quality)
        for axis in (whole, near):
            _scatter(axis, rows, quality)
            axis.plot(
                [row["nbytes"] / 1e6 for row in best],
                [row[quality] for row in best],
                color="0.6",
                linewidth=1,
                zorder=2,
            )
            axis.set(xscale="log", xlabel="MB of table, no training", ylabel=label)
            axis.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
            axis.grid(alpha=0.25)
        top, bottom = best[-1][quality], best[0][quality]
        near.set_ylim(bottom - 0.35 * (top - bottom), top + 0.15 * (top - bottom))
        for at, row in enumerate(best):
            above = at % 2 == 0
            near.annotate(
                row["table"],
                (row["nbytes"] / 1e6, row[quality]),
                (-4, 6) if above else (4, -10),
                textcoords="offset points",
                ha="right" if above else "left",
                fontsize=6.5,
            )
    axes[0][0].legend(fontsize=7, loc="lower right")
    for suffix in ("png", "svg"):
        figure.savefig(
            folder / f"tables.{suffix}", dpi=110, metadata={"Date": None} if suffix == "svg" else None
        )
    pyplot.close(figure)


def _scatter(axis: Axes, rows: list[dict[str, Any]], quality: str) -> None:
    """One kind of mark for each codec."""
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        kept, _, spec = row["table"].rpartition(" ")
        family = spec.partition(":")[0].partition("+")[0]
        families.setdefault(f"{family}, pruned vocabulary" if kept else family, []).append(row)
    colors = pyplot.get_cmap("tab20")
    for at, (family, members) in enumerate(families.items()):
        axis.scatter(
            [row["nbytes"] / 1e6 for row in members],
            [row[quality] for row in members],
            marker=_MARKERS[at % len(_MARKERS)],
            color=colors(at % 20),
            label=family,
            zorder=3,
        )

"""The page and the plots of bench/tables.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

_MARKERS = "osD^v<>PX*hp8"


def markdown(rows: list[dict[str, Any]], note: str) -> str:
    """The figures as a table.

    :param rows: one mapping a table, as `tables.Figure` has it.
    :param note: what they were measured with.
    """
    lines = [
        "| table | tokens | MB | cosine mean / min | STS-B dev | fit, s | lookup of 512, us | / fp32 Gather | fused, us | / fp32 Gather |",
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
    """Quality against bytes, as ``tables.png`` and ``tables.svg``.

    :param rows: one mapping a table.
    :param folder: where the files go.
    """
    pyplot.rcParams.update({"font.size": 9, "svg.hashsalt": "edgeemb", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 5.2), layout="constrained")
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        kept, _, spec = row["table"].rpartition(" ")
        family = spec.partition(":")[0].partition("+")[0]
        families.setdefault(f"{family}, pruned vocabulary" if kept else family, []).append(row)
    colors = pyplot.get_cmap("tab20").colors  # type: ignore[attr-defined]
    for axis, quality, label in zip(
        axes,
        ("sts", "cosine_mean"),
        ("STS-B dev, Spearman x 100", "mean cosine to the original"),
        strict=True,
    ):
        for at, (family, members) in enumerate(families.items()):
            axis.scatter(
                [row["nbytes"] / 1e6 for row in members],
                [row[quality] for row in members],
                marker=_MARKERS[at % len(_MARKERS)],
                color=colors[at % len(colors)],
                label=family,
                zorder=3,
            )
        best = frontier(rows, quality)
        axis.plot(
            [row["nbytes"] / 1e6 for row in best],
            [row[quality] for row in best],
            color="0.6",
            linewidth=1,
            zorder=2,
        )
        for row in best:
            axis.annotate(
                row["table"],
                (row["nbytes"] / 1e6, row[quality]),
                (4, -9),
                textcoords="offset points",
                fontsize=6,
            )
        axis.set_xscale("log")
        axis.set_xticks([0.5, 1, 2, 5, 10, 20, 50], ["0.5", "1", "2", "5", "10", "20", "50"])
        axis.set_xlabel("MB of table, no training")
        axis.set_ylabel(label)
        axis.grid(alpha=0.25)
    axes[0].legend(fontsize=7, loc="lower right")
    for suffix in ("png", "svg"):
        figure.savefig(
            folder / f"tables.{suffix}", dpi=160, metadata={"Date": None} if suffix == "svg" else None
        )
    pyplot.close(figure)

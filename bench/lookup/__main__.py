"""The lookup alone, side by side: our fused op, its portable body, ONNX Runtime's own ops, and the floors that memory sets.

    python -m bench.lookup --markdown lookup.md

Every contender looks up the same random ids in a random table and writes float32 rows into the same memory. ONNX Runtime runs through its
C interface, on one thread, with tensors made beforehand: a call is one Run. The contenders alternate within every round; the figure is the
median over the rounds of the mean of a few calls, after one that is not counted. With one set of ids (the default) the rows of a call
stay in the processor's caches, for every contender alike; with ``--sets 256`` each call asks for other ids.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.lookup.contenders import (
    BUILTIN,
    CODEBOOKS,
    FP32,
    INT4,
    MEMSET,
    UINT4,
    Buffers,
    Contenders,
    aligned,
    timer,
)
from bench.lookup.timing import measure, processor
from edgeemb.native import kernels as native


@dataclass(frozen=True)
class Cell:
    """One table shape and one number of ids.

    :param rows: rows of the table, V.
    :param dim: elements in a row, D.
    :param count: ids in a call.
    """

    rows: int
    dim: int
    count: int


def ratios(cell: dict[str, float]) -> Iterator[tuple[str, float]]:
    """The comparisons that matter: how many times faster than a peer, and how far from the floor.

    :param cell: median microseconds by contender.
    """
    for name in ("int4:block=32", "int8"):
        ours = cell[f"edgeemb {name}"]
        for peer in (UINT4, INT4, FP32):
            yield f"{peer} / edgeemb {name}", cell[peer] / ours
        yield f"kernel {name} / {MEMSET}", cell[f"kernel {name}"] / cell[MEMSET]
    for name in ("int2:block=32", "binary:block=32", "binary"):
        yield (
            f"edgeemb {name} / edgeemb int4:block=32",
            cell[f"edgeemb {name}"] / cell["edgeemb int4:block=32"],
        )
    for name, _ in CODEBOOKS:
        yield f"{FP32} / edgeemb {name}", cell[FP32] / cell[f"edgeemb {name}"]
        for by in ("edgeemb", "kernel"):
            yield f"{by} {name} / {by} int4:block=32", cell[f"{by} {name}"] / cell[f"{by} int4:block=32"]
    for name in BUILTIN:
        yield f"{UINT4} / edgeemb {name}, portable body", cell[UINT4] / cell[f"edgeemb {name}, portable body"]


def grid(results: dict[Cell, dict[str, float]], rows: int, dim: int) -> tuple[list[str], list[list[str]]]:
    """Header and lines of the table of one shape.

    :param results: microseconds by cell and contender.
    :param rows: rows of the table.
    :param dim: elements in a row.
    """
    cells = [cell for cell in results if (cell.rows, cell.dim) == (rows, dim)]
    header = [f"{rows} x {dim}, microseconds", *(f"{cell.count} ids" for cell in cells)]
    return header, [[name, *(f"{results[cell][name]:.4g}" for cell in cells)] for name in results[cells[0]]]


def markdown(results: dict[Cell, dict[str, float]], note: str) -> str:
    """The tables and ratios as a page.

    :param results: microseconds by cell and contender.
    :param note: what they were measured with.
    """
    lines = [note, ""]
    for rows, dim in dict.fromkeys((cell.rows, cell.dim) for cell in results):
        header, body = grid(results, rows, dim)
        lines += [
            f"| {' | '.join(header)} |",
            f"|{'---|' * len(header)}",
            *(f"| {' | '.join(line)} |" for line in body),
            "",
        ]
    for cell, times in results.items():
        if cell.count == max(each.count for each in results):
            lines += [f"| {cell.rows} x {cell.dim}, {cell.count} ids | ratio |", "|---|---|"]
            lines += [*(f"| {name} | {ratio:.3g} |" for name, ratio in ratios(times)), ""]
    return "\n".join(lines)


def parse_shape(text: str) -> tuple[int, int]:
    """Rows and dimension of a shape such as ``30522x384``.

    :param text: the shape.
    """
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts) or int(parts[1]) % 32:
        raise click.BadParameter(
            f"{text}: write rows x dimension, such as 30522x384; the dimension a multiple of 32"
        )
    return int(parts[0]), int(parts[1])


@click.command()
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    default=("30522x384", "250002x768"),
    help="Rows x dimension; repeat for several.",
)
@click.option(
    "--ids",
    "counts",
    multiple=True,
    type=int,
    default=(1, 16, 128, 512),
    help="Ids in a call; repeat for several.",
)
@click.option("--rounds", default=41, show_default=True, help="Timings of each contender.")
@click.option(
    "--sets",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Lists of ids that the calls take in turn.",
)
@click.option(
    "--variant", default=native.variants()[0], show_default=True, help="Variant of the bare kernel."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures here.")
@click.option("--markdown", "markdown_path", type=click.Path(path_type=Path), help="Write the tables here.")
def main(
    shapes: tuple[str, ...],
    counts: tuple[int, ...],
    rounds: int,
    sets: int,
    variant: str,
    json_path: Path | None,
    markdown_path: Path | None,
) -> None:
    """Measure the lookup side by side."""
    results: dict[Cell, dict[str, float]] = {}
    console = Console()
    for shape in shapes:
        rows, dim = parse_shape(shape)
        with tempfile.TemporaryDirectory() as scratch:
            contenders = Contenders(timer(Path(scratch)), Path(scratch), rows, dim, variant)
            for count in counts:
                ids = np.random.default_rng(count).integers(0, rows, (sets, count))
                buffers = Buffers(ids, aligned((count, dim)))
                results[Cell(rows, dim, count)] = measure(contenders.calls(buffers), rounds)
        header, body = grid(results, rows, dim)
        shown = Table(*header)
        for line in body:
            shown.add_row(*line)
        console.print(shown)
        for name, ratio in ratios(results[Cell(rows, dim, counts[-1])]):
            console.print(f"{ratio:8.3g}  {name}")
    note = f"ONNX Runtime {version('onnxruntime')}, 1 thread, {processor()}, kernel {variant}, {sets} set(s) of ids"
    console.print(note)
    if json_path:
        figures = [
            {"rows": cell.rows, "dim": cell.dim, "ids": cell.count, "microseconds": times}
            for cell, times in results.items()
        ]
        json_path.write_text(json.dumps({"note": note, "results": figures}, indent=1) + "\n")
    if markdown_path:
        markdown_path.write_text(markdown(results, note))


if __name__ == "__main__":
    main()

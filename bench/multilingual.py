"""What a multilingual model costs and keeps: its size in all, and Spearman's correlation in each language, for tables, bodies and vocabularies.

    python -m bench.multilingual MODEL --sts en=en.tsv --sts de=de.tsv --corpus corpora --rows 40000 --scripts latin --markdown multilingual.md

``--corpus`` holds a folder of texts for each language, which count equally. They must not hold the sentences that are scored: lines that do are left
out of a copy first. Export time is the CPU time of a fresh process from its start, so it contains loading; memory is the peak of that process; opening is
timed in another, whose memory is read after the first text, above that of a process that has imported the package.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.exporters.options import ExportOptions
from edgeemb.metrics import cosine, spearman
from edgeemb.text.corpus import corpus_parts, numbered_lines
from edgeemb.text.pairs import ScoredPairs, read_pairs

#: Table and body of each export; the ones of a second list are for a pruned vocabulary.
_WHOLE = (("fp32", "fp32"), ("int4:block=32", "int8"), ("int2:block=16", "int8"), ("pq:m=96", "int8"))
_PRUNED = (("int4:block=32", "int8"), ("int4:block=32", "int4"), ("int2:block=16", "int4"))
Figures = TypeVar("Figures", bound=tuple[float, ...])


@dataclass(frozen=True)
class Case:
    """One export.

    :param table: spec of the word table.
    :param body: spec of the body.
    :param rows: tokens that are kept; None for all.
    """

    table: str
    body: str
    rows: int | None = None

    @property
    def title(self) -> str:
        kept = "" if self.rows is None else f", {self.rows:,} tokens"
        return f"{self.table}, {self.body} body{kept}"


def clean(corpus: Path, scored: set[str], folder: Path) -> None:
    """Copy a corpus without the lines that hold a scored sentence.

    :param corpus: a folder of folders of texts.
    :param scored: the sentences.
    :param folder: an empty folder for the copy.
    """
    for files in corpus_parts(corpus):
        place = folder / files[0].parent.name
        place.mkdir(parents=True)
        for path in files:
            lines = [line for _, line in numbered_lines(path) if line.strip() not in scored]
            (place / path.name).write_text("\n".join(lines) + "\n", "utf-8")


def export(source: str, folder: Path, case: Case, corpus: Path, scripts: str) -> tuple[float, float]:
    """Export in a fresh process.

    :return: its CPU seconds and its peak of memory in bytes.
    """
    vocab = []
    if case.rows is not None:
        vocab = [f"top:{case.rows}:{corpus}", *([f"script:{scripts}"] if scripts else [])]
    options = ExportOptions(calibrate=None if case.body == "fp32" else corpus)
    edgeemb.export(
        source, folder, runtime="onnx", table=case.table, body=case.body, vocab=vocab, options=options
    )
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def opening(folder: Path, text: str) -> tuple[float, float, float]:
    """Open a bundle in a fresh process.

    :return: milliseconds to open, those of the first text, and the bytes of memory that both add.
    """
    before = _resident()
    began = time.perf_counter()
    with edgeemb.open(folder) as session:
        opened = time.perf_counter()
        session.encode([text])
        done = time.perf_counter()
        return 1e3 * (opened - began), 1e3 * (done - opened), _resident() - before


def _resident() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def _apart(function: Callable[..., Figures], *given: object) -> Figures:
    """Run a function in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *given).result()


def correlations(folder: Path, sets: dict[str, ScoredPairs]) -> list[float]:
    """Spearman's correlation times 100 in each language, a text at a time."""
    found = []
    with edgeemb.open(folder) as session:
        for pairs in sets.values():
            left, right = (
                np.concatenate([session.encode([text]) for text in side])
                for side in (pairs.first, pairs.second)
            )
            scores = np.array(pairs.scores, np.float64)
            found.append(100 * spearman(np.asarray(cosine(left, right), np.float64), scores))
    return found


def row_of(
    case: Case,
    folder: Path,
    cost: tuple[float, float],
    start: tuple[float, float, float],
    quality: list[float],
) -> list[str]:
    """The cells of one export."""
    sizes = read_manifest(folder).sizes
    # A device reads the compiled tokenizer; tokenizer.json, from which it was compiled, is for tools.
    compiled = folder / "tokenizer.bin"
    text = compiled.stat().st_size if compiled.is_file() else sizes["tokenizer"]
    parts = (sizes["tables"], sizes["body"], text)
    return [
        case.title,
        f"{sum(parts) / 1e6:.1f}",
        " + ".join(f"{part / 1e6:.1f}" for part in parts),
        *(f"{value:.2f}" for value in quality),
        f"{np.mean(quality):.2f}",
        f"{cost[0]:.0f}",
        f"{cost[1] / 1e9:.2f}",
        f"{start[0]:.0f}",
        f"{start[1]:.1f}",
        f"{start[2] / 1e6:.0f}",
    ]


@click.command()
@click.argument("model")
@click.option("--sts", "files", multiple=True, required=True, metavar="LANGUAGE=FILE", help="Scored pairs.")
@click.option("--pairs", "count", default=300, show_default=True, help="The first N pairs of each file.")
@click.option(
    "--corpus", type=click.Path(path_type=Path), required=True, help="A folder of texts for each language."
)
@click.option("--rows", multiple=True, type=int, default=(40000,), show_default=True, help="Tokens to keep.")
@click.option("--scripts", default="", help="Scripts whose tokens are kept, separated by commas.")
@click.option("--pruned-only", is_flag=True, help="Only the exports with fewer tokens.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the table to a file.")
def main(
    model: str,
    files: tuple[str, ...],
    count: int,
    corpus: Path,
    rows: tuple[int, ...],
    scripts: str,
    pruned_only: bool,
    markdown: Path | None,
) -> None:
    """Compare exports of a multilingual model."""
    sets = {}
    for item in files:
        language, _, path = item.partition("=")
        whole = read_pairs(Path(path))
        sets[language] = ScoredPairs(whole.scores[:count], whole.first[:count], whole.second[:count])
    scored = {text.strip() for pairs in sets.values() for text in (*pairs.first, *pairs.second)}
    cases = [] if pruned_only else [Case(table, body) for table, body in _WHOLE]
    cases += [Case(table, body, kept) for kept in rows for table, body in _PRUNED]
    head = [
        "table and body",
        "MB",
        "table + body + tokenizer",
        *sets,
        "mean",
        "export, CPU s",
        "peak GB",
        "open, ms",
        "first text, ms",
        "MB after it",
    ]
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        texts = Path(scratch, "corpora")
        clean(corpus, scored, texts)
        for number, case in enumerate(cases):
            folder = Path(scratch, str(number))
            cost = _apart(export, model, folder, case, texts, scripts)
            start = _apart(opening, folder, next(iter(sets.values())).first[0])
            found.append(row_of(case, folder, cost, start, correlations(folder, sets)))
            Console(stderr=True).print(" | ".join(found[-1]))
    table = Table(*head)
    for row in found:
        table.add_row(*row)
    Console().print(table)
    if markdown is not None:
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---", *["---:"] * (len(head) - 1)], *found)]
        markdown.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""The C engine beside other engines on this machine: one model with an int8 body, every engine in one process.

    python -m bench.engine FOLDER --engine c --engine onnx --engine tflite

Bundles, with an int4 table, and other toolkits' models that FOLDER does not have yet are written into it. Engines take turns: of each length, a block of
runs in a row, time after time. *Hot*: the weights are in the cache. *Cold*: before every run a block of memory larger than the last cache is swept, as
when an app runs something else between two texts. Each figure is a median over all blocks and, in brackets, the least, in milliseconds; ratios are to
the best of the other engines in the same table. An engine with fixed lengths pads to the next one that it has. Texts are tokenized by each engine's own
session, or by the tokenizers library where it has none.

The clock is the CPU time of this process, so that what else runs on the machine counts less; with more threads than one it is the wall's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np

import edgeemb
from bench.body import originals
from bench.engine.engines import ENGINES, Call, Engine
from edgeemb.text.sentences import sentences

MODEL = "all-MiniLM-L6-v2"

Times = dict[str, list[float]]


def encode_each(engine: Engine, texts: Sequence[str]) -> None:
    """Text in, vector out, one at a time."""
    for text in texts:
        engine.encode(text)


def measure(
    calls: dict[str, Call], blocks: int, runs: int, clock: Callable[[], float]
) -> tuple[Times, Times]:
    """Seconds of every run by engine, hot and cold; the engines take turns."""
    swept = np.ones(1 << 25, np.float64)  # 256 MB
    hot: Times = {name: [] for name in calls}
    cold: Times = {name: [] for name in calls}
    for _ in range(blocks):
        for name, run in calls.items():
            run()
            for _ in range(runs):
                start = clock()
                run()
                hot[name].append(clock() - start)
        for name, run in calls.items():
            swept += 1.0
            start = clock()
            run()
            cold[name].append(clock() - start)
    return hot, cold


def table(title: str, found: dict[str, Times]) -> None:
    """A table in Markdown: a row for each engine, and the ratio of ours to the best of the others, by medians and by minima."""
    click.echo(f"\n**{title}**, median (least) in ms\n")
    click.echo("| engine | " + " | ".join(found) + " |")
    click.echo("|---" * (len(found) + 1) + "|")
    names = list(next(iter(found.values())))
    for name in names:
        cells = [
            f"{1e3 * np.median(times[name]):.3f} ({1e3 * min(times[name]):.3f})" for times in found.values()
        ]
        click.echo(f"| {name} | " + " | ".join(cells) + " |")
    others = [name for name in names if not ENGINES[name].ours]
    for own in [name for name in names if ENGINES[name].ours and others]:
        cells = []
        for times in found.values():
            middle = np.median(times[own]) / min(np.median(times[name]) for name in others)
            least = min(times[own]) / min(min(times[name]) for name in others)
            cells.append(f"{middle:.2f} ({least:.2f})")
        click.echo(f"| {own} / best other | " + " | ".join(cells) + " |")


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--engine", "engines", multiple=True, default=("c", "onnx"), type=click.Choice(list(ENGINES)))
@click.option("--model", "source", default=MODEL, help="The model.")
@click.option("--lengths", default="8,16,32,64,128", help="Tokens, with commas between.")
@click.option("--blocks", default=15, help="Times that every engine has its turn.")
@click.option("--runs", default=12, help="Runs in a row of a hot block.")
@click.option("--threads", default=1, help="Threads of an engine that takes them.")
def main(
    folder: Path, engines: Sequence[str], source: str, lengths: str, blocks: int, runs: int, threads: int
) -> None:
    """The command."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = time.process_time if threads == 1 else time.perf_counter
    model = edgeemb.load(source).torch_model()
    wanted = originals(model, sentences())
    hot: dict[str, Times] = {}
    cold: dict[str, Times] = {}
    found: dict[str, Engine] = {}
    for name in engines:
        path, kind = folder / name, ENGINES[name]
        if not path.is_dir():
            kind.write(model, path)
        start = time.perf_counter()
        found[name] = kind(model, path, threads)
        took = time.perf_counter() - start
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        vectors = np.stack([found[name].encode(text) for text in sentences()])
        similar = float((vectors * wanted).sum(axis=1).mean())
        click.echo(f"{name}: {size:,} bytes, opened in {took:.2f} s, cosine {similar:.4f}")
    for length in map(int, lengths.split(",")):
        ids = np.random.default_rng(length).integers(1000, 20_000, length).tolist()
        calls = {name: engine.call(ids) for name, engine in found.items()}
        hot[f"{length} tokens"], cold[f"{length} tokens"] = measure(calls, blocks, runs, clock)
    texts = sentences()[:24]
    encode: dict[str, Call] = {name: partial(encode_each, one, texts) for name, one in found.items()}
    title = f"{len(texts)} texts"
    hot[title], cold[title] = measure(encode, max(blocks // 3, 1), 1, clock)
    table("Hot", hot)
    table("Cold", cold)


if __name__ == "__main__":
    main()

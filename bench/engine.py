"""The C engine beside the other runtimes on this machine: one model with an int4 table and an int8 body, every runtime in one process.

    python -m bench.engine FOLDER --runtime c --runtime onnx --runtime tflite

Bundles that FOLDER does not have yet are exported into it. Engines take turns: of each length, a block of runs in a row, time after
time. *Hot*: the weights are in the cache. *Cold*: before every run a block of memory larger than the last cache is swept, as when an app
runs something else between two texts. Each figure is a median over all blocks and, in brackets, the least, in milliseconds; ratios are to
the best of the other runtimes in the same table. A runtime with fixed lengths pads to the next one that it has.

The clock is the CPU time of the calling thread, so that what else runs on the machine counts less; with more threads than one it is the
wall's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Literal

import click
import numpy as np

import edgeemb
from edgeemb.runtimes import Session
from edgeemb.text.sentences import sentences

MODEL = "all-MiniLM-L6-v2"
#: Runtimes, and ONNX Runtime with our ops.
RUNTIMES = ("c", "onnx-custom", "onnx", "tflite", "executorch")
#: Those whose products are ours.
OURS = ("c", "onnx-custom")
#: Lengths that runtimes with fixed ones are exported for.
FIXED = (16, 64, 128)
LONGEST = 128

Call = Callable[[], object]
Times = dict[str, list[float]]


def bundle(folder: Path, name: str, model: str) -> Path:
    """The bundle of one of `RUNTIMES`, exported where it is missing."""
    path = folder / name
    if not path.is_dir():
        runtime = name.removesuffix("-custom")
        ops: Literal["builtin", "custom"] = "builtin" if name == runtime else "custom"
        lengths: Sequence[int] = FIXED if runtime == "tflite" else (LONGEST,) if runtime == "c" else ()
        edgeemb.export(
            model, path, target="linux-x64", runtime=runtime, ops=ops, table="int4:block=32",
            body="int8", lengths=lengths,
        )  # fmt: skip
    return path


def call(session: Session, length: int) -> Call:
    """One run of random ids, without the checks that a session makes."""
    ids = np.random.default_rng(length).integers(1000, 20_000, length).tolist()
    return session.engine.bare(session.feeds([ids]))


def encode_each(session: Session, texts: Sequence[str]) -> None:
    """Text in, vector out, one at a time."""
    for text in texts:
        session.encode([text])


def measure(
    calls: dict[str, Call], blocks: int, runs: int, clock: Callable[[], float]
) -> tuple[Times, Times]:
    """Seconds of every run by runtime, hot and cold; the runtimes take turns."""
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
    """A table in Markdown: a row for each runtime, and the ratio of ours to the best of the others, by medians and by minima."""
    click.echo(f"\n**{title}**, median (least) in ms\n")
    click.echo("| runtime | " + " | ".join(found) + " |")
    click.echo("|---" * (len(found) + 1) + "|")
    names = list(next(iter(found.values())))
    for name in names:
        cells = [
            f"{1e3 * np.median(times[name]):.3f} ({1e3 * min(times[name]):.3f})" for times in found.values()
        ]
        click.echo(f"| {name} | " + " | ".join(cells) + " |")
    others = [name for name in names if name not in OURS]
    for own in [name for name in names if name in OURS and others]:
        cells = []
        for times in found.values():
            middle = np.median(times[own]) / min(np.median(times[name]) for name in others)
            least = min(times[own]) / min(min(times[name]) for name in others)
            cells.append(f"{middle:.2f} ({least:.2f})")
        click.echo(f"| {own} / best other | " + " | ".join(cells) + " |")


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--runtime", "runtimes", multiple=True, default=("c", "onnx"), type=click.Choice(RUNTIMES))
@click.option("--model", default=MODEL, help="Model to export where a bundle is missing.")
@click.option("--lengths", default="8,16,32,64,128", help="Tokens, with commas between.")
@click.option("--blocks", default=15, help="Times that every runtime has its turn.")
@click.option("--runs", default=12, help="Runs in a row of a hot block.")
@click.option("--threads", default=1, help="Threads of a runtime that takes them.")
def main(
    folder: Path, runtimes: Sequence[str], model: str, lengths: str, blocks: int, runs: int, threads: int
) -> None:
    """The command."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = time.thread_time if threads == 1 else time.perf_counter
    hot: dict[str, Times] = {}
    cold: dict[str, Times] = {}
    with ExitStack() as opened:
        sessions = {}
        for name in runtimes:
            path = bundle(folder, name, model)
            start = time.perf_counter()
            sessions[name] = opened.enter_context(edgeemb.open(path, threads=threads, allow_code=True))
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            similar = sessions[name].manifest.parity["cosine_mean"]
            click.echo(
                f"{name}: {size:,} bytes, opened in {time.perf_counter() - start:.2f} s, cosine {similar:.4f}"
            )
        for length in map(int, lengths.split(",")):
            calls = {name: call(session, length) for name, session in sessions.items()}
            hot[f"{length} tokens"], cold[f"{length} tokens"] = measure(calls, blocks, runs, clock)
        texts = sentences()[:24]
        encode: dict[str, Call] = {name: partial(encode_each, one, texts) for name, one in sessions.items()}
        title = f"{len(texts)} texts"
        hot[title], cold[title] = measure(encode, max(blocks // 3, 1), 1, clock)
    table("Hot", hot)
    table("Cold", cold)


if __name__ == "__main__":
    main()

"""Text to ids: the compiled tokenizer beside the tokenizers library, SentencePiece and tiktoken, on one thread, in alternating blocks.

    python -m bench.text TEXTS TOKENIZER.json...

TEXTS has a text a line. Each tokenizer.json gives a line for each peer that is installed and can do the same work: SentencePiece Unigram models,
tiktoken byte-level BPE. Time is that of the process, so that a busy machine counts for all alike; memory is what opening and a first text add to
a fresh process, private and file-backed apart. `same` counts the texts that have as many tokens as edgeemb gives.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.text.peers import Peer, installed

_BLOCKS = 7


def seconds(call: Callable[[], object]) -> float:
    """Seconds of this process that a call takes."""
    start = time.process_time()
    call()
    return time.process_time() - start


def memory(peer: Peer, path: Path) -> list[float]:
    """Megabytes that opening and a first text add: private, and file-backed."""
    command = [sys.executable, "-m", "bench.text.memory", peer.name, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [round(int(word) / 1024, 2) for word in done.stdout.split()]


def measure(source: Path, lines: list[str], folder: Path) -> Iterator[dict[str, object]]:
    """What each peer needs for one tokenizer.

    :param source: the tokenizer.json.
    :param lines: the texts.
    :param folder: an empty folder for the files of the peers.
    """
    files = {peer: folder / f"tokenizer.{peer.name}" for peer in installed()}
    files = {peer: path for peer, path in files.items() if peer.write(source, path)}
    opening, opened = {}, {}
    for peer, path in files.items():
        start = time.perf_counter()
        opened[peer] = peer.open(path)
        opening[peer] = time.perf_counter() - start
    times: dict[Peer, list[float]] = {peer: [] for peer in opened}
    for _ in range(_BLOCKS):
        for peer, encode in opened.items():
            times[peer].append(seconds(partial(encode, lines)))
    counts = {peer: [len(ids) for ids in encode(lines)] for peer, encode in opened.items()}
    first = next(iter(opened))
    size, medians = (
        sum(len(line.encode()) for line in lines),
        {p: statistics.median(t) for p, t in times.items()},
    )
    for peer in opened:
        yield {
            "tokenizer": f"{source.parent.name}/{source.name}",
            "peer": peer.name,
            "file_bytes": files[peer].stat().st_size,
            "texts": len(lines),
            "same": sum(one == own for one, own in zip(counts[peer], counts[first], strict=True)),
            "mb_s": round(size / medians[peer] / 1e6, 3),
            "ns_token": round(medians[peer] / sum(counts[peer]) * 1e9, 1),
            "times_as_fast_as_it": round(medians[peer] / medians[first], 2),
            "opening_ms": round(opening[peer] * 1e3, 3),
            "memory_mb_private_file": memory(peer, files[peer]),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("tokenizers", type=Path, nargs="+")
    parser.add_argument("--lines", type=int, default=2000, help="texts at most")
    options = parser.parse_args()
    lines = [line for line in options.texts.read_text("utf-8").splitlines() if line.strip()][: options.lines]
    for path in options.tokenizers:
        with tempfile.TemporaryDirectory() as folder:
            for found in measure(path, lines, Path(folder)):
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()

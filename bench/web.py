"""A text in, a vector out, in WebAssembly and in the C engine of this machine, in alternation, one thread each.

    python -m bench.web --markdown web.md

WebAssembly runs in Node, whose engine is Chrome's. Caches are hot: of each round the least of several runs counts, and of the rounds the median. Times
contain the tokenizing of the text.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

import edgeemb
from edgeemb.exporters.kits import FOLDER

#: A sentence that fills up texts of any length.
_SENTENCE = "the cat sat on the mat and ran away from the dog "
_RUNS = 5
_NODE = """
import { createInterface } from "node:readline";
import { load } from "%s";
const start = performance.now();
const model = await load();
console.log(performance.now() - start);
for await (const line of createInterface({ input: process.stdin })) {
  const text = JSON.parse(line);
  let least = Infinity;
  for (let run = 0; run < %d; ++run) {
    const start = performance.now();
    model.encode(text);
    least = Math.min(least, performance.now() - start);
  }
  console.log(least);
}
"""


@click.command()
@click.option("--model", default="sentence-transformers/all-MiniLM-L6-v2", show_default=True)
@click.option("--lengths", default="8,16,32,64,128", show_default=True, help="Tokens of the texts.")
@click.option("--rounds", default=15, show_default=True)
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the table to a file.")
def main(model: str, lengths: str, rounds: int, markdown: Path | None) -> None:
    """Compare WebAssembly with the C engine of this machine."""
    counts = [int(length) for length in lengths.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        bundle = edgeemb.export(model, Path(scratch, "b"), target="web")
        script = Path(scratch, "time.mjs")
        script.write_text(_NODE % ((bundle / FOLDER / "edgeemb.js").as_uri(), _RUNS), "utf-8")
        with (
            edgeemb.open(bundle, allow_code=True, threads=1) as session,
            subprocess.Popen(
                ["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as node,
        ):
            assert node.stdin is not None and node.stdout is not None
            loading = float(node.stdout.readline())
            texts = [_text(session, count) for count in counts]
            found: list[tuple[list[float], list[float]]] = [([], []) for _ in texts]
            for _ in range(rounds):
                for text, (web, native) in zip(texts, found, strict=True):
                    native.append(_least(session, text))
                    node.stdin.write(json.dumps(text) + "\n")
                    node.stdin.flush()
                    web.append(float(node.stdout.readline()))
            node.stdin.close()
            tokens = [len(ids) for ids in session.tokens(texts)]
        size = (bundle / FOLDER / "model.wasm").stat().st_size
    rows = [
        [str(count), f"{web:.2f}", f"{native:.2f}", f"{web / native:.2f}"]
        for count, web, native in (
            (count, statistics.median(web), statistics.median(native))
            for count, (web, native) in zip(tokens, found, strict=True)
        )
    ]
    head = ["tokens", "WebAssembly, ms", "C engine, ms", "ratio"]
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    Console().print(f"model.wasm has {size:,} bytes; loading in Node took {loading:.0f} ms.")
    if markdown is not None:
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---:"] * len(head), *rows)]
        markdown.write_text("\n".join(lines) + "\n", "utf-8")


def _text(session: edgeemb.Session, count: int) -> str:
    """A text of a number of tokens, special tokens included."""
    words = (_SENTENCE * count).split()[: count - 2]
    text = " ".join(words)
    assert len(session.tokens([text])[0]) == count
    return text


def _least(session: edgeemb.Session, text: str) -> float:
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        session.encode([text])
        times.append(1e3 * (time.perf_counter() - start))
    return min(times)


if __name__ == "__main__":
    main()

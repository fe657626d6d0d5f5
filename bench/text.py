"""Text to ids: the compiled tokenizer against the tokenizers library, on one thread, in alternating blocks.

    python -m bench.text TEXTS TOKENIZER.json...

TEXTS has a text a line. Time is that of the process, so that a busy machine counts for both alike; memory is what opening and a first text add
to a fresh process, private and file-backed apart.
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
from collections.abc import Callable
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

_BLOCKS = 7

_MEMORY = """
import sys
from pathlib import Path
def used():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    private = found["Private_Dirty"]
    return private, found["Rss"] - private
from edgeemb.native.tokenizer import CompiledTokenizer
from tokenizers import Tokenizer
opened = {"ours": lambda: CompiledTokenizer(Path(sys.argv[2])), "theirs": lambda: Tokenizer.from_file(sys.argv[2])}[sys.argv[1]]
before = used()
tokenizer = opened()
tokenizer.encode("A first text.")
print(*(after - first for after, first in zip(used(), before)))
"""


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def memory(whose: str, path: str) -> list[float]:
    """Megabytes that opening and a first text add: private, and file-backed."""
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, whose, path], capture_output=True, text=True, check=True
    )
    return [int(word) / 1024 for word in done.stdout.split()]


def measure(path: Path, lines: list[str]) -> dict[str, object]:
    from tokenizers import Tokenizer

    from edgeemb.native.tokenizer import CompiledTokenizer
    from edgeemb.text.compiled import compile_tokenizer

    text = path.read_text("utf-8")
    theirs = Tokenizer.from_str(text)
    theirs.no_truncation()
    theirs.no_padding()
    blob = compile_tokenizer(text)
    ours = CompiledTokenizer(blob)
    same = sum(ours.encode(line).ids.tolist() == theirs.encode(line).ids for line in lines)
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(_BLOCKS):
        times["ours"].append(seconds(lambda: [ours.encode(line) for line in lines]))
        times["theirs"].append(seconds(lambda: theirs.encode_batch_fast(lines)))
    size = sum(len(line.encode()) for line in lines)
    tokens = sum(len(ours.encode(line).ids) for line in lines)
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(blob)
        file.flush()
        os.fsync(file.fileno())
        added = {"ours": memory("ours", file.name), "theirs": memory("theirs", str(path))}
    medians = {whose: statistics.median(values) for whose, values in times.items()}
    return {
        "tokenizer": path.parent.name + "/" + path.name,
        "json_bytes": len(text.encode()),
        "blob_bytes": len(blob),
        "texts": len(lines),
        "equal": same,
        "ours_mb_s": size / medians["ours"] / 1e6,
        "theirs_mb_s": size / medians["theirs"] / 1e6,
        "ours_ns_token": medians["ours"] / tokens * 1e9,
        "theirs_ns_token": medians["theirs"] / tokens * 1e9,
        "ratio": medians["theirs"] / medians["ours"],
        "memory_mb_private_file": added,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("tokenizers", type=Path, nargs="+")
    parser.add_argument("--lines", type=int, default=2000, help="texts at most")
    options = parser.parse_args()
    lines = [line for line in options.texts.read_text("utf-8").splitlines() if line.strip()][: options.lines]
    for path in options.tokenizers:
        print(json.dumps(measure(path, lines)), flush=True)


if __name__ == "__main__":
    main()

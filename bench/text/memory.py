"""Run in a process of its own: ``python -m bench.text.memory PEER FILE`` prints the KB that opening and a first text add, private and file-backed."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from bench.text.peers import find_peer


def used() -> tuple[int, int]:
    """KB of this process that are its own, and that it shares with files."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return found["Private_Dirty"], found["Rss"] - found["Private_Dirty"]


if __name__ == "__main__":
    peer = find_peer(sys.argv[1])
    for module in (peer.package, *(["edgeemb.native.tokenizer"] if peer.package == "edgeemb" else [])):
        import_module(module)
    before = used()
    encode = peer.open(Path(sys.argv[2]))
    encode(["A first text."])
    print(*(after - first for after, first in zip(used(), before, strict=True)))

"""``python -m tests.fuzz SECONDS [keep]``: every target for its share of the time; ``keep`` puts what is new into the corpora."""

from __future__ import annotations

import sys

from tests.fuzz import TARGETS, fuzz, keep
from tests.places import ROOT

FOLDER = ROOT / "build" / "fuzz"


def main() -> int:
    """Run all targets; gives 1 if one of them found something."""
    share = float(sys.argv[1]) / len(TARGETS)
    runs = []
    for target in TARGETS:
        run = fuzz(target, FOLDER, share)
        runs.append(run)
        print(
            f"{target:10} {run.inputs:>12,} inputs in {run.seconds:.0f} s: {run.found or 'nothing found'}",
            flush=True,
        )
        if sys.argv[2:] == ["keep"]:
            keep(target, FOLDER)
    return int(any(run.found for run in runs))


if __name__ == "__main__":
    sys.exit(main())

"""Calls timed in alternation, and the processor that they ran on."""

from __future__ import annotations

import statistics
from pathlib import Path

import click

from bench.lookup.contenders import Call

#: One timing lasts about this long, less than a scheduler's slice; a slower call is timed alone.
TIMING_NS = 400_000


def measure(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Median microseconds of a call, the contenders alternating in every round.

    :param calls: the contenders.
    :param rounds: timings of each.
    """
    repeats = {}
    for name, call in calls.items():
        once = min(call(1) for _ in range(5))
        if once < 0:
            raise click.ClickException(f"{name}: a call failed")
        repeats[name] = max(1, TIMING_NS // max(once, 1))
    timings: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call(1)
            timings[name].append(call(repeats[name]) / repeats[name] / 1000)
    return {name: statistics.median(values) for name, values in timings.items()}


def processor() -> str:
    """Name of this machine's processor, as Linux gives it."""
    info = Path("/proc/cpuinfo")
    names = (
        [line for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.is_file()
        else []
    )
    return names[0].partition(":")[2].strip() if names else "unknown processor"

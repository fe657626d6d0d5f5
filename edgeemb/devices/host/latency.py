"""Latency of bundles side by side: each in its own process, in turns within one run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import numpy as np

from edgeemb.devices.host.machine import last_cache_bytes
from edgeemb.devices.host.process import Setting, Worker
from edgeemb.devices.measurement import Measurement

#: A turn lasts about this long, so that a slow phase of the machine meets every bundle.
TURN_MS = 60.0

#: Runs before the measurement: at least this number, and for at least this time.
WARM_UP_RUNS = 3
WARM_UP_MS = 100.0

#: Runs for a percentile: as many as the budget allows between these; fewer if they would take ten budgets.
LEAST_RUNS = 100
MOST_RUNS = 2000
FEWEST_RUNS = 10

#: Cold runs of a bundle at most, in turns of so many.
COLD_RUNS, COLD_TURN = 12, 3
#: Before a cold run, this many times the last-level cache is read and written.
SWEPT_CACHES = 4


@dataclass(frozen=True)
class Turns:
    """Latencies of one bundle at one setting.

    :param length: sequence length in tokens.
    :param threads: thread count.
    :param turns: milliseconds of each run, turn by turn.
    :param cold: milliseconds of each run before which the caches were swept.
    """

    length: int
    threads: int
    turns: tuple[tuple[float, ...], ...]
    cold: tuple[float, ...] = ()

    @property
    def runs(self) -> int:
        """How many runs there are in all."""
        return sum(len(turn) for turn in self.turns)

    def percentiles(self) -> list[Measurement]:
        """p50, p90 and p99, hot, and p50 cold; those for which there are too few runs are absent."""
        times = [time for turn in self.turns for time in turn]
        hot = [self._percentile(times, percent, enough) for percent, enough in ((50, 1), (90, 10), (99, 100))]
        cold = [float(median(self.cold))] if self.cold else []
        return hot + [
            Measurement("cold_p50_ms", value, "", self.length, self.threads, len(self.cold)) for value in cold
        ]

    def _percentile(self, times: list[float], percent: int, enough: int) -> Measurement:
        name = f"p{percent}_ms"
        if len(times) < enough:
            reason = f"needs {enough} runs, had {len(times)}"
            return Measurement(name, None, reason, self.length, self.threads, len(times))
        value = float(np.percentile(times, percent))
        return Measurement(name, value, "", self.length, self.threads, len(times))


def ratio(turns: Turns, reference: Turns) -> float:
    """Time of a bundle as a multiple of a reference's: the median over turns of the medians' quotient.

    :param turns: the bundle's turns.
    :param reference: the turns that alternated with them.
    """
    return median(median(a) / median(b) for a, b in zip(turns.turns, reference.turns, strict=True))


def measure_latency(
    settings: Sequence[Setting], length: int, *, runs: int | None = None, budget_s: float = 1.0
) -> list[Turns]:
    """Time inferences of one sequence, in turns: first hot, run after run, and then cold, with the caches swept before each run.

    :param settings: what to time; all with the same thread count.
    :param length: sequence length in tokens.
    :param runs: runs a bundle; None chooses them by the budget.
    :param budget_s: seconds that a bundle's runs should take, if that leaves enough of them.
    :return: the latencies in the order of the settings.
    :raises DeviceError: if a process fails.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(setting)) for setting in settings]
        for worker in workers:
            worker.ask("open")
        slowest = max(_warm_up(worker, length) for worker in workers)
        wanted = _runs(slowest, budget_s) if runs is None else runs
        turn = max(1, min(wanted, int(TURN_MS / slowest)))
        collected: list[list[tuple[float, ...]]] = [[] for _ in workers]
        done, forward = 0, True
        while done < wanted:
            count = min(turn, wanted - done)
            # The order turns around each time, so that neither place in it is the better one.
            for place in range(len(workers)) if forward else reversed(range(len(workers))):
                collected[place].append(tuple(workers[place].ask("run", length=length, runs=count)["ms"]))
            done, forward = done + count, not forward
        cold = _cold(workers, length, min(wanted, COLD_RUNS))
    return [
        Turns(length, setting.threads, tuple(turns), tuple(own))
        for setting, turns, own in zip(settings, collected, cold, strict=True)
    ]


def swept_bytes() -> int:
    """Bytes that are read and written before a cold run."""
    return SWEPT_CACHES * last_cache_bytes()


def _cold(workers: Sequence[Worker], length: int, runs: int) -> list[list[float]]:
    """Milliseconds of each worker's cold runs."""
    found: list[list[float]] = [[] for _ in workers]
    for done in range(0, runs, COLD_TURN):
        for times, worker in zip(found, workers, strict=True):
            count = min(COLD_TURN, runs - done)
            times += worker.ask("cold", length=length, runs=count, sweep=swept_bytes())["ms"]
    return found


def _warm_up(worker: Worker, length: int) -> float:
    """Run until caches and clock have settled; returns the median of the last runs in milliseconds."""
    times: list[float] = []
    while len(times) < WARM_UP_RUNS or sum(times) < WARM_UP_MS:
        times += worker.ask("run", length=length, runs=WARM_UP_RUNS)["ms"]
    return max(median(times[-WARM_UP_RUNS:]), 1e-6)


def _runs(run_ms: float, budget_s: float) -> int:
    affordable = 1000 * budget_s / run_ms
    if affordable >= LEAST_RUNS:
        return int(min(affordable, MOST_RUNS))
    return int(max(FEWEST_RUNS, min(LEAST_RUNS, 10 * affordable)))

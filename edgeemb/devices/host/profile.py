"""Profile bundles on this machine: load time, latency, memory, operators; each in a fresh process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from edgeemb.bundle.manifest import Manifest
from edgeemb.devices.feeds import refusal, settled
from edgeemb.devices.host.latency import SWEPT_CACHES, Turns, measure_latency, ratio, swept_bytes
from edgeemb.devices.host.machine import cores, this_machine, version_of, versions_of
from edgeemb.devices.host.memory import Reading
from edgeemb.devices.host.operators import read_operators
from edgeemb.devices.host.process import Setting, Worker
from edgeemb.devices.host.texts import NOTE, measure_texts
from edgeemb.devices.measurement import Measurement, Operator, Report, Subject
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import InputError
from edgeemb.progress import Progress, silent
from edgeemb.runtimes.opening import check_code, checked
from edgeemb.runtimes.registry import find_runtime
from edgeemb.runtimes.runtime import Runtime
from edgeemb.scratch import Scratch

#: Fresh processes that the load time is the median of.
LOADS = 3

#: Inferences at each length before memory counts as steady.
STEADY_RUNS = 5

#: Inferences that are profiled by operator, after as many that are not counted.
PROFILED_RUNS = 20

NOTES = (
    "Every measurement ran in a fresh process.",
    "Load time is the time in which the runtime opens the model, with its files in the page cache, without checksums and tokenizer.",
    "Latency is that of one sequence of made-up ids without padding; it excludes the tokenizer.",
    "Memory is what a bundle adds to a process with its runtime imported; mapped files include runtime code.",
)

OPERATOR_NOTE = (
    "Cost by operator was measured with the runtime's own profiler on, which slows every call a little."
)


@dataclass(frozen=True)
class Ratio:
    """Latency of a bundle as a multiple of the first one's, over turns that alternated.

    :param bundle: its place among the bundles, from 0.
    :param length: sequence length in tokens.
    :param threads: thread count.
    :param value: the median over the turns.
    """

    bundle: int
    length: int
    threads: int
    value: float


@dataclass
class _Case:
    """A bundle while it is measured."""

    folder: Path
    name: str
    manifest: Manifest
    ops: str
    allow_code: bool
    used: dict[str, str]
    measurements: list[Measurement]
    notes: list[str] = field(default_factory=list)
    operators: tuple[Operator, ...] = ()

    @property
    def runtime(self) -> Runtime:
        return find_runtime(self.manifest.runtime)

    def setting(self, threads: int = 1, ops_profile: str = "") -> Setting:
        return Setting(str(self.folder), self.ops, threads, ops_profile, self.allow_code)


class _Steps:
    """Counts finished steps and reports them."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def done(self, count: int = 1) -> None:
        self._done += count
        self._progress(self._done, self._total)


def profile(bundle: str | Path, plan: ProfilePlan | None = None, *, progress: Progress = silent) -> Report:
    """Profile a bundle on this machine.

    :param bundle: the bundle's folder or zip file.
    :param plan: what to measure.
    :param progress: called with (steps done, steps in all).
    :return: the report.
    :raises BundleError: if the bundle cannot be opened.
    :raises DeviceError: if a measuring process fails.
    """
    reports, _ = side_by_side([bundle], plan, progress=progress)
    return reports[0]


def profile_device(device: str, bundle: Path, plan: ProfilePlan, progress: Progress = silent) -> Report:
    """Profile a bundle on this machine, as `edgeemb.devices.device.Profile`; see `profile`."""
    return profile(bundle, plan, progress=progress)


def side_by_side(
    bundles: Sequence[str | Path], plan: ProfilePlan | None = None, *, progress: Progress = silent
) -> tuple[tuple[Report, ...], tuple[Ratio, ...]]:
    """Profile bundles on this machine in turns, so that a slow phase affects all of them.

    :param bundles: the bundles' folders or zip files; latencies are compared with the first one's.
    :param plan: what to measure.
    :param progress: called with (steps done, steps in all).
    :return: a report per bundle, and the ratios of latency.
    :raises BundleError: if a bundle cannot be opened.
    :raises DeviceError: if a measuring process fails.
    :raises InputError: if there is no bundle.
    """
    plan = plan or ProfilePlan()
    if not bundles:
        raise InputError("no bundle to profile: name at least one")
    with ExitStack() as stack:
        opened = [stack.enter_context(checked(Path(bundle))) for bundle in bundles]
        cases = [_case(*found, name, plan) for found, name in zip(opened, names(bundles), strict=True)]
        ratios = _measure(cases, settled(plan, [case.manifest for case in cases]), progress)
        return tuple(_report(case) for case in cases), ratios


def _measure(cases: Sequence[_Case], plan: ProfilePlan, progress: Progress) -> tuple[Ratio, ...]:
    steps = _Steps(
        len(cases) * (1 + LOADS + len(plan.lengths) * len(plan.threads) + plan.ops_profile), progress
    )
    for case in cases:
        case.measurements += _memory(case, plan)
        steps.done()
    _loads(cases, plan.lengths, steps)
    ratios = [
        item
        for threads in plan.threads
        for length in plan.lengths
        for item in _latency(cases, length, threads, plan, steps)
    ]
    for case in cases if plan.ops_profile else ():
        case.operators = _operators(case, plan.lengths)
        steps.done()
    return tuple(ratios)


def names(bundles: Sequence[str | Path]) -> list[str]:
    """What bundles are called: their folders' names, or their paths where two of those are equal.

    :param bundles: the bundles' folders.
    """
    short = [Path(bundle).resolve().name for bundle in bundles]
    return [
        name if short.count(name) == 1 else str(bundle) for name, bundle in zip(short, bundles, strict=True)
    ]


def _case(folder: Path, manifest: Manifest, name: str, plan: ProfilePlan) -> _Case:
    check_code(folder, manifest, allowed=plan.allow_code)
    return _Case(folder, name, manifest, plan.ops, plan.allow_code, {}, [])


def _cold_note() -> str:
    return (
        f"Cold latency is the median of runs before each of which {swept_bytes() / 1e6:.0f} MB of other memory were read and written, "
        f"{SWEPT_CACHES} times this machine's last-level cache; the other latencies are of runs one after another."
    )


def _taken(case: _Case, lengths: Sequence[int]) -> list[int]:
    return [length for length in lengths if not refusal(case.manifest, length)]


def _memory(case: _Case, plan: ProfilePlan) -> list[Measurement]:
    """What the bundle adds to a process, and last, so that it does not count as the model's, what texts take."""
    lengths, texts = _taken(case, plan.lengths), []
    with Worker(case.setting()) as worker:
        reset = worker.ask("runtime")["peak_is_reset"]
        baseline = Reading(**worker.ask("memory"))
        worker.ask("open")
        loaded = Reading(**worker.ask("memory"))
        for length in lengths:
            worker.ask("run", length=length, runs=STEADY_RUNS)
        steady = Reading(**worker.ask("memory"))
        if case.manifest.max_length:
            texts = measure_texts(worker, lengths, plan)
            case.notes.append(NOTE)
        # Last, because it may load the library of kernels once more.
        case.used = worker.ask("used")
    silent_system = "this system does not report a process's resident pages by kind"
    found = [_difference("baseline_rss_bytes", baseline.rss_bytes, 0, silent_system)]
    for stage, reading in (("load", loaded), ("steady", steady)):
        for kind in ("anonymous", "file"):
            before, after = getattr(baseline, f"{kind}_bytes"), getattr(reading, f"{kind}_bytes")
            found.append(_difference(f"{stage}_{kind}_bytes", after, before, silent_system))
    # A peak that could not be reset is that of importing the runtime, unless the bundle needs more.
    floor = baseline.rss_bytes if reset else baseline.peak_bytes
    found.append(
        _difference(
            "peak_rss_bytes", steady.peak_bytes, floor, "this system does not report a process's peak"
        )
    )
    return found + texts


def _difference(name: str, after: int | None, before: int | None, reason: str) -> Measurement:
    if after is None or before is None:
        return Measurement(name, None, reason)
    return Measurement(name, after - before)


def _loads(cases: Sequence[_Case], lengths: Sequence[int], steps: _Steps) -> None:
    loads: list[list[float]] = [[] for _ in cases]
    firsts: list[list[float]] = [[] for _ in cases]
    for _ in range(LOADS):
        for place, case in enumerate(cases):
            with Worker(case.setting()) as worker:
                worker.ask("runtime")
                loads[place].append(worker.ask("open")["ms"])
                for length in _taken(case, lengths)[:1]:
                    firsts[place] += worker.ask("run", length=length, runs=1)["ms"]
            steps.done()
    for case, load, first in zip(cases, loads, firsts, strict=True):
        case.measurements.append(Measurement("load_ms", median(load), "", None, 1, LOADS))
        if first:
            length = _taken(case, lengths)[0]
            case.measurements.append(Measurement("first_inference_ms", median(first), "", length, 1, LOADS))
        else:
            reason = refusal(case.manifest, lengths[0])
            case.measurements.append(Measurement("first_inference_ms", None, reason, lengths[0], 1))


def _latency(
    cases: Sequence[_Case], length: int, threads: int, plan: ProfilePlan, steps: _Steps
) -> list[Ratio]:
    reasons = [
        (case.runtime.one_thread(case.folder, case.manifest.name) if threads > 1 else "")
        or refusal(case.manifest, length)
        for case in cases
    ]
    if threads > cores():
        reasons = [f"this machine has {cores()} cores for this process" for _ in cases]
    for case, reason in zip(cases, reasons, strict=True):
        if reason:
            case.measurements += [
                Measurement(name, None, reason, length, threads)
                for name in ("p50_ms", "p90_ms", "p99_ms", "cold_p50_ms")
            ]
    able = [place for place, reason in enumerate(reasons) if not reason]
    turns: dict[int, Turns] = {}
    if able:
        settings = [cases[place].setting(threads) for place in able]
        taken_turns = measure_latency(settings, length, runs=plan.runs, budget_s=plan.budget_s)
        turns = dict(zip(able, taken_turns, strict=True))
    for place, taken in turns.items():
        cases[place].measurements += taken.percentiles()
    steps.done(len(cases))
    if 0 not in turns:
        return []
    return [Ratio(place, length, threads, ratio(taken, turns[0])) for place, taken in turns.items()]


def _operators(case: _Case, lengths: Sequence[int]) -> tuple[Operator, ...]:
    taken = _taken(case, lengths)
    if not taken:
        return ()
    if not case.runtime.profiles:
        case.notes.append(f"No cost by operator: {case.runtime.title} does not report it.")
        return ()
    with ExitStack() as stack:
        folder = stack.enter_context(Scratch())
        worker = stack.enter_context(Worker(case.setting(ops_profile=str(folder / "ops"))))
        worker.ask("open")
        worker.ask("run", length=taken[0], runs=2 * PROFILED_RUNS)
        answer = worker.ask("end_profile")
        if not answer["path"]:
            reason = answer["note"] or f"{case.runtime.title} tells none"
            case.notes.append(f"No cost by operator: {reason}.")
            return ()
        case.notes.append(f"{OPERATOR_NOTE} It holds for {taken[0]} tokens.")
        if answer["note"]:
            case.notes.append(f"{answer['note']}.")
        return read_operators(Path(answer["path"]), case.manifest.tables, skip_runs=PROFILED_RUNS)


def _report(case: _Case) -> Report:
    manifest = case.manifest
    subject = Subject.of(case.name, manifest, case.used["ops"], case.used["kernel"])
    versions = {"edgeemb": version_of("edgeemb"), **versions_of(case.used["package"])}
    notes = (*NOTES, _cold_note(), *case.notes)
    return Report(
        "host", "host", this_machine(), subject, tuple(case.measurements), case.operators, notes, versions
    )

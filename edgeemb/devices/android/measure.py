"""Running the runner on a phone, one fresh process per measurement, until there is a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeemb.bundle.golden import agreement
from edgeemb.bundle.manifest import Manifest
from edgeemb.devices.android import report as report_of
from edgeemb.devices.android.adb import Phone, run_in
from edgeemb.devices.android.feeds import read_outputs
from edgeemb.devices.android.report import Identity, parse_report
from edgeemb.devices.feeds import refusal
from edgeemb.devices.host.machine import version_of
from edgeemb.devices.measurement import Measurement, Operator, Report, Subject
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError
from edgeemb.progress import Progress
from edgeemb.runtimes.c.parts import part_names
from edgeemb.runtimes.c.sources import read_sizes
from edgeemb.runtimes.registry import find_runtime

#: Name of the runner, and of the files with its inputs, on the phone.
RUNNER, FEEDS, GOLDEN_FEEDS = "runner", "feeds.bin", "golden.bin"
#: What is done with texts, and the measurement of each; the inputs are in a file of that name.
READINGS = {"tokens": "tokens_p50_ms", "text": "text_p50_ms"}
#: Fresh processes that each load time is the median of.
LOADS = 3

_ALARM = 14
#: Signals in words.
_SIGNALS = {
    4: "an illegal instruction",
    6: "it gave up",
    7: "a bad address",
    8: "a division by zero",
    9: "it was killed, perhaps for lack of memory",
    11: "a bad address",
}

NOTES = (
    "Every measurement ran in a fresh process of a runner that needs nothing installed on the phone.",
    "Latency is that of one sequence of made-up ids without padding, after a warm-up; it excludes tokenization.",
    "Clock and temperature are those right before and right after the latencies: the fastest core in use, the hottest zone of the CPU.",
    "Memory is what the bundle adds to the runner's process; pss is that of the whole process, with shared pages divided among their users.",
)

TEXTS = "Text to tokens, and text in to vector out, are for texts of up to so many tokens, on one thread: the export reads text by itself."


@dataclass(frozen=True)
class Case:
    """A bundle that is ready to be measured on a phone.

    :param name: what it is called.
    :param folder: the bundle.
    :param manifest: its manifest.
    :param ops: the lookups in use.
    :param model: the files of the model on the phone.
    :param lengths: sequence lengths that it takes.
    :param expected: what the host gave for the golden feeds.
    :param texts: whether there are texts for these lengths, which a C export reads by itself.
    """

    name: str
    folder: Path
    manifest: Manifest
    ops: str
    model: tuple[str, ...]
    lengths: tuple[int, ...]
    expected: Sequence[Sequence[float]]
    texts: bool = False


@dataclass
class Job:
    """The runner on a phone.

    :param phone: the phone.
    :param folder: where it lies there.
    :param options: what every call of it is given.
    :param limit_s: seconds after which a call counts as hung.
    :param progress: called with (calls done, calls in all).
    :param total: calls in all; 0 while that is not known.
    :param done: calls so far.
    """

    phone: Phone
    folder: str
    options: tuple[str, ...]
    limit_s: float
    progress: Progress
    total: int = 0
    done: int = 0

    def run(self, mode: str, *options: str) -> dict[str, Any]:
        """Run it in one of its modes and take its report.

        :param mode: the mode.
        :param options: what this call is given.
        :raises DeviceError: if it fails, crashes or hangs.
        """
        # The runner ends itself; this side waits a little longer, for one that cannot.
        limit = max(1, round(self.limit_s))
        arguments = [f"./{RUNNER}", f"mode={mode}", f"limit_s={limit}", *self.options, *options]
        answer = run_in(self.phone, self.folder, arguments, limit + 3)
        if answer.status:
            raise DeviceError(self._failure(answer.status, answer.words))
        if self.total:
            self.done += 1
            self.progress(self.done, self.total)
        return parse_report(self.phone.pull(f"{self.folder}/report.json"), mode)

    def _failure(self, status: int, words: str) -> str:
        serial, signal = self.phone.serial, status - 128
        if status in (126, 127):
            return f"{serial} cannot run programs in {self.folder.rpartition('/')[0]} ({words}): use a phone or a system image that does"
        if signal == _ALARM:
            return f"the runner hung on {serial}: it was ended after {self.limit_s:.0f} s"
        if signal > 0:
            return f"the runner crashed on {serial}: {_SIGNALS.get(signal, 'it was ended')} (signal {signal})"
        return f"the runner failed on {serial}: {words.removeprefix('runner: ')}"


def measure(job: Job, identity: Identity, case: Case, plan: ProfilePlan) -> Report:
    """Take all measurements of a bundle.

    :param job: the runner, with everything it needs on the phone.
    :param identity: what the phone says of itself.
    :param case: the bundle.
    :param plan: what to measure.
    :raises DeviceError: if the runner fails.
    """
    runtime = find_runtime(case.manifest.runtime)
    in_c = runtime.is_source
    feeds = f"feeds={FEEDS}"
    look = job.run("look")
    one = runtime.one_thread(case.folder, case.manifest.name)
    reasons = {count: _no_threads(one, count, len(look["used"])) for count in plan.threads}
    timed = sum(not reason for reason in reasons.values())
    job.total = bool(case.expected) + 1 + 2 * LOADS + bool(case.lengths) * (timed + in_c)
    job.total += len(READINGS) * case.texts
    near = _agreement(job, case.expected)
    measurements = report_of.memory(job.run("memory", feeds))
    cold = [job.run("load", feeds, f"drop={','.join(case.model)}") for _ in range(LOADS)]
    warm = [job.run("load", feeds) for _ in range(LOADS)]
    first = case.lengths[0] if case.lengths else None
    measurements += report_of.loads(cold, warm, first)
    measurements += _latencies(job, case, plan, reasons)
    for name, measured in READINGS.items() if case.texts else ():
        measurements += report_of.texts(job.run("time", f"feeds={name}.bin", *_times(plan)), measured)
    operators: tuple[Operator, ...] = ()
    if in_c and case.lengths:
        names = part_names(read_sizes(case.folder, case.manifest.name)["layers"])
        lookups, operators = report_of.parts(job.run("parts", feeds), names)
        measurements += lookups
    versions = {"edgeemb": version_of("edgeemb")}
    if warm[0]["version"]:
        versions[warm[0]["engine"]] = warm[0]["version"]
    return Report(
        device=f"android:{job.phone.serial}",
        kind="phone",
        machine=report_of.machine_of(identity, look, plan.cores),
        bundle=Subject.of(case.name, case.manifest, case.ops, "serial" if in_c else ""),
        measurements=tuple(measurements),
        operators=operators if plan.ops_profile else (),
        notes=(*NOTES, *([TEXTS] if case.texts else []), runtime.phone.load if runtime.phone else "", near),
        versions=versions,
    )


def _agreement(job: Job, expected: Sequence[Sequence[float]]) -> str:
    """How close the phone's results are to the host's, as a note."""
    if not expected:
        return agreement([], [])
    job.run("check", f"feeds={GOLDEN_FEEDS}", "output=output.bin")
    given = read_outputs(job.phone.pull(f"{job.folder}/output.bin"), [len(row) for row in expected])
    return agreement(expected, [row.tolist() for row in given])


def _latencies(job: Job, case: Case, plan: ProfilePlan, reasons: Mapping[int, str]) -> list[Measurement]:
    """Latency at each length and thread count, unless it cannot be measured, and the clocks and temperatures before and after."""
    found: list[Measurement] = []
    taken: list[dict[str, Any]] = []
    for threads, reason in reasons.items():
        if not reason and case.lengths:
            taken.append(job.run("time", f"feeds={FEEDS}", f"threads={threads}", *_times(plan)))
            found += report_of.latencies(taken[-1], threads)
        for length in plan.lengths:
            why = refusal(case.manifest, length) or reason
            if why:
                found += [Measurement(f"p{p}_ms", None, why, length, threads) for p in (50, 90, 99)]
    return found + (report_of.conditions(taken[0], taken[-1]) if taken else [])


def _times(plan: ProfilePlan) -> tuple[str, str]:
    """What says how often each input is run."""
    return f"runs={plan.runs or 0}", f"budget_ms={round(1000 * plan.budget_s)}"


def _no_threads(one: str, threads: int, cores: int) -> str:
    """Why there is no latency for a thread count, such as `Runtime.one_thread`; empty if there is."""
    if threads > 1 and one:
        return one
    return f"the runner had {cores} cores" if threads > cores else ""


def model_files(names: Sequence[str]) -> tuple[str, ...]:
    """The files that the runtime opens among those of a bundle, the model first.

    :param names: the bundle's files.
    """
    return tuple(name for name in ("model.onnx", "model.tflite", "model.data") if name in names)

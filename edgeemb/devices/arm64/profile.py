"""Profile bundles on an emulated phone CPU: exact instructions, the program's memory, agreement with the host, and no time.

ONNX, TFLite and ExecuTorch bundles run in their runtimes' own wheels for 64-bit Arm, C exports as a program without a system around it.
``arm64-a76`` uses QEMU if it is installed, otherwise unicorn, which runs C exports; ``arm64-a76:unicorn`` names the emulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from edgeemb.bundle.golden import agreement, read_golden
from edgeemb.bundle.manifest import Manifest
from edgeemb.devices.arm64.c import run_program
from edgeemb.devices.arm64.emulators import choose
from edgeemb.devices.arm64.findings import Findings
from edgeemb.devices.arm64.marks import MARK, between
from edgeemb.devices.arm64.memory import guest_memory
from edgeemb.devices.arm64.phone import Phone, phones
from edgeemb.devices.arm64.python import guest
from edgeemb.devices.arm64.text import measure_texts
from edgeemb.devices.feeds import check_takes_ids, refusal, settled
from edgeemb.devices.host.machine import version_of, versions_of
from edgeemb.devices.host.memory import Reading
from edgeemb.devices.host.process import Setting, Worker
from edgeemb.devices.measurement import Machine, Measurement, Report, Subject
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import SpecError
from edgeemb.progress import Progress, silent
from edgeemb.runtimes.opening import check_code, checked
from edgeemb.runtimes.registry import find_runtime

#: Inferences that are counted at each length.
COUNTED_RUNS = 3
#: Inferences at each length before memory counts as steady.
STEADY_RUNS = 2
#: The shortest golden sentences are run to see whether the results are those of the host.
GOLDEN_RUNS = 3

NO_TIME = "an emulator does not have the phone's clock: only instructions and memory are meaningful"
NO_MEMORY = "this system does not say which pages of a process are in memory"
NO_PEAK = "the system reports one peak for the program and the emulator together"
NO_THREADS = "waiting threads spin, so counts would not be repeatable: use one thread"
PYTHON_NOTE = (
    "Instructions are those of one call into the runtime on one thread, without the cost of marking it."
)
MEMORY_NOTE = "Memory is that of the program's own mappings, without the emulator's."
OPERATORS_NOTE = "The runtime reports the cost of its operators only as times, which mean nothing here."
GUEST = "edgeemb.devices.arm64.guest"


def profile(device: str, bundle: Path, plan: ProfilePlan, progress: Progress = silent) -> Report:
    """Profile a bundle on an emulated phone CPU.

    :param device: name of the phone, or ``NAME:qemu`` or ``NAME:unicorn``.
    :param bundle: the bundle's folder or zip file.
    :param plan: lengths; what an emulator cannot measure is reported as absent.
    :param progress: called with (steps done, steps in all).
    :raises SpecError: if there is no such phone, or no such emulator.
    :raises DeviceError: if no emulator that runs it is installed, the system cannot be set up, or the program fails.
    :raises NativeError: if a compiler is needed and missing.
    """
    known = phones()
    name, _, asked = device.partition(":")
    if name not in known:
        raise SpecError(f"emulated phone '{name}' is not known: use {', '.join(known)}")
    return profile_phone(known[name], bundle, plan, asked=asked, progress=progress)


def profile_phone(
    phone: Phone, bundle: Path, plan: ProfilePlan, *, asked: str = "", progress: Progress = silent
) -> Report:
    """Profile a bundle on an emulated phone CPU; parameters and errors are those of `profile`.

    :param phone: the CPU.
    :param asked: name of the emulator; empty for the first that is installed.
    """
    with checked(bundle) as (folder, manifest):
        plan = settled(plan, [manifest])
        check_code(bundle, manifest, allowed=plan.allow_code)
        check_takes_ids(bundle.name, manifest)
        lengths = [length for length in plan.lengths if not refusal(manifest, length)]
        golden = sorted(read_golden(folder), key=lambda pair: len(pair[0]))[:GOLDEN_RUNS]
        inputs = [given for given, _ in golden]
        runtime = find_runtime(manifest.runtime)
        emulator = choose(phone, asked, is_program=runtime.is_source)
        if runtime.is_source:
            found = run_program(emulator, phone, folder, manifest, lengths, inputs, progress)
        else:
            found = _run_python(phone, folder, manifest, lengths, inputs, plan, progress)
        texts, said = measure_texts(emulator, phone, folder, manifest, lengths)
    name = bundle.resolve().name
    return Report(
        phone.name,
        "emulated",
        Machine(phone.core, 1, "Linux", (f"emulated by {emulator.version()}", phone.summary)),
        Subject.of(name, manifest, found.ops, found.kernel),
        (*_memory(found.memory), *_counts(manifest, plan, found.instructions), *texts),
        found.operators if plan.ops_profile else (),
        (
            *found.notes,
            *([said] if said else []),
            MEMORY_NOTE,
            agreement([output for _, output in golden], found.outputs),
        ),
        {"edgeemb": version_of("edgeemb"), **versions_of(runtime.package)},
    )


def _run_python(
    phone: Phone,
    folder: Path,
    manifest: Manifest,
    lengths: Sequence[int],
    inputs: Sequence[object],
    plan: ProfilePlan,
    progress: Progress,
) -> Findings:
    steps = 2 + len(lengths)
    setting = Setting(str(folder), plan.ops, threads=1)
    with guest(phone, find_runtime(manifest.runtime), GUEST, ops=plan.ops) as emulated:
        progress(1, steps)
        with Worker(setting, launcher=emulated.launcher) as worker:
            worker.ask("runtime")
            baseline = guest_memory(**worker.ask("maps"))
            worker.ask("open")
            loaded = guest_memory(**worker.ask("maps"))
            for length in lengths:
                worker.ask("run", length=length, runs=STEADY_RUNS)
            steady = guest_memory(**worker.ask("maps"))
        progress(2, steps)
        # A separate process, after one that has left every module compiled: other allocations would change what the allocator
        # does in an inference.
        with Worker(setting, launcher=emulated.launcher) as worker:
            worker.ask("open")
            instructions = {}
            for place, length in enumerate(lengths):
                before = len(emulated.machine.marks()) if place else 0
                worker.ask("count", length=length, runs=COUNTED_RUNS, mark=MARK)
                instructions[length] = between(emulated.machine.marks()[before:])
                progress(3 + place, steps)
            outputs = worker.ask("outputs", inputs=inputs)["outputs"]
            used = worker.ask("used")
    notes = [PYTHON_NOTE, *emulated.notes, *([OPERATORS_NOTE] if plan.ops_profile else [])]
    return Findings(
        used["ops"], used["kernel"], instructions, outputs, (baseline, loaded, steady), notes=notes
    )


def _counts(manifest: Manifest, plan: ProfilePlan, instructions: dict[int, list[int]]) -> list[Measurement]:
    found = []
    for length in plan.lengths:
        counts = instructions.get(length)
        if counts:
            found.append(
                Measurement("inference_instructions", int(median(counts)), length=length, runs=len(counts))
            )
        else:
            found.append(
                Measurement("inference_instructions", None, refusal(manifest, length), length=length)
            )
        for threads in plan.threads:
            found.append(Measurement("p50_ms", None, NO_TIME, length, threads))
            if threads > 1:
                found.append(Measurement("inference_instructions", None, NO_THREADS, length, threads))
    return found


def _memory(readings: tuple[Reading, Reading, Reading]) -> list[Measurement]:
    baseline, loaded, steady = readings
    found = [_amount("baseline_rss_bytes", baseline.rss_bytes)]
    for stage, reading in (("load", loaded), ("steady", steady)):
        for kind in ("anonymous", "file"):
            now, before = (getattr(one, f"{kind}_bytes") for one in (reading, baseline))
            grown = None if now is None or before is None else now - before
            found.append(_amount(f"{stage}_{kind}_bytes", grown))
    return [*found, Measurement("peak_rss_bytes", None, NO_PEAK)]


def _amount(name: str, value: int | None) -> Measurement:
    return Measurement(name, value, "" if value is not None else NO_MEMORY)

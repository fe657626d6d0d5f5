"""Bundles side by side: size, parity, quality, latency and memory, measured in one run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, overload

from edgeemb.devices import find_device, profile_on
from edgeemb.devices.feeds import settled
from edgeemb.devices.host.machine import version_of
from edgeemb.devices.host.profile import Ratio, names, side_by_side
from edgeemb.devices.measurement import (
    MAX_BYTES,
    SCHEMA,
    Machine,
    Measurement,
    Report,
    Subject,
    report_from_json,
)
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError, InputError, NativeError
from edgeemb.files import checked as checked_json
from edgeemb.files import read_json, write_text
from edgeemb.progress import Progress, silent
from edgeemb.report.evaluation import evaluate
from edgeemb.runtimes.opening import checked


@dataclass(frozen=True)
class Comparison:
    """Reports side by side, of one device or of several.

    :param reports: a report per bundle and device.
    :param ratios: latencies as multiples of the first bundle's, where both were measured in turns.
    """

    reports: tuple[Report, ...]
    ratios: tuple[Ratio, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        reports = [report.to_json() for report in self.reports]
        return {"schema": SCHEMA, "reports": reports, "ratios": [asdict(ratio) for ratio in self.ratios]}


def compare(
    bundles: Sequence[str | Path],
    plan: ProfilePlan | None = None,
    *,
    sts: str | Path | None = None,
    train: str | Path | None = None,
    test: str | Path | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Measure bundles on this machine, in turns.

    :param bundles: the bundles' folders; ratios refer to the first one.
    :param plan: what to measure: see `ProfilePlan`.
    :param sts: scored sentence pairs to evaluate on: score, sentence, sentence; separated by tabs.
    :param train: labelled texts to train a classifier on: text, label; separated by a tab.
    :param test: labelled texts to test the classifier on.
    :param progress: called with (steps done, steps in all) of the measurement on the device.
    :return: a report per bundle, with its quality among the measurements.
    :raises BundleError: if a bundle cannot be opened.
    :raises DeviceError: if a measuring process fails.
    :raises InputError: if the data cannot be used.
    :raises SpecError: if only one of `train` and `test` is given.
    """
    plan = plan or ProfilePlan()
    # Quality first: unusable data shows at once, not after minutes of measuring.
    qualities = [_quality(bundle, plan, sts, train, test) for bundle in bundles]
    reports, ratios = side_by_side(bundles, plan, progress=progress)
    return Comparison(
        tuple(
            replace(report, measurements=(*report.measurements, *found))
            for report, found in zip(reports, qualities, strict=True)
        ),
        ratios,
    )


@overload
def profile(
    bundle: str | Path,
    device: str = ...,
    plan: ProfilePlan | None = ...,
    *,
    allow_missing: bool = ...,
    progress: Progress = ...,
) -> Report: ...


@overload
def profile(
    bundle: str | Path,
    device: list[str] | tuple[str, ...],
    plan: ProfilePlan | None = ...,
    *,
    allow_missing: bool = ...,
    progress: Progress = ...,
) -> Comparison: ...


def profile(
    bundle: str | Path,
    device: str | list[str] | tuple[str, ...] = "host",
    plan: ProfilePlan | None = None,
    *,
    allow_missing: bool = False,
    progress: Progress = silent,
) -> Report | Comparison:
    """Measure a bundle: size, load time, latency, instructions and memory, on one device or several.

    :param bundle: the bundle's folder or zip file.
    :param device: what to measure on, a name that 'edgeemb devices' lists; a sequence of names for several.
    :param plan: what to measure: see `ProfilePlan`.
    :param allow_missing: report why a device cannot be used instead of failing.
    :param progress: called with (steps done, steps in all) of each device.
    :return: the report; for a sequence of devices, their reports side by side.
    :raises SpecError: if there is no such device.
    :raises EdgeembError: if a device cannot be used, unless that is allowed.
    """
    devices = [device] if isinstance(device, str) else list(device)
    result = profile_on_all(
        Path(bundle), devices, plan or ProfilePlan(), allow_missing=allow_missing, progress=progress
    )
    return result.reports[0] if isinstance(device, str) else result


def profile_on_all(
    bundle: Path,
    devices: Sequence[str],
    plan: ProfilePlan,
    *,
    allow_missing: bool = False,
    progress: Progress = silent,
) -> Comparison:
    """Measure a bundle on devices, one after the other.

    :param bundle: the bundle's folder or zip file.
    :param devices: names of the devices.
    :param plan: what to measure.
    :param allow_missing: give a device that cannot be used a report without values, with the reason.
    :param progress: called with (steps done, steps in all) of each device.
    :return: a report per device.
    :raises SpecError: if there is no such device.
    :raises EdgeembError: if a device cannot be used, unless that is allowed.
    """
    reports = []
    phones = [device for device in devices if find_device(device).kind == "phone"]
    for device in devices:
        # Options for phones do not affect the other devices next to one.
        own = plan if device in phones or not phones else replace(plan, cores="all", runtime_lib=None)
        try:
            reports.append(profile_on(device, bundle, own, progress))
        except (DeviceError, NativeError) as error:
            if not allow_missing:
                raise
            reports.append(_unmeasured(device, bundle, plan, str(error)))
    return Comparison(tuple(reports))


def _unmeasured(device: str, bundle: Path, plan: ProfilePlan, reason: str) -> Report:
    """A report of a device that could not be measured at all: everything in it is absent, for one reason."""
    info = find_device(device)
    with checked(bundle) as (_, manifest):
        subject = Subject.of(names([bundle])[0], manifest, manifest.ops, "")
        plan = settled(plan, [manifest])
    found = [Measurement("steady_anonymous_bytes", None, reason)]
    for length in plan.lengths:
        found.append(Measurement("inference_instructions", None, reason, length))
        found += [Measurement("p50_ms", None, reason, length, threads) for threads in plan.threads]
    machine = Machine(info.summary, None, "", ("not measured",))
    return Report(
        device, info.kind, machine, subject, tuple(found), versions={"edgeemb": version_of("edgeemb")}
    )


def read_comparison(path: Path) -> Comparison:
    """Read what ``edgeemb profile``, ``compare`` or ``report`` saved as JSON.

    :param path: the file.
    :raises InputError: if it cannot be read, holds no report, or one of a newer version.
    """
    values = read_json(path, MAX_BYTES, InputError)
    known = isinstance(values, dict) and values.get("schema") == SCHEMA
    if not known or not isinstance(values.get("reports"), list):
        return Comparison((report_from_json(values, str(path)),))
    reports = tuple(
        report_from_json(item, f"report {place} of {path}") for place, item in enumerate(values["reports"], 1)
    )
    if not reports:
        raise InputError(f"{path} holds no report: make one with 'edgeemb profile -o {path.name}'")
    try:
        ratios = tuple(checked_json(item, Ratio) for item in values.get("ratios", []))
        if not all(math.isfinite(ratio.value) for ratio in ratios):
            raise ValueError("a ratio is not finite")
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} holds ratios of another form ({error}): make it again") from None
    return Comparison(reports, ratios)


def join(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison with the reports of several, in order. The ratios of the first are kept; they refer to its first report.

    :param comparisons: at least one.
    """
    reports = tuple(report for comparison in comparisons for report in comparison.reports)
    return Comparison(reports, comparisons[0].ratios)


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Save a comparison as JSON; an existing file is replaced only by a complete one.

    :param path: where to.
    :param comparison: what to save.
    :raises EdgeembError: if it cannot be written.
    """
    text = json.dumps(comparison.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _quality(
    bundle: str | Path,
    plan: ProfilePlan,
    sts: str | Path | None,
    train: str | Path | None,
    test: str | Path | None,
) -> tuple[Measurement, ...]:
    """Quality of a bundle as measurements, as far as there is data."""
    if sts is None and train is None and test is None:
        return ()
    found = evaluate(bundle, sts=sts, train=train, test=test, ops=plan.ops, allow_code=plan.allow_code)
    measurements = []
    if found.sts is not None:
        measurements.append(Measurement("spearman_percent", found.sts.spearman, runs=found.sts.pairs))
    if found.classes is not None:
        accuracy = found.classes
        measurements.append(Measurement("accuracy_percent", accuracy.accuracy, runs=accuracy.test))
    return tuple(measurements)

"""Bundles side by side: size, parity, quality, latency and memory, measured in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeemb.devices.host import Ratio, side_by_side
from edgeemb.devices.measurement import SCHEMA, Measurement, Report
from edgeemb.devices.plan import Plan
from edgeemb.evaluate import evaluate_classes, evaluate_sts
from edgeemb.runtimes import open_bundle
from edgeemb.tables.codec import Progress, silent


@dataclass(frozen=True)
class Comparison:
    """Reports that stand side by side, of one device or of several.

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
    plan: Plan | None = None,
    *,
    sts: Path | None = None,
    classes: tuple[Path, Path] | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Measure bundles on this machine, in turns.

    :param bundles: the bundles' folders; ratios refer to the first one.
    :param plan: what to measure.
    :param sts: scored sentence pairs (`edgeemb.pairs.read_pairs`) to evaluate each bundle on, or None.
    :param classes: labelled texts to train and to test a classifier (`edgeemb.pairs.read_labelled`), or None.
    :param progress: called with (steps done, steps in all) of the measurement on the device.
    :return: a report per bundle, with its quality among the measurements.
    :raises BundleError: if a bundle cannot be opened.
    :raises DeviceError: if a measuring process fails.
    :raises InputError: if the data cannot be used.
    """
    plan = plan or Plan()
    # Quality first: unusable data shows at once, not after minutes of measuring.
    qualities = [quality(bundle, plan.ops, sts=sts, classes=classes) for bundle in bundles]
    reports, ratios = side_by_side(bundles, plan, progress=progress)
    return Comparison(
        tuple(
            replace(report, measurements=(*report.measurements, *found))
            for report, found in zip(reports, qualities, strict=True)
        ),
        ratios,
    )


def quality(
    bundle: str | Path,
    ops: str = "auto",
    *,
    sts: Path | None = None,
    classes: tuple[Path, Path] | None = None,
) -> tuple[Measurement, ...]:
    """Quality of a bundle as measurements; what there is no data for is not among them.

    :param bundle: the bundle's folder.
    :param ops: ``auto``, ``builtin`` or ``custom`` lookups.
    :param sts: scored sentence pairs, or None.
    :param classes: labelled texts to train and to test a classifier, or None.
    """
    found = []
    if sts is None and classes is None:
        return ()
    with open_bundle(bundle, ops=ops, verify_files=False) as session:
        if sts is not None:
            result = evaluate_sts(session, sts)
            found.append(Measurement("spearman_percent", result.spearman, runs=result.pairs))
        if classes is not None:
            accuracy = evaluate_classes(session, *classes)
            found.append(Measurement("accuracy_percent", accuracy.accuracy, runs=accuracy.test))
    return tuple(found)

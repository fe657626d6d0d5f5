"""Profile TFLite bundles in TensorFlow Lite Micro: how much of the arena they use, missing ops, and whether the vectors are right.

The interpreter is that of the wheel `tflite-micro` on this machine: bytes are those of a 64-bit build, and times would be this machine's,
of reference kernels that no microcontroller runs as they are. None are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.golden import read_golden
from edgeemb.bundle.manifest import Manifest
from edgeemb.devices.feeds import make_feeds, settled
from edgeemb.devices.host.machine import version_of
from edgeemb.devices.measurement import Machine, Measurement, Report, Subject
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import BundleError, DeviceError
from edgeemb.metrics import cosine
from edgeemb.progress import Progress, silent
from edgeemb.runtimes.opening import checked, open_folder
from edgeemb.runtimes.session import Session
from edgeemb.runtimes.tflite import LITERT, TFLITE_RUNTIME
from edgeemb.runtimes.tflm import RUNTIME as TFLM
from edgeemb.runtimes.tflm.engine import PACKAGE, VERSION, TflmEngine

RUNTIMES = (TFLM.name, LITERT.name, TFLITE_RUNTIME.name)
NO_TIME = "the wheel's reference kernels on this machine say nothing about a microcontroller's time"
NOTES = (
    "Arena bytes are as reported by TFLM; a 32-bit device needs less for its structures.",
    "The model itself is in flash, not in the arena.",
)


def profile(device: str, bundle: Path, plan: ProfilePlan, progress: Progress = silent) -> Report:
    """Profile a bundle in TensorFlow Lite Micro.

    :param device: name of the device.
    :param bundle: the bundle's folder or zip file, for one of `RUNTIMES`; of several lengths the shortest is run.
    :param plan: lengths; what cannot be measured is reported as absent.
    :param progress: called with (steps done, steps in all).
    :raises DeviceError: if the bundle is for another runtime, or TFLM lacks one of its ops.
    :raises NativeError: if the wheel is missing or of another version.
    """
    with checked(bundle) as (folder, manifest):
        if manifest.runtime not in RUNTIMES:
            raise DeviceError(
                f'{bundle.name} is a bundle for {manifest.runtime}, tflm takes TFLite: export it with target="tflm"'
            )
        # Any TFLite model can be tried in TFLM.
        plan = settled(plan, [manifest])
        manifest = replace(manifest, runtime=TFLM.name, lengths=manifest.lengths[:1])
        try:
            session = open_folder(folder, manifest)
        except BundleError as error:
            raise DeviceError(str(error)) from None
        with session:
            engine = session.engine
            assert isinstance(engine, TflmEngine)
            report = _report(bundle.name, folder, manifest, session, engine, plan)
        progress(1, 1)
        return report


def _report(
    name: str, folder: Path, manifest: Manifest, session: Session, engine: TflmEngine, plan: ProfilePlan
) -> Report:
    length = manifest.lengths[0] if manifest.lengths else None
    agreement = _golden(folder, manifest, session)
    if agreement is None:
        session.run_all(make_feeds(manifest, length or 1))
    arena = engine.arena()
    model = manifest.files.get("model.tflite")
    found = [
        Measurement("arena_total_bytes", arena.total, length=length),
        Measurement("arena_persistent_bytes", arena.persistent, length=length),
        Measurement("arena_transient_bytes", arena.transient, length=length),
        *([Measurement("model_bytes", model.bytes)] if model is not None else []),
        *(Measurement("p50_ms", None, NO_TIME, asked, threads=1) for asked in plan.lengths),
    ]
    subject = Subject.of(name, manifest, engine.ops, engine.ops)
    golden = (
        "Golden vectors: none fits."
        if agreement is None
        else f"Golden vectors: cosine {agreement:.6f} or more."
    )
    notes = (*NOTES, "Ops missing: none.", golden)
    machine = Machine(f"{PACKAGE} {VERSION}", None, "none", ("interpreter on the host",))
    return Report(
        "tflm", "simulated", machine, subject, tuple(found), (), notes, {"edgeemb": version_of("edgeemb")}
    )


def _golden(folder: Path, manifest: Manifest, session: Session) -> float | None:
    """The lowest cosine to the vectors in the bundle, over the inputs that fit; None if none does."""
    limit = manifest.lengths[0] if manifest.lengths else 0
    expected, got = [], []
    for given, output in read_golden(folder):
        if isinstance(given, dict):
            kinds = {info.name: info.dtype for info in manifest.inputs}
            feeds = {name: np.array(value, kinds.get(name)) for name, value in given.items()}
        elif len(given) <= limit:
            feeds = session.feeds([given])
        else:
            continue
        expected.append(output)
        got.append(session.run(feeds))
    return float(cosine(_rows(expected), _rows(got)).min()) if got else None


def _rows(values: Sequence[Any]) -> NDArray[np.float32]:
    return np.stack([np.asarray(value, np.float32).reshape(-1) for value in values])

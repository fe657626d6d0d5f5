"""Bundles in ExecuTorch."""

from __future__ import annotations

from edgeemb.bundle.pte import PROGRAM
from edgeemb.runtimes.runtime import OnPhone, Runtime

RUNTIME = Runtime(
    name="executorch",
    title="ExecuTorch",
    opens="edgeemb.runtimes.executorch.engine:ExecuTorchEngine",
    writes="edgeemb.exporters.executorch.writer:write",
    package="executorch",
    tested="1.5.1",
    extra="executorch",
    export_extra="executorch",
    model=PROGRAM,
    checks="edgeemb.bundle.pte:check_model",
    bodies=("fp32", "int8", "int4"),
    fuses="edgeemb.exporters.executorch.policy:fuses",
    compiles_lookups=True,
    tables_apart=True,
    heads=True,
    shortlists=True,
    phone=OnPhone(
        dependency="org.pytorch:executorch-android:1.5.1",
        keep=("org.pytorch.executorch.**", "com.facebook.jni.**"),
        no_runner="ExecuTorch has no C interface that a runner could open",
        packages=("executorch",),
        environment="edgeemb.devices.arm64.native:executorch_environment",
    ),
)

"""What the tests of phones on adb share: a phone that is plugged in, and plans that take no time."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnxruntime

from edgeemb.devices.measurement import Report
from edgeemb.devices.plan import Plan
from tests.adb_phone import FakePhone

QUICK = Plan(lengths=(5,), runs=2, budget_s=0.01)
#: This machine as a phone's processor.
HOST_ABI = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}[platform.machine()]
HOST = {"ro.product.cpu.abi": HOST_ABI}


@contextmanager
def plugged_in(adb_server: Path, folder: Path, **options: Any) -> Iterator[FakePhone]:
    """A phone that the server knows of, until the block ends."""
    with FakePhone(folder, **options) as phone:
        subprocess.run([adb_server, "connect", phone.serial], check=False, capture_output=True)
        try:
            yield phone
        finally:
            subprocess.run([adb_server, "disconnect", phone.serial], check=False, capture_output=True)


def value(report: Report, name: str, length: int | None = None, threads: int | None = None) -> float | None:
    """A measured value, which must have been looked for."""
    found = report.find(name, length, threads)
    assert found is not None, name
    return found.value


def host_library() -> Path:
    """ONNX Runtime's own shared library, from its wheel."""
    return next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))

"""What this machine is."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from edgeemb.devices.measurement import Machine

_CPUINFO = Path("/proc/cpuinfo")


def this_machine() -> Machine:
    """The processor, the logical cores that this process may use, and the operating system."""
    return Machine(_cpu(), cores(), f"{platform.system()} {platform.release()}")


def cores() -> int:
    """Logical cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def version_of(package: str) -> str:
    """Version of an installed package, or ``unknown``."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def versions_of(package: str) -> dict[str, str]:
    """Version of a package by its name, for reports.

    :param package: the package; empty for none.
    """
    return {package: version_of(package)} if package else {}


def _cpu() -> str:
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() == "model name":
                return f"{value.strip()} ({platform.machine()})"
    return platform.processor() or platform.machine() or "unknown"

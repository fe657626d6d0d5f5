"""What this machine is."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from edgeemb.devices.measurement import Machine

_CPUINFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
#: The last-level cache where the system does not say how large it is, in bytes.
USUAL_CACHE_BYTES = 32 * 2**20


def this_machine() -> Machine:
    """The processor, the logical cores that this process may use, and the operating system."""
    return Machine(_cpu(), cores(), f"{platform.system()} {platform.release()}")


def cores() -> int:
    """Logical cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def last_cache_bytes(caches: Path = _CACHES) -> int:
    """Size of the last-level cache of this machine; `USUAL_CACHE_BYTES` where the system does not say.

    :param caches: where Linux describes the caches of a core (Documentation/ABI/testing/sysfs-devices-system-cpu).
    """
    sizes = [_cache_bytes(place / "size") for place in sorted(caches.glob("index*"))]
    return max(sizes, default=0) or USUAL_CACHE_BYTES


def _cache_bytes(file: Path) -> int:
    """What a file such as ``32768K`` says; 0 if it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8").strip()
        return int(text[:-1]) * {"K": 2**10, "M": 2**20, "G": 2**30}[text[-1]]
    except (OSError, ValueError, KeyError, IndexError):
        return 0


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

"""Reading this process's memory from the operating system."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

_SMAPS = Path("/proc/self/smaps_rollup")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Reading:
    """Resident memory at one moment. What the system does not report is None.

    :param anonymous_bytes: pages that only memory holds: heap, stacks, written copies.
    :param file_bytes: pages of mapped files, which the system can drop and read again.
    :param peak_bytes: the most that was resident at once.
    """

    anonymous_bytes: int | None
    file_bytes: int | None
    peak_bytes: int | None

    @property
    def rss_bytes(self) -> int | None:
        """All resident pages."""
        if self.anonymous_bytes is None or self.file_bytes is None:
            return None
        return self.anonymous_bytes + self.file_bytes


def read_memory() -> Reading:
    """Resident memory of this process now.

    Linux: `/proc/self/smaps_rollup` (proc(5)), which counts pages exactly, or where a kernel lacks it the
    counters of `/proc/self/status`; the peak is ``VmHWM``. Elsewhere only the peak, from getrusage(2).
    Windows reports neither.
    """
    if _STATUS.is_file():
        status = _kilobytes(_STATUS)
        anonymous, mapped = status.get("RssAnon"), _sum(status.get("RssFile"), status.get("RssShmem"))
        smaps = _kilobytes(_SMAPS)
        if "Rss" in smaps and "Anonymous" in smaps:
            anonymous, mapped = smaps["Anonymous"], smaps["Rss"] - smaps["Anonymous"]
        return Reading(anonymous, mapped, status.get("VmHWM"))
    return Reading(None, None, _getrusage_peak())


def reset_peak() -> bool:
    """Reset the peak to what is resident now, if the system can (proc(5), ``clear_refs`` 5).

    :return: whether it did.
    """
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _kilobytes(path: Path) -> dict[str, int]:
    """The `Name: 123 kB` lines of a file of /proc, in bytes; empty if it cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines)
    return {
        words[0].rstrip(":"): 1024 * int(words[1]) for words in fields if len(words) == 3 and words[2] == "kB"
    }


def _sum(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def _getrusage_peak() -> int | None:
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else 1024 * int(peak)

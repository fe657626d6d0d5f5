"""Memory of a program under QEMU's user mode, without that of QEMU itself.

What the guest reads as ``/proc/self/maps`` is made by QEMU and holds the guest's own ranges; ``/proc/self/smaps`` is the kernel's, with those of
QEMU and its translated code among them (newer releases of QEMU leave these out themselves). Both have the same addresses, because a guest of
64 bits lies where the host has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgeemb.devices.host.memory import Reading
from edgeemb.errors import DeviceError

_RANGE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) ")
_SIZE = re.compile(r"^(Rss|Anonymous): +(\d+) kB$")


def guest_memory(maps: str, smaps: str) -> Reading:
    """Resident memory in the guest's own ranges.

    :param maps: the guest's ``/proc/self/maps``.
    :param smaps: its ``/proc/self/smaps``.
    :return: the sums; no peak, which the system reports only for the whole process.
    :raises DeviceError: if the two do not fit each other.
    """
    own = sorted(bounds for line in maps.splitlines() if (bounds := _bounds(line)))
    resident = anonymous = 0
    for low, high, sizes in _regions(smaps):
        if any(start < high and low < end for start, end in own):
            resident += sizes.get("Rss", 0)
            anonymous += sizes.get("Anonymous", 0)
    if not resident:
        raise DeviceError(
            "the memory of the emulated program cannot be distinguished from the emulator's: use QEMU 7.2 or newer"
        )
    return Reading(anonymous, resident - anonymous, None)


def _regions(smaps: str) -> Iterator[tuple[int, int, dict[str, int]]]:
    """First address, end and sizes in bytes of each mapping."""
    bounds: tuple[int, int] | None = None
    sizes: dict[str, int] = {}
    for line in smaps.splitlines():
        if found := _bounds(line):
            if bounds:
                yield *bounds, sizes
            bounds, sizes = found, {}
        elif size := _SIZE.match(line):
            sizes[size[1]] = 1024 * int(size[2])
    if bounds:
        yield *bounds, sizes


def _bounds(line: str) -> tuple[int, int] | None:
    found = _RANGE.match(line)
    return (int(found[1], 16), int(found[2], 16)) if found else None

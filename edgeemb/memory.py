"""Memory that a process needs no longer."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

# MADV_PAGEOUT of Linux 5.4: pages that nothing has changed are dropped, and read again from their file when they are needed.
_PAGE_OUT = 21
_MAPS = Path("/proc/self/maps")


def page_out(array: NDArray[Any]) -> None:
    """Let the memory of an array go that is mapped from a file, until it is read again. Any other array stays where it is.

    :param array: an array whose elements lie one after another.
    """
    if sys.platform != "linux" or not array.flags.c_contiguous:
        return
    begin, end = array.ctypes.data, array.ctypes.data + array.nbytes
    for low, high in _file_maps():
        first = -(-max(begin, low) // mmap.PAGESIZE) * mmap.PAGESIZE
        size = min(end, high) // mmap.PAGESIZE * mmap.PAGESIZE - first
        if size > 0:
            # A system that does not know this, or does not allow it for the file, keeps the pages: nothing depends on it.
            ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), _PAGE_OUT)


def _file_maps() -> Iterator[tuple[int, int]]:
    """The addresses at which files are mapped."""
    try:
        lines = _MAPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        place, _, _, _, inode = line.split()[:5]
        if inode != "0":
            low, high = place.split("-")
            yield int(low, 16), int(high, 16)

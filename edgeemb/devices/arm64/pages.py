"""Memory of a program that runs in this process: where its parts lie, and which of their pages are in memory.

Every part of the program's memory is a mapping of this process, made as the kernel would make it for the program: files are mapped privately and
read when they are touched, so that Linux counts for us which pages the program uses.
"""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Bytes of a page of the program.
PAGE = 4096

#: Reading, writing and executing: a program that is compiled here keeps to what is its own.
_ALL = 7
#: Most bytes that all parts together may have.
_MOST_BYTES = 1 << 32

# Linux, Documentation/admin-guide/mm/pagemap.rst.
_PAGEMAP = Path("/proc/self/pagemap")
_PRESENT, _OF_FILE = 63, 61


@dataclass(frozen=True)
class Part:
    """A mapping.

    :param start: its first address in the program.
    :param size: bytes, whole pages.
    :param memory: the mapping of this process.
    :param place: address of the part's first byte in this process.
    """

    start: int
    size: int
    memory: mmap.mmap
    place: int

    def resident(self) -> tuple[int, int] | None:
        """Bytes in memory, anonymous ones and those of the file; None where the system does not tell."""
        page = mmap.PAGESIZE
        first, end = self.place // page, -(-(self.place + self.size) // page)
        try:
            with _PAGEMAP.open("rb") as file:
                file.seek(8 * first)
                entries = np.frombuffer(file.read(8 * (end - first)), "<u8")
        except OSError:
            return None
        present = (entries >> np.uint64(_PRESENT)) & np.uint64(1)
        of_file = present & (entries >> np.uint64(_OF_FILE))
        return page * int(present.sum() - of_file.sum()), page * int(of_file.sum())


class Pages:
    """The parts of a program's memory.

    :param engine: the engine of unicorn that runs the program.
    """

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.parts: dict[int, Part] = {}

    def add(self, start: int, size: int, path: Path | None = None, offset: int = 0) -> Part | None:
        """Make a part.

        :param start: its first address in the program, at a page's beginning.
        :param size: bytes; rounded up to whole pages.
        :param path: the file that it holds, from ``offset`` on; None for zeros.
        :param offset: where in the file it begins, at a page's beginning.
        :return: the part; None if there would be too much memory.
        """
        size = -(-size // PAGE) * PAGE
        if size + sum(part.size for part in self.parts.values()) > _MOST_BYTES:
            return None
        lead = 0
        if path is None:
            memory = mmap.mmap(-1, size, access=mmap.ACCESS_COPY)
            if hasattr(mmap, "MADV_NOHUGEPAGE"):
                # Whether a huge page fits would depend on where this process has room.
                memory.madvise(mmap.MADV_NOHUGEPAGE)
        else:
            lead = offset % mmap.ALLOCATIONGRANULARITY
            length = min(size, path.stat().st_size - offset)
            with path.open("rb") as file:
                memory = mmap.mmap(
                    file.fileno(), length + lead, access=mmap.ACCESS_COPY, offset=offset - lead
                )
        place = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + lead
        part = self.parts[start] = Part(start, size, memory, place)
        self.engine.mem_map_ptr(start, size, _ALL, place)
        return part

    def remove(self, start: int, size: int) -> bool:
        """Give a whole part back.

        :return: whether there was such a part.
        """
        part = self.parts.get(start)
        if part is None or part.size != -(-size // PAGE) * PAGE:
            return False
        self.engine.mem_unmap(start, part.size)
        del self.parts[start]
        return True

    def bytes_behind(self, address: int) -> int:
        """Bytes from an address to the end of its part; 0 where there is none."""
        for part in self.parts.values():
            if part.start <= address < part.start + part.size:
                return part.start + part.size - address
        return 0

    def text(self, address: int, most: int) -> str:
        """The text at an address, up to its end by a zero.

        :param address: where it begins.
        :param most: bytes that are looked at.
        """
        found = bytes(self.engine.mem_read(address, min(most, self.bytes_behind(address))))
        return found.partition(b"\0")[0].decode("utf-8", "replace")

    def maps(self) -> str:
        """The parts, as ``/proc/self/maps`` lists them."""
        return "".join(_line(part) for part in self._sorted())

    def smaps(self) -> str:
        """The parts and what of them is in memory, as ``/proc/self/smaps`` lists them; empty where the system does not tell."""
        texts = []
        for part in self._sorted():
            resident = part.resident()
            if resident is None:
                return ""
            anonymous, of_file = (size // 1024 for size in resident)
            texts.append(f"{_line(part)}Rss: {anonymous + of_file} kB\nAnonymous: {anonymous} kB\n")
        return "".join(texts)

    def _sorted(self) -> list[Part]:
        return [self.parts[start] for start in sorted(self.parts)]


def _line(part: Part) -> str:
    return f"{part.start:x}-{part.start + part.size:x} rw-p 00000000 00:00 0\n"

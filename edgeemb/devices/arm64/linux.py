"""The system calls that a static program makes of Linux, answered without a kernel: its own files, its memory, its end.

Numbers are those of ``include/uapi/asm-generic/unistd.h``, which 64-bit Arm has. A call that is not answered fails with ENOSYS, as on a kernel
that is older than the call.
"""

from __future__ import annotations

import errno
import io
import itertools
import signal
import struct
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO

from edgeemb.devices.arm64.marks import MARK
from edgeemb.devices.arm64.pages import PAGE, Pages

#: Where memory is that the program asks for.
_HEAP = 0x10_0000_0000
_ANONYMOUS = 0x20
_WRITE = 0o1
_MOST_FILES = 64
_MOST_OUTPUT = 1 << 20
_MOST_NAME = 4096
_MOST_PIECES = 1024


class Linux:
    """What a program sees of a system.

    :param pages: its memory.
    :param folder: the folder that it runs in: it may read and write files there.
    :param readable: absolute paths that it may read.
    :param executed: tells the instructions so far.
    """

    def __init__(
        self, pages: Pages, folder: Path, readable: Collection[str], executed: Callable[[], int]
    ) -> None:
        self.pages, self.folder, self.readable = pages, folder, readable
        #: Exit status, or the negative number of the signal that ended it; None while it runs.
        self.status: int | None = None
        self.marks: list[int] = []
        self.output, self.errors = io.BytesIO(), io.BytesIO()
        self._executed = executed
        self._files: dict[int, IO[bytes]] = {0: io.BytesIO(), 1: self.output, 2: self.errors}
        self._top = _HEAP
        self._answers: dict[int, Callable[..., int]] = {
            29: lambda *_: -errno.ENOTTY,  # ioctl
            56: self._openat,
            57: self._close,
            62: self._lseek,
            63: lambda number, start, size, *_: self._read(number, [(start, size)]),
            64: lambda number, start, size, *_: self._write(number, [(start, size)]),
            65: lambda number, at, count, *_: self._read(number, self._pieces(at, count)),  # readv
            66: lambda number, at, count, *_: self._write(number, self._pieces(at, count)),  # writev
            93: self._exit,
            94: self._exit,  # exit_group
            96: lambda *_: 1,  # set_tid_address
            130: lambda thread, number, *_: self._kill(number),  # tkill
            131: lambda process, thread, number, *_: self._kill(number),  # tgkill
            134: lambda *_: 0,  # rt_sigaction
            135: lambda *_: 0,  # rt_sigprocmask
            155: self._getpgid,
            172: lambda *_: 1,  # getpid
            178: lambda *_: 1,  # gettid
            214: lambda *_: 0,  # brk; libraries then ask mmap
            215: lambda start, size, *_: 0 if self.pages.remove(start, size) else -errno.EINVAL,  # munmap
            222: self._mmap,
            226: lambda *_: 0,  # mprotect
            233: lambda *_: 0,  # madvise
        }

    def call(self, number: int, arguments: Sequence[int]) -> int:
        """Answer a system call.

        :param number: its number.
        :param arguments: its six arguments.
        :return: its result, or the negative number of an error.
        """
        answer = self._answers.get(number)
        return -errno.ENOSYS if answer is None else answer(*arguments)

    def close(self) -> None:
        """Close what the program left open."""
        for number, file in self._files.items():
            if number > 2:
                file.close()

    def _openat(self, _: int, name_at: int, flags: int, *__: int) -> int:
        name = self.pages.text(name_at, _MOST_NAME)
        writes = flags & _WRITE != 0
        own = {"/proc/self/maps": self.pages.maps, "/proc/self/smaps": self.pages.smaps}
        if len(self._files) >= _MOST_FILES:
            return -errno.EMFILE
        if "/" in name and (writes or (name not in self.readable and name not in own)):
            return -errno.EACCES
        try:
            made = own.get(name)
            file: IO[bytes] = (
                io.BytesIO(made().encode()) if made else (self.folder / name).open("wb" if writes else "rb")
            )
        except OSError:
            return -errno.ENOENT
        number = next(number for number in itertools.count(3) if number not in self._files)
        self._files[number] = file
        return number

    def _close(self, number: int, *_: int) -> int:
        if number < 3 or number not in self._files:
            return -errno.EBADF
        self._files.pop(number).close()
        return 0

    def _lseek(self, number: int, offset: int, whence: int, *_: int) -> int:
        if number < 3 or number not in self._files:
            return -errno.ESPIPE
        # The offset is signed.
        signed = offset - (1 << 64) if offset >> 63 else offset
        try:
            return self._files[number].seek(signed, whence)
        except (OSError, ValueError):
            return -errno.EINVAL

    def _read(self, number: int, pieces: Sequence[tuple[int, int]]) -> int:
        if number not in self._files:
            return -errno.EBADF
        done = 0
        for start, size in pieces:
            part = self._files[number].read(min(size, self.pages.bytes_behind(start)))
            self.pages.engine.mem_write(start, part)
            done += len(part)
            if len(part) < size:
                break
        return done

    def _write(self, number: int, pieces: Sequence[tuple[int, int]]) -> int:
        if number not in self._files:
            return -errno.EBADF
        file, done = self._files[number], 0
        for start, size in pieces:
            if size > self.pages.bytes_behind(start) or (number < 3 and file.tell() + size > _MOST_OUTPUT):
                return -errno.EFAULT
            done += file.write(bytes(self.pages.engine.mem_read(start, size)))
        return done

    def _pieces(self, at: int, count: int) -> list[tuple[int, int]]:
        count = min(count, _MOST_PIECES)
        if self.pages.bytes_behind(at) < 16 * count:
            return []
        words = struct.unpack(f"<{2 * count}Q", self.pages.engine.mem_read(at, 16 * count))
        return list(zip(words[::2], words[1::2], strict=True))

    def _mmap(self, start: int, size: int, _: int, flags: int, *__: int) -> int:
        if not flags & _ANONYMOUS or not 0 < size < 1 << 40:
            return -errno.EINVAL
        # What it asks for may be refused: the program says where it would like it, and not that it must be there.
        part = self.pages.add(self._top, size)
        if part is None:
            return -errno.ENOMEM
        # A page between two parts finds what writes behind its own.
        self._top += part.size + PAGE
        return part.start

    def _getpgid(self, number: int, *_: int) -> int:
        if number == MARK:
            self.marks.append(self._executed())
        return 1

    def _exit(self, status: int, *_: int) -> int:
        return self._end(status & 0xFF)

    def _kill(self, number: int) -> int:
        return self._end(-(number if 0 < number < 65 else signal.SIGABRT))

    def _end(self, status: int) -> int:
        self.status = status
        self.pages.engine.emu_stop()
        return 0

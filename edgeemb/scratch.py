"""Folders for work in progress: removed when the work ends, and by the next work of the kind if its process was killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edgeemb.errors import EdgeembError

if TYPE_CHECKING:
    from filelock import FileLock  # imported where it is used: sessions on a folder need no lock

_PREFIX = "edgeemb-scratch-"
_LOCK, _WORK = ".edgeemb-lock", "work"
#: What `tempfile.mkdtemp` appends.
_RANDOM = re.compile("[a-z0-9_]{8}")
_ATTEMPTS = 100


class Scratch:
    """An empty folder, `path`, that is there until `close`, the end of a ``with`` block or the end of the process.

    A lock says that its owner lives. One that is left locked by nobody is that of a process which was killed: `sweep` removes it.

    :param parent: where it is made; by default the system's folder for temporary files.
    :param prefix: how its name begins; by default one that says whose it is.
    :raises EdgeembError: if it cannot be made in the system's folder.
    :raises OSError: if it cannot be made in `parent`.
    """

    def __init__(self, parent: Path | None = None, prefix: str = _PREFIX) -> None:
        place = Path(tempfile.gettempdir()) if parent is None else parent
        try:
            if parent is None:
                sweep(place, prefix)
            folder, lock = _claimed(place, prefix)
        except OSError as error:
            if parent is not None:
                raise
            raise EdgeembError(
                f"cannot write to {place} ({error.strerror}): free some space, or set TMPDIR to another folder"
            ) from None
        self._end = weakref.finalize(self, _remove, folder, lock)
        self.path = folder / _WORK
        self.path.mkdir()

    def close(self) -> None:
        """Remove the folder. Closing again does nothing."""
        self._end()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sweep(parent: Path, prefix: str, rescue: Callable[[Path], object] = lambda folder: None) -> None:
    """Remove the folders of processes that were killed.

    :param parent: where they are.
    :param prefix: how their names begin.
    :param rescue: called with the work of each before it goes.
    """
    from filelock import FileLock, Timeout

    with suppress(OSError):
        for folder in _of_ours(parent, prefix):
            with suppress(OSError):
                folder.rmdir()  # killed before it was locked
            if not (folder / _LOCK).is_file():
                continue
            lock = FileLock(folder / _LOCK, thread_local=False)
            with suppress(Timeout, OSError):
                lock.acquire(timeout=0)
                try:
                    rescue(folder / _WORK)
                finally:
                    _remove(folder, lock)


def _of_ours(parent: Path, prefix: str) -> Iterator[Path]:
    """Folders of this user that have the name of a scratch folder."""
    for entry in list(os.scandir(parent)):
        rest = entry.name[len(prefix) :]
        if (
            entry.name.startswith(prefix)
            and _RANDOM.fullmatch(rest)
            and entry.is_dir(follow_symlinks=False)
            and (os.name == "nt" or entry.stat(follow_symlinks=False).st_uid == os.getuid())
        ):
            yield Path(entry.path)


def _claimed(parent: Path, prefix: str) -> tuple[Path, FileLock]:
    """A new folder and its lock. A sweep that sees it before it is locked takes it for one that was left: then another is made."""
    from filelock import FileLock, Timeout

    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = FileLock(folder / _LOCK, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        except OSError:
            if folder.is_dir():
                folder.rmdir()
                raise
            continue
        return folder, lock
    raise OSError(0, "folders vanish as soon as they are made")


def _remove(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)

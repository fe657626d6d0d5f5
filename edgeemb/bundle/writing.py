"""Writing a bundle: into a temporary folder next to its destination, renamed when complete."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeemb.bundle.manifest import MANIFEST, FileEntry
from edgeemb.bundle.reading import file_entry
from edgeemb.errors import ExportError
from edgeemb.scratch import Scratch, sweep

#: What says that a disk, a quota or the size of a file is at its limit.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SWAP = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
_HERE = -100  # AT_FDCWD of Linux


@contextmanager
def atomic_folder(out: Path, *, force: bool, as_zip: bool = False, mark: str = MANIFEST) -> Iterator[Path]:
    """A temporary folder that replaces `out` if the block succeeds, and is removed otherwise.

    An existing `out` is untouched until then, and is kept if the block fails or is interrupted. What a killed process left beside `out` is
    removed before the block begins.

    :param out: where the result goes.
    :param force: replace what is there.
    :param as_zip: make one zip file of it.
    :param mark: a file that every folder of the kind has; what lacks it is not replaced.
    :raises ExportError: if `out` exists and `force` is not set, or the disk is full.
    """
    prefix = f".{out.name}.edgeemb-"
    sweep(out.parent, prefix, lambda work: _rescue(work, out))
    if out.exists() and not force:
        raise ExportError(f"{out} exists: choose another output, or replace it with force=True")
    if out.exists() and out.is_dir() and not as_zip and not (out / mark).is_file() and any(out.iterdir()):
        raise ExportError(f"{out} is a folder that edgeemb did not write: choose another output")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with Scratch(out.parent, prefix) as scratch:
            folder = scratch / "new"
            folder.mkdir()
            yield folder
            _make_readable(folder)
            _replace(_zipped(folder, scratch / "new.zip") if as_zip else folder, out, scratch / _OLD)
    except OSError as error:
        if error.errno in _FULL:
            raise ExportError(
                f"no space left on the disk of {out.parent}: nothing was written; free some and export again"
            ) from None
        raise ExportError(
            f"cannot write {out} ({error.strerror or error}): nothing was changed; choose another output"
        ) from None


def _make_readable(folder: Path) -> None:
    """Let everyone read the result: some libraries create files that only the owner can read."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


#: What stood at the output, in a scratch folder.
_OLD = "old"


def _replace(new: Path, out: Path, old: Path) -> None:
    """Move `new` to `out`, at once where the system can. Elsewhere what was there goes to `old`, and back if the move fails."""
    if new.is_file():
        new.replace(out)
    elif not out.exists():
        new.rename(out)
    elif not _swap(new, out):
        out.rename(old)
        try:
            new.rename(out)
        except BaseException:
            old.rename(out)
            raise


def _swap(new: Path, out: Path) -> bool:
    """Exchange two names in one step. False where the system or the file system cannot."""
    if sys.platform not in ("linux", "darwin"):
        return False
    library = ctypes.CDLL(None)
    names = os.fsencode(new), os.fsencode(out)
    if sys.platform == "linux":
        call = getattr(library, "renameat2", None)
        return call is not None and call(_HERE, names[0], _HERE, names[1], ctypes.c_uint(_SWAP)) == 0
    call = getattr(library, "renamex_np", None)
    return call is not None and call(*names, ctypes.c_uint(_SWAP)) == 0


def _rescue(work: Path, out: Path) -> None:
    """Put back what a process was replacing when it was killed."""
    if (work / _OLD).exists() and not out.exists():
        (work / _OLD).rename(out)


def _zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder).as_posix())
    return archive


def file_entries(folder: Path) -> dict[str, FileEntry]:
    """Size and checksum of every file below a folder, by its path with ``/``.

    :param folder: the folder.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_entry(path) for path in paths}

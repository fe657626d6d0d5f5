"""Writing a bundle: into a temporary folder next to its destination, renamed when complete."""

from __future__ import annotations

import errno
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeemb.bundle.manifest import MANIFEST, FileEntry
from edgeemb.bundle.reading import file_entry
from edgeemb.errors import ExportError


@contextmanager
def atomic_folder(out: Path, *, force: bool, as_zip: bool = False, mark: str = MANIFEST) -> Iterator[Path]:
    """A temporary folder that replaces `out` if the block succeeds, and is deleted otherwise.

    An existing `out` is untouched until then, and is kept if the block fails or is interrupted.

    :param out: where the result goes.
    :param force: replace what is there.
    :param as_zip: make one zip file of it.
    :param mark: a file that every folder of the kind has; what lacks it is not replaced.
    :raises ExportError: if `out` exists and `force` is not set, or the disk is full.
    """
    if out.exists() and not force:
        raise ExportError(f"{out} exists: choose another output, or replace it with force=True")
    if out.exists() and out.is_dir() and not as_zip and not (out / mark).is_file() and any(out.iterdir()):
        raise ExportError(f"{out} is a folder that edgeemb did not write: choose another output")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=out.parent, prefix=f".{out.name}.", ignore_cleanup_errors=True
        ) as scratch:
            folder = Path(scratch, "new")
            folder.mkdir()
            yield folder
            _make_readable(folder)
            result = _zipped(folder, Path(scratch, "new.zip")) if as_zip else folder
            _replace(result, out, Path(scratch, "old"))
    except OSError as error:
        if error.errno == errno.ENOSPC:
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


def _replace(new: Path, out: Path, old: Path) -> None:
    """Move `new` to `out`; what was there goes to `old`, and back if the move fails."""
    if not out.exists():
        new.rename(out)
        return
    out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        old.rename(out)
        raise


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

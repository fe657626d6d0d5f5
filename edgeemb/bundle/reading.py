"""Reading a bundle from disk: checksums, and zip files."""

from __future__ import annotations

import errno
import hashlib
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgeemb.bundle.manifest import MANIFEST, MAX_MANIFEST_BYTES, FileEntry, Manifest, parse_manifest
from edgeemb.errors import BundleError, first_line

_CHUNK = 1 << 20
_MAX_ZIP_BYTES = 16 * 2**30
#: What says that nothing can be written here, or nothing more.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
#: Everything that reading a damaged or hostile archive raises.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def verify(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Check that every file of a bundle is there and unaltered. Reads them in pieces, so that memory does not grow.

    :param folder: the bundle.
    :param files: what the manifest says of them.
    :raises BundleError: naming the first file that is missing, truncated, altered, or a link out of the bundle.
    """
    root = folder.resolve()
    for name, entry in files.items():
        path = folder / name
        try:
            if not path.resolve().is_relative_to(root):
                raise BundleError(f"{path} leads out of the bundle: do not use this bundle")
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{path} is not a file: copy the bundle again")
            if status.st_size != entry.bytes:
                raise BundleError(
                    f"{path} has {status.st_size} bytes instead of {entry.bytes}: copy the bundle again"
                )
            if file_entry(path) != entry:
                raise BundleError(
                    f"{path} was altered (its SHA-256 differs from the manifest's): copy the bundle again"
                )
        except OSError as error:
            raise BundleError(
                f"{path} of the bundle cannot be read ({error.strerror}): copy the bundle again"
            ) from None


def file_entry(path: Path) -> FileEntry:
    """Size and checksum of a file.

    :param path: the file.
    """
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(size, digest.hexdigest())


def unpack(archive: Path, folder: Path) -> Manifest:
    """Unpack a zipped bundle into an empty folder: the manifest first, then the files that it lists and nothing else.

    :param archive: what ``edgeemb export --zip`` wrote.
    :param folder: where its files go.
    :return: the manifest.
    :raises BundleError: if it is not a zip file, is damaged or too large, or lacks a file that its manifest lists.
    """
    with _opened(archive) as file:
        content = _manifest(file, archive)
        manifest = parse_manifest(content, archive / MANIFEST)
        if sum(entry.bytes for entry in manifest.files.values()) > _MAX_ZIP_BYTES:
            raise BundleError(f"{archive} unpacks to more than {_MAX_ZIP_BYTES} bytes: is it a bundle?")
        _store(folder / MANIFEST, [content.encode()])
        for name, entry in manifest.files.items():
            _store(folder / name, _pieces(file, name, entry.bytes))
        return manifest


def zipped_manifest(archive: Path) -> Manifest:
    """The manifest of a zipped bundle; nothing else of it is read.

    :param archive: what ``edgeemb export --zip`` wrote.
    :raises BundleError: if it is not a zip file, or its manifest is missing or damaged.
    """
    with _opened(archive) as file:
        return parse_manifest(_manifest(file, archive), archive / MANIFEST)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file, whose every error is one line."""
    try:
        with zipfile.ZipFile(archive) as file:
            yield file
    except KeyError as error:
        raise BundleError(
            f"{archive} lacks a file that its manifest lists ({error.args[0]}): copy it again"
        ) from None
    except ZIP_ERRORS as error:
        raise BundleError(
            f"{archive} is neither a bundle folder nor a whole zip file ({first_line(error)}): copy it again"
        ) from None


def _manifest(archive: zipfile.ZipFile, path: Path) -> str:
    if MANIFEST not in archive.namelist():
        raise BundleError(f"{path} holds no {MANIFEST}: it is not a bundle")
    return b"".join(_pieces(archive, MANIFEST, MAX_MANIFEST_BYTES)).decode("utf-8")


def _pieces(archive: zipfile.ZipFile, name: str, limit: int) -> Iterator[bytes]:
    """The bytes of one file, but never more than its limit, whatever its header says."""
    left = limit
    with archive.open(name) as source:
        while piece := source.read(min(_CHUNK, left + 1)):
            left -= len(piece)
            if left < 0:
                raise BundleError(
                    f"'{name}' in {archive.filename} is larger than {limit} bytes: do not use this bundle"
                )
            yield piece


def _store(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file of a bundle."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.open("wb", buffering=0)
    except OSError as error:
        raise _unwritten(path, error) from None
    with target:
        for piece in pieces:
            try:
                target.write(piece)
            except OSError as error:
                raise _unwritten(path, error) from None


def _unwritten(path: Path, error: OSError) -> Exception:
    """What to raise where a file cannot be written: for a name that no system takes the archive is at fault."""
    if error.errno not in _NO_ROOM:
        return error
    return BundleError(
        f"cannot unpack '{path.name}' to {path.parent} ({error.strerror}): free some space, or set TMPDIR to another folder"
    )

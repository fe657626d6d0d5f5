"""Reading a bundle from disk: checksums, zip files, and a checked view of both."""

from __future__ import annotations

import hashlib
import lzma
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgeemb.bundle.manifest import MANIFEST, MAX_MANIFEST_BYTES, FileEntry, Manifest, read_manifest
from edgeemb.errors import BundleError, first_line

_CHUNK = 1 << 20
_MAX_ZIP_BYTES = 16 * 2**30
#: Everything that reading a damaged or hostile archive raises.
_ZIP_ERRORS = (
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
    try:
        with zipfile.ZipFile(archive) as file:
            if MANIFEST not in file.namelist():
                raise BundleError(f"{archive} holds no {MANIFEST}: it is not a bundle")
            _take(file, MANIFEST, MAX_MANIFEST_BYTES, folder)
            manifest = read_manifest(folder)
            if sum(entry.bytes for entry in manifest.files.values()) > _MAX_ZIP_BYTES:
                raise BundleError(f"{archive} unpacks to more than {_MAX_ZIP_BYTES} bytes: is it a bundle?")
            for name, entry in manifest.files.items():
                _take(file, name, entry.bytes, folder)
            return manifest
    except KeyError as error:
        raise BundleError(
            f"{archive} lacks a file that its manifest lists ({error.args[0]}): copy it again"
        ) from None
    except _ZIP_ERRORS as error:
        raise BundleError(
            f"{archive} is neither a bundle folder nor a whole zip file ({first_line(error)}): copy it again"
        ) from None


def _take(archive: zipfile.ZipFile, name: str, limit: int, folder: Path) -> None:
    """Unpack one file, but never more than its limit, whatever its header says."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    left = limit
    with archive.open(name) as source, path.open("wb") as target:
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise BundleError(
                    f"'{name}' in {archive.filename} is larger than {limit} bytes: do not use this bundle"
                )
            target.write(chunk)


@contextmanager
def checked(bundle: Path) -> Iterator[tuple[Path, Manifest]]:
    """A bundle's folder and its manifest, every file checked; a zipped bundle is unpacked for as long as the block runs.

    :param bundle: the bundle's folder or zip file.
    :raises BundleError: if it is not a bundle, or is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="edgeemb-") as scratch:
        folder = bundle.resolve()
        if bundle.is_file():
            folder = Path(scratch)
            unpack(bundle, folder)
        manifest = read_manifest(folder)
        verify(folder, manifest.files)
        yield folder, manifest

"""Reading a bundle from disk: checksums, zip files, and a checked view of both."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgeemb.bundle.manifest import FileEntry, Manifest, read_manifest, stays_inside
from edgeemb.errors import BundleError

_HASH_CHUNK = 1 << 20


_MAX_ZIP_BYTES = 16 * 2**30


def verify(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Check that every file of a bundle is there and unaltered. Reads them in pieces, so that memory does not grow.

    :param folder: the bundle.
    :param files: what the manifest says of them.
    :raises BundleError: naming the first file that is missing, truncated or altered.
    """
    for name, entry in files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != entry.bytes:
                raise BundleError(f"{path} has {size} bytes instead of {entry.bytes}: copy the bundle again")
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
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(size, digest.hexdigest())


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zipped bundle into an empty folder.

    :param archive: what ``edgeemb export --zip`` wrote.
    :param folder: where its files go.
    :raises BundleError: if it is not a zip file, too large, or names a file outside the folder.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            if sum(info.file_size for info in file.infolist()) > _MAX_ZIP_BYTES:
                raise BundleError(f"{archive} unpacks to more than {_MAX_ZIP_BYTES} bytes: is it a bundle?")
            for info in file.infolist():
                if not stays_inside(info.filename):
                    raise BundleError(
                        f"{archive} names the file '{info.filename}', which lies outside: do not use this bundle"
                    )
            file.extractall(folder)
    except zipfile.BadZipFile as error:
        raise BundleError(
            f"{archive} is neither a bundle folder nor a whole zip file ({error}): copy it again"
        ) from None


@contextmanager
def checked(bundle: Path) -> Iterator[tuple[Path, Manifest]]:
    """A bundle's folder and its manifest, every file checked; a zipped bundle is unpacked for as long as the block runs.

    :param bundle: the bundle's folder or zip file.
    :raises BundleError: if it is no bundle, or damaged.
    """
    with tempfile.TemporaryDirectory(prefix="edgeemb-") as scratch:
        folder = bundle.resolve()
        if bundle.is_file():
            folder = Path(scratch)
            unpack(bundle, folder)
        manifest = read_manifest(folder)
        verify(folder, manifest.files)
        yield folder, manifest

"""A bundle: the folder that an export writes, and the manifest that describes it. Reading needs no exporter."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from edgeemb.errors import BundleError
from edgeemb.files import read_json

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
GOLDEN = "golden.json"
#: Version of the manifest that this edgeemb writes; it reads this one and every earlier one.
SCHEMA = 1

_MAX_MANIFEST_BYTES = 16 * 2**20
_HASH_CHUNK = 1 << 20
_MAX_ZIP_BYTES = 16 * 2**30


@dataclass(frozen=True)
class FileEntry:
    """A file of a bundle: its size in bytes and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class TableEntry:
    """A table of a bundle.

    :param spec: how it is stored.
    :param rows: V.
    :param dim: D.
    :param bytes: stored bytes, scales and codebooks included.
    :param arrays: per stored array its dtype and shape.
    """

    spec: str
    rows: int
    dim: int
    bytes: int
    arrays: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class TensorEntry:
    """An input or output of the model: name, numpy dtype, axes (a name where the size varies), and, for ids, the bound of their table."""

    name: str
    dtype: str
    axes: list[str | int]
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says.

    :param schema: version of this layout.
    :param name: short name of the model.
    :param source: where the model came from.
    :param kind: ``embedding``, ``classification`` or ``module``.
    :param runtime: format of the model: ``onnx``, ``tflite``, ``executorch`` or ``c``.
    :param ops: ``custom`` where native op libraries are in ``lib/``, else ``builtin``.
    :param target: name of the target.
    :param opset: version of the format's op set.
    :param body: precision of everything but the tables.
    :param tables: the tables by alias.
    :param inputs: inputs of the model.
    :param outputs: outputs of the model.
    :param lengths: sequence lengths with a signature of their own; empty where the length is free.
    :param max_length: tokens of the longest text, special tokens included; 0 without a tokenizer.
    :param tokenizer: ``words`` where the first input holds the bytes of words (see `edgeemb.text.words`), as wide as its last axis; empty where
        ``tokenizer.json`` turns texts into ids, or the model takes no text.
    :param pooling: how token vectors become one, or None.
    :param normalize: whether vectors have length 1.
    :param labels: names of the classes.
    :param prompt: what is put in front of each text.
    :param sizes: bytes by part: ``tables``, ``body``, ``tokenizer``, ``libraries``, ``kit``, ``total``.
    :param parity: sentences compared with the original, ``cosine_mean``, ``cosine_min``.
    :param vocabulary: report of a pruned vocabulary, or None.
    :param plan: what the planner chose and what it chose from (see `edgeemb.export.planner.Plan`), or None.
    :param files: every other file of the bundle, by its path with ``/``.
    :param command: the command that wrote the bundle.
    :param versions: versions of what wrote it.
    :param notes: remarks of the export, such as tables that were left alone.
    """

    name: str
    source: str
    kind: str
    runtime: str
    ops: str
    target: str
    opset: int
    body: str
    tables: dict[str, TableEntry]
    inputs: list[TensorEntry]
    outputs: list[TensorEntry]
    max_length: int
    pooling: str | None
    normalize: bool
    sizes: dict[str, int]
    parity: dict[str, float]
    files: dict[str, FileEntry]
    command: str
    versions: dict[str, str]
    lengths: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    prompt: str = ""
    tokenizer: str = ""
    vocabulary: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a bundle.

    :param folder: the bundle.
    :raises BundleError: if there is none, it is damaged, or it is of a newer schema.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is not a bundle: it holds no {MANIFEST}; make one with edgeemb export")
    values = read_json(path, _MAX_MANIFEST_BYTES, BundleError)
    schema = values.get("schema") if isinstance(values, dict) else None
    if not isinstance(schema, int):
        raise BundleError(f"{path} is not a manifest: it has no schema version; export the bundle again")
    if schema > SCHEMA:
        raise BundleError(f"{path} has schema {schema}, this edgeemb reads up to {SCHEMA}: update edgeemb")
    known = {item.name for item in fields(Manifest)}
    try:
        parsed = {key: value for key, value in values.items() if key in known}
        parsed["tables"] = {name: TableEntry(**entry) for name, entry in values["tables"].items()}
        parsed["inputs"] = [TensorEntry(**entry) for entry in values["inputs"]]
        parsed["outputs"] = [TensorEntry(**entry) for entry in values["outputs"]]
        parsed["files"] = {name: FileEntry(**entry) for name, entry in values["files"].items()}
        manifest = Manifest(**parsed)
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} is damaged ({error}): export the bundle again") from None
    for name in manifest.files:
        if not _stays_inside(name):
            raise BundleError(
                f"{path} names the file '{name}', which lies outside the bundle: do not use this bundle"
            )
    return manifest


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
                if not _stays_inside(info.filename):
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


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name

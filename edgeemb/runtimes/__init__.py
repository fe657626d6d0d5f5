"""Opening bundles: one engine per runtime, one `Session` in front of them all."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from edgeemb.bundle.manifest import MANIFEST, Manifest, read_manifest
from edgeemb.bundle.reading import unpack, verify
from edgeemb.errors import BundleError, SpecError
from edgeemb.runtimes.session import Engine, Session

__all__ = ["OPS", "Session", "describe", "is_bundle", "open_bundle", "open_folder"]

#: Which lookup a session uses.
OPS = ("auto", "builtin", "custom")


def open_bundle(
    path: str | Path,
    *,
    ops: str = "auto",
    threads: int = 0,
    verify_files: bool = True,
    ops_profile: Path | None = None,
) -> Session:
    """Open a bundle.

    :param path: the folder that `edgeemb.export` wrote, or a zip of it, which is unpacked for as long as the session lives.
    :param ops: ``custom`` runs the native kernels, ``builtin`` the runtime's own ops, ``auto`` the kernels where they are installed.
    :param threads: threads within an op; 0 leaves the choice to the runtime.
    :param verify_files: check that no file is missing or altered.
    :param ops_profile: prefix of a file for the runtime's per-op profile, or None.
    :return: an open session.
    :raises BundleError: if the bundle is missing, damaged or newer than this edgeemb, or cannot be loaded.
    :raises NativeError: if ops is ``custom`` and the native library is missing.
    """
    if ops not in OPS:
        raise SpecError(f"ops '{ops}' is not known: use {', '.join(OPS)}")
    folder = Path(path)
    if folder.is_file():
        unpacked = _unpacked(folder)
        session = open_bundle(
            unpacked.name, ops=ops, threads=threads, verify_files=verify_files, ops_profile=ops_profile
        )
        session.keep = unpacked
        return session
    if not folder.is_dir():
        raise BundleError(f"{folder} does not exist: make a bundle with edgeemb export")
    manifest = read_manifest(folder)
    if verify_files:
        verify(folder, manifest.files)
    return open_folder(folder, manifest, ops=ops, threads=threads, ops_profile=ops_profile)


def open_folder(
    folder: Path, manifest: Manifest, *, ops: str = "auto", threads: int = 0, ops_profile: Path | None = None
) -> Session:
    """Open a model whose manifest is already there, as an export does to check what it wrote.

    The other parameters, and what it raises, are those of `open_bundle`.

    :param folder: holds the model's files.
    :param manifest: describes them.
    """
    engine: Engine
    match manifest.runtime:
        case "onnx":
            from edgeemb.runtimes.onnxruntime.engine import OnnxRuntimeEngine

            engine = OnnxRuntimeEngine(folder, manifest, ops, threads, ops_profile)
        case "c":
            from edgeemb.runtimes.c.engine import MicroEngine

            engine = MicroEngine(folder, manifest.name)
        case "executorch":
            from edgeemb.runtimes.executorch.engine import ExecuTorchEngine

            engine = ExecuTorchEngine(folder, manifest, ops, threads, ops_profile)
        case "tflite" | "tflite-runtime":
            from edgeemb.runtimes.tflite.engine import TfliteEngine

            engine = TfliteEngine(folder, manifest, ops, threads, ops_profile)
        case "tflm":
            from edgeemb.runtimes.tflm.engine import TflmEngine

            engine = TflmEngine(folder, manifest, ops)
        case other:
            raise BundleError(
                f"{folder} is for the runtime '{other}', which this edgeemb does not know: update edgeemb"
            )
    return Session(folder, manifest, engine)


def describe(path: Path) -> Manifest:
    """The manifest of a bundle, without opening its model.

    :param path: a bundle's folder, or a zip of it.
    :raises BundleError: if it is no bundle, or a damaged one.
    """
    if path.is_file():
        with _unpacked(path) as folder:
            return read_manifest(Path(folder))
    return read_manifest(path)


def is_bundle(path: Path) -> bool:
    """Whether a path looks like a bundle: a folder with a manifest, or a zip file.

    :param path: any path.
    """
    return (path / MANIFEST).is_file() or (path.is_file() and zipfile.is_zipfile(path))


def _unpacked(archive: Path) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="edgeemb-")
    unpack(archive, Path(folder.name))
    return folder

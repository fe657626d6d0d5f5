"""Where the native libraries and the C sources of this installation are.

A wheel carries the libraries in ``edgeemb/native/lib`` and the C sources in ``edgeemb/sources``. An editable install has the libraries in the
same place of the environment and takes the sources from the checkout, where they are newer.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

from edgeemb.errors import NativeError

_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


_PREFIX = "" if sys.platform == "win32" else "lib"


def find_library(name: str) -> Path:
    """Path of a native library of this installation.

    :param name: ``edgeemb_kernels`` or ``edgeemb_onnxruntime``.
    :raises NativeError: if this installation has no such library.
    """
    if path := _library(name):
        return path
    raise NativeError(
        f"the native library {name} is not installed: install a wheel of edgeemb, or a C compiler and then edgeemb again"
    )


def open_library(name: str, version_of: str, version: int) -> ctypes.CDLL:
    """Open a native library of this installation.

    :param name: as for `find_library`.
    :param version_of: name of its function that gives the version of its interface.
    :param version: the version that is called here.
    :raises NativeError: if it is missing, cannot be loaded, or is of another version.
    """
    path = find_library(name)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeError(
            f"the native library {path} cannot be loaded ({error}): install edgeemb again on this machine"
        ) from error
    asked = getattr(library, version_of)
    asked.restype = ctypes.c_int32
    if asked() != version:
        raise NativeError(
            f"the native library {path} is of another version than edgeemb: install edgeemb again"
        )
    return library


def has_library(name: str) -> bool:
    """Whether this installation has a native library; one that was installed without a C compiler has none.

    :param name: as for `find_library`.
    """
    return _library(name) is not None


def _library(name: str) -> Path | None:
    file = f"{_PREFIX}{name}{_SUFFIX}"
    paths = (folder / "native" / "lib" / file for folder in _package_folders())
    return next((path for path in paths if path.is_file()), None)


def find_sources() -> Path:
    """Folder that holds the C sources: ``runtimes/``, and ``devices/`` and ``export/`` where this version has them.

    :raises NativeError: if this installation has no sources.
    """
    folders = _package_folders()
    for root in [folder.parent for folder in folders] + [folder / "sources" for folder in folders]:
        if (root / "runtimes" / "kernels" / "quantized.h").is_file():
            return root
    raise NativeError(
        "the C sources are not installed: install edgeemb with pip from its wheel or its checkout"
    )


def runtime_sources(*rooms: str, suffixes: tuple[str, ...] = (".c", ".h")) -> list[Path]:
    """Source files of rooms of `runtimes/`, their subfolders included, as paths relative to `runtimes/`, sorted.

    :param rooms: folders of `runtimes/`, such as ``kernels``.
    :param suffixes: endings of the files that count; ``("",)`` for all files.
    :raises NativeError: if this installation has no sources.
    """
    root = find_sources() / "runtimes"
    return sorted(
        path.relative_to(root)
        for room in rooms
        for path in (root / room).rglob("*")
        if path.is_file() and path.name.endswith(suffixes)
    )


def _package_folders() -> list[Path]:
    """Folders of the package: an editable install has two, the checkout's and the one that holds the compiled libraries."""
    spec = find_spec("edgeemb")
    return [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]


def python_package() -> Path:
    """Folder of the Python sources of edgeemb that this process runs."""
    return Path(__file__).resolve().parent.parent

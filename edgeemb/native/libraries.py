"""Where the native libraries and the C sources of this installation are.

A wheel carries the libraries in ``edgeemb/native/lib`` and the C sources in ``edgeemb/sources``. An editable install has the libraries in the
same place of the environment and takes the sources from the checkout, where they are newer.
"""

from __future__ import annotations

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
    file = f"{_PREFIX}{name}{_SUFFIX}"
    for folder in _package_folders():
        path = folder / "native" / "lib" / file
        if path.is_file():
            return path
    raise NativeError(
        f"the native library {file} is not installed: install edgeemb with pip, which needs a C compiler"
    )


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

"""Building the ExecuTorch runner and its ops against the installed wheel, once, into the user's cache.

The wheel brings headers and shared libraries; what it does not bring is a way to run a program without torch. That is one small library
of `runtimes/executorch`, compiled in seconds and kept under a name that stands for the wheel, the sources and the compiler's flags.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from edgeemb.errors import NativeError
from edgeemb.native import find_sources

#: Overrides the folder that holds what edgeemb builds for this user.
CACHE_VARIABLE = "EDGEEMB_CACHE"

_SOURCES = ("ops.cpp", "runner.cpp")
#: How the sources are compiled, and what they are linked with.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    # Lookups must agree to the bit everywhere: no product is fused with an addition.
    "-ffp-contract=off",
    # Without this macro the headers want generated files that the wheel leaves out.
    "-DC10_USING_CUSTOM_GENERATED_MACROS",
    "-DET_EVENT_TRACER_ENABLED",
)
LIBRARIES = (
    "executorch",
    "executorch_threadpool",
    "executorch_etdump",
    "executorch_backend_xnnpack",
    "executorch_kernels_optimized",
    "executorch_kernels_quantized",
)
_TIMEOUT_SECONDS = 300


def find_executorch() -> Path:
    """Folder of the installed package, found without importing it: its own imports would bring torch in.

    :raises NativeError: if it is not installed.
    """
    spec = find_spec("executorch")
    folders = (
        []
        if spec is None or spec.submodule_search_locations is None
        else list(spec.submodule_search_locations)
    )
    for folder in folders:
        if Path(folder, "include", "executorch", "extension", "module", "module.h").is_file():
            return Path(folder)
    raise NativeError("the package executorch is not installed: pip install 'edgeemb[executorch]'")


def executorch_version() -> str:
    """Version of the installed package.

    :raises NativeError: if it is not installed.
    """
    try:
        return version("executorch")
    except PackageNotFoundError:
        raise NativeError(
            "the package executorch is not installed: pip install 'edgeemb[executorch]'"
        ) from None


def build() -> Path:
    """The library with the runner and the ops, built now if this wheel and these sources have not been built before.

    Two processes that want it at once wait for each other, and one builds.

    :raises NativeError: if there is no compiler, or it fails.
    """
    package = find_executorch()
    sources = find_sources() / "runtimes"
    name = f"executorch-{executorch_version()}-{_digest(sources, package)}"
    library = cache_folder() / name / "libedgeemb_executorch.so"
    if library.is_file():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with _locked(library.parent / "lock"):
            if not library.is_file():
                _compile(sources / "executorch", package, library)
    except OSError as error:
        raise NativeError(
            f"cannot write {library.parent} ({error.strerror}): set {CACHE_VARIABLE} to a folder that can be written"
        ) from None
    return library


def cache_folder() -> Path:
    """Folder for what edgeemb builds: ``$EDGEEMB_CACHE``, else ``edgeemb`` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "edgeemb")


def _digest(sources: Path, package: Path) -> str:
    """Name of a build: it changes with the sources, the flags, the compiler's name, the machine and the wheel's place."""
    digest = hashlib.sha256()
    for item in (*FLAGS, os.environ.get("CXX", ""), platform.machine(), str(package)):
        digest.update(item.encode() + b"\0")
    for path in sorted([*(sources / "kernels").glob("*.h"), *(sources / "executorch").iterdir()]):
        if path.suffix in (".h", ".cpp"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    if sys.platform == "win32":
        raise NativeError("the ExecuTorch runner is built on Linux and macOS only: use the runtime onnx here")
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compiler() -> list[str]:
    named = os.environ.get("CXX")
    if named:
        return shlex.split(named)
    for name in ("c++", "g++", "clang++"):
        if shutil.which(name):
            return [name]
    raise NativeError(
        "running ExecuTorch programs needs a C++ compiler, once, and none was found: install g++ or set CXX"
    )


def _compile(folder: Path, package: Path, library: Path) -> None:
    """Build into a temporary file that takes the library's place when it is whole."""
    headers = package / "include"
    libraries = package / "lib"
    linux = sys.platform.startswith("linux")
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        made = Path(scratch, library.name)
        command = [
            *_compiler(),
            *FLAGS,
            f"-I{headers}",
            f"-I{headers / 'executorch/runtime/core/portable_type/c10'}",
            *(str(folder / name) for name in _SOURCES),
            "-o",
            str(made),
            f"-L{libraries}",
            # Kernels and delegates register themselves when they are loaded, and no symbol of theirs is used.
            *(["-Wl,--no-as-needed", "-Wl,-z,defs"] if linux else []),
            *(f"-l{name}" for name in LIBRARIES),
            f"-Wl,-rpath,{libraries}",
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
            )
        except FileNotFoundError:
            raise NativeError(
                f"the C++ compiler {command[0]} does not exist: correct CXX or install g++"
            ) from None
        except subprocess.TimeoutExpired:
            raise NativeError(
                f"the C++ compiler {command[0]} did not finish in {_TIMEOUT_SECONDS} s: try again"
            ) from None
        if done.returncode:
            reason = next(
                (line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200]
            )
            raise NativeError(
                f"{command[0]} cannot build the ExecuTorch runner ({reason}): use a compiler with C++17"
            )
        made.replace(library)

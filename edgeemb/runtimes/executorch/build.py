"""Building the ExecuTorch runner and its ops against the installed wheel, once, into the user's cache.

The wheel has headers and shared libraries, but no way to run a program without torch. For that there is one small library
of `runtimes/executorch`, compiled in seconds and stored under a name derived from the wheel, the sources and the compiler's flags.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from edgeemb.cache import digest_of, made_once
from edgeemb.errors import NativeError
from edgeemb.native.libraries import find_sources, runtime_sources

#: Names a runner that was built elsewhere; set inside an emulated device, where nothing is compiled.
LIBRARY_VARIABLE = "EDGEEMB_EXECUTORCH_LIBRARY"
LIBRARY = "libedgeemb_executorch.so"

_SOURCES = ("ops.cpp", "runner.cpp")
#: Folders of `runtimes/` that the ops are made of, and endings of the files of each that count.
_ROOMS: dict[str, tuple[str, ...]] = {
    "executorch": ("",),
    "kernels": (".h",),
    "micro": (".h",),
    "panels": (".h",),
}
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
    # Products of the body use the runtime's threads.
    "-DET_USE_THREADPOOL",
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
    """Folder of the installed package, found without importing it: importing it would import torch.

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
    """The library with the runner and the ops, built now unless it was already built from this wheel and these sources.

    Two processes that need it at once wait for each other, and one builds. Where ``EDGEEMB_EXECUTORCH_LIBRARY`` names a library that was
    built for this machine elsewhere, it is that one.

    :raises NativeError: if there is no compiler, or it fails.
    """
    given = os.environ.get(LIBRARY_VARIABLE)
    if given:
        return Path(given)
    return build_for(find_executorch(), executorch_version(), platform.machine(), _compiler)


def build_for(package: Path, release: str, machine: str, compiler: Callable[[], list[str]]) -> Path:
    """The library for a machine, which need not be this one.

    :param package: folder of the package executorch for that machine.
    :param release: version of the package.
    :param machine: name of the machine's architecture.
    :param compiler: gives the command of a C++ compiler for it; asked only when there is something to build.
    :raises NativeError: if there is no compiler, or it fails.
    """
    sources = find_sources() / "runtimes"
    name = f"executorch-{release}-{_digest(sources, package, machine)}"
    folder = made_once(
        name,
        lambda place: compile_runner(sources / "executorch", package, place / LIBRARY, compiler()),
        NativeError,
    )
    return folder / LIBRARY


def op_sources() -> list[Path]:
    """Files that the ops are made of, as paths relative to `runtimes/`.

    :raises NativeError: if this installation has no sources.
    """
    return [path for room, suffixes in _ROOMS.items() for path in runtime_sources(room, suffixes=suffixes)]


def _digest(sources: Path, package: Path, machine: str) -> str:
    """Name of a build: it changes with the sources, the flags, the compiler's name, the machine and the wheel's place."""
    files = op_sources()
    texts = [part for path in files for part in (path.as_posix(), (sources / path).read_bytes())]
    return digest_of(*FLAGS, os.environ.get("CXX", ""), machine, str(package), *texts)


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


def compile_runner(
    folder: Path, package: Path, library: Path, compiler: list[str], options: Sequence[str] = ()
) -> None:
    """Compile the runner and the ops.

    :param folder: the sources.
    :param package: folder of the package executorch to link with.
    :param library: the file to write.
    :param compiler: command of a C++ compiler.
    :param options: what the compiler is told beside, after what it is always told.
    :raises NativeError: if there is no such compiler, or it fails.
    """
    headers = package / "include"
    libraries = package / "lib"
    linux = sys.platform.startswith("linux")
    command = [
        *compiler,
        *FLAGS,
        *options,
        f"-I{headers}",
        f"-I{headers / 'executorch/runtime/core/portable_type/c10'}",
        *(str(folder / name) for name in _SOURCES),
        "-o",
        str(library),
        f"-L{libraries}",
        # Kernels and delegates register themselves when they are loaded, and no symbol of theirs is used.
        *(["-Wl,--no-as-needed", "-Wl,-z,defs"] if linux else []),
        *(f"-l{name}" for name in LIBRARIES),
        f"-Wl,-rpath,{libraries}",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
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

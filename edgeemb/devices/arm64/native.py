"""Our own code for 64-bit Arm: the lookup libraries and the ExecuTorch runner, cross-compiled once into the user's cache."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from edgeemb.cache import digest_of, made_once
from edgeemb.devices.host.machine import version_of
from edgeemb.errors import NativeError
from edgeemb.native.compilers import run_compiler
from edgeemb.native.libraries import find_sources, runtime_sources
from edgeemb.runtimes.executorch.build import LIBRARY_VARIABLE, build_for

MACHINE = "aarch64"
GCC, GXX = "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++"

#: Libraries by the source that each is made of, as in CMakeLists.txt.
_LIBRARIES = {
    "edgeemb_kernels": "kernels/edgeemb_kernels.c",
    "edgeemb_onnxruntime": "onnxruntime/edgeemb_onnxruntime.c",
    "edgeemb_tflite": "tflite/edgeemb_tflite.c",
}
#: Rooms of ``runtimes`` that they include besides their own.
_ROOMS = ("micro", "panels", "threads")
_FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-fPIC", "-pthread")


def c_compiler(*, static: bool = False) -> list[str]:
    """Command of a C compiler for 64-bit Arm Linux: the package ziglang's, else that of Debian.

    :param static: whether it links whole programs, which then need no system around them.
    :raises NativeError: if there is neither.
    """
    if importlib.util.find_spec("ziglang"):
        target = "aarch64-linux-musl" if static else "aarch64-linux-gnu.2.17"
        return [sys.executable, "-m", "ziglang", "cc", "-target", target, *(["-static"] if static else [])]
    if found := shutil.which(GCC):
        return [found, *(["-static"] if static else [])]
    raise NativeError(
        f"no compiler for 64-bit Arm: pip install 'edgeemb[micro]' for ziglang, or apt-get install gcc-{MACHINE}-linux-gnu"
    )


def libraries() -> Path:
    """Folder of the lookup libraries, compiled now unless these sources already were.

    :raises NativeError: if there is no compiler, or it fails.
    """
    sources = find_sources() / "runtimes"
    rooms = {source.split("/")[0] for source in _LIBRARIES.values()} | set(_ROOMS)
    files = runtime_sources(*sorted(rooms))
    texts = (part for path in files for part in (path.as_posix(), (sources / path).read_bytes()))
    digest = digest_of(*_FLAGS, *texts)
    return made_once(f"arm64/native-{digest}", lambda folder: _compile(sources, folder), NativeError)


def executorch_environment(site: Path) -> dict[str, str]:
    """The variable that names the ExecuTorch runner with our ops, compiled now unless it already was.

    :param site: folder of the packages for 64-bit Arm, executorch among them.
    :raises NativeError: if there is no compiler, or it fails.
    """
    library = build_for(site / "executorch", version_of("executorch"), MACHINE, _cxx_compiler)
    return {LIBRARY_VARIABLE: str(library)}


def _cxx_compiler() -> list[str]:
    if found := shutil.which(GXX):
        return [found]
    raise NativeError(
        f"no C++ compiler for the ExecuTorch runner on 64-bit Arm: apt-get install g++-{MACHINE}-linux-gnu"
    )


def _compile(sources: Path, folder: Path) -> None:
    compiler = c_compiler()
    for name, source in _LIBRARIES.items():
        out = folder / f"lib{name}.so"
        run_compiler([*compiler, *_FLAGS, "-shared", str(sources / source), "-o", str(out)])

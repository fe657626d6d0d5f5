"""Building the program that measures a bundle on a phone, by the compiler in the package ziglang.

A C export is linked into it, as one static program that needs nothing of the phone. For a runtime's shared library it is linked against the C
library which that one wants: Android's, or glibc's on other Linux devices.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from edgeemb.errors import DeviceError, NativeError
from edgeemb.native import find_sources
from edgeemb.runtimes.micro import FLAGS, run_compiler, sources, symbol_prefix

#: Processors that a runner is built for: by Android's name, Clang's name and ELF's number (e_machine).
ABIS = {"arm64-v8a": ("aarch64", 183), "x86_64": ("x86_64", 62)}

_COMMON = ("runner.c", "feeds.c", "system.c")
_WARNINGS = ("-D_GNU_SOURCE", "-Wall", "-Wextra", "-s")
#: Oldest glibc that a runner is linked against.
_GLIBC = "2.28"


@dataclass(frozen=True)
class Library:
    """A runtime's shared library.

    :param path: the file.
    :param abi: key of `ABIS`.
    :param libc: ``bionic`` or ``glibc``, whichever it was linked against.
    """

    path: Path
    abi: str
    libc: str


def build_static(folder: Path, name: str, abi: str, out: Path) -> Path:
    """The runner with a C export inside, static.

    :param folder: the bundle.
    :param name: name of the model, as in the manifest.
    :param abi: key of `ABIS`.
    :param out: an existing folder for it.
    :raises NativeError: if there is no compiler, or it fails.
    """
    prefix = symbol_prefix(name)
    own = ["-static", "-DEEM_MARKS", f"-DRUNNER_PREFIX={prefix}", f"-I{folder}", *map(str, sources(folder))]
    return _build("engine_c.c", f"{ABIS[abi][0]}-linux-musl", own, out)


def build_dynamic(library: Library, out: Path) -> Path:
    """The runner for a runtime's shared library.

    :param library: the library, which it opens when it runs.
    :param out: an existing folder for it.
    :raises NativeError: if there is no compiler, or it fails.
    """
    return _build("engine_onnxruntime.c", f"{ABIS[library.abi][0]}-linux-gnu.{_GLIBC}", ["-ldl"], out)


def read_library(path: Path, abi: str) -> Library:
    """Look into a runtime's shared library.

    :param path: the file.
    :param abi: what the phone can run.
    :raises DeviceError: if it is no shared library, or one for another processor.
    :raises NativeError: if the package pyelftools is missing.
    """
    try:
        from elftools.common.exceptions import ELFError
        from elftools.elf.dynamic import DynamicSection
        from elftools.elf.elffile import ELFFile
    except ModuleNotFoundError:
        raise NativeError(
            "reading a library needs the package pyelftools: pip install 'edgeemb[android]'"
        ) from None
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            machine = elf.header.e_machine
            sections = [part for part in elf.iter_sections() if isinstance(part, DynamicSection)]
            needed = [tag.needed for part in sections for tag in part.iter_tags("DT_NEEDED")]
    except OSError as error:
        raise DeviceError(
            f"{path} cannot be read ({error.strerror}): name ONNX Runtime's shared library"
        ) from None
    except (ELFError, ValueError, UnicodeDecodeError):
        raise DeviceError(f"{path} is no shared library for Android or Linux: name ONNX Runtime's") from None
    names = {"EM_AARCH64": "arm64-v8a", "EM_X86_64": "x86_64", "EM_ARM": "armeabi-v7a", "EM_386": "x86"}
    found = names.get(str(machine), str(machine))
    if found != abi:
        raise DeviceError(f"{path} is for {found}, the phone runs {abi}: name the library for {abi}")
    return Library(path, abi, "glibc" if "libc.so.6" in needed else "bionic")


def _build(engine: str, target: str, own: list[str], out: Path) -> Path:
    room = find_sources() / "devices" / "runner"
    files = [str(room / name) for name in (*_COMMON, engine)]
    place = out / "runner"
    flags = (*FLAGS, *_WARNINGS, f"-I{room}")
    run_compiler([*_compiler(), "-target", target, *flags, *files, *own, "-o", str(place)])
    return place


def _compiler() -> list[str]:
    if importlib.util.find_spec("ziglang") is None:
        raise NativeError("no compiler for phones: pip install 'edgeemb[android]'")
    return [sys.executable, "-m", "ziglang", "cc"]

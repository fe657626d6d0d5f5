"""Building the program that measures a bundle on a phone, by the compiler in the package ziglang.

A C export is linked into it, as one static program that needs nothing from the phone. For a runtime's shared library it is linked against the C
library that the runtime needs: Android's, or glibc's on other Linux devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeemb.errors import DeviceError, NativeError
from edgeemb.native.compilers import FLAGS, run_compiler, zig
from edgeemb.native.libraries import find_sources
from edgeemb.runtimes.c.sources import alone, has_function, read_sizes, sources, symbol_prefix
from edgeemb.runtimes.runtime import Runtime
from edgeemb.scratch import Scratch

#: Processors that a runner is built for: by Android's name and Clang's.
ABIS = {"arm64-v8a": "aarch64", "x86_64": "x86_64"}

_COMMON = ("runner.c", "feeds.c", "system.c")
_FLAGS = ("-D_GNU_SOURCE", "-Wall", "-Wextra", "-g0")
_ANDROID_FLAGS = ("-fPIE", "-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
#: A program that any Android from 7 on loads, on pages of 4 and of 16 KB.
_ANDROID_LINK = (
    *(
        "-pie",
        "--dynamic-linker",
        "/system/bin/linker64",
        "--strip-all",
        "--no-undefined",
        "--hash-style=both",
    ),
    *(
        "-z",
        "max-page-size=16384",
        "-z",
        "common-page-size=16384",
        "-z",
        "relro",
        "-z",
        "now",
        "-z",
        "noexecstack",
    ),
)
#: Oldest glibc that a runner is linked against.
_GLIBC = "2.28"
_PURPOSE = "measuring on phones"


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
    """The static runner with a C export inside.

    :param folder: the bundle.
    :param name: name of the model, as in the manifest.
    :param abi: key of `ABIS`.
    :param out: an existing folder for it.
    :raises NativeError: if there is no compiler, or it fails.
    """
    prefix = symbol_prefix(name)
    sizes = read_sizes(folder, name)
    own = ["-static", "-DEEM_MARKS", f"-DRUNNER_PREFIX={prefix}", f"-I{folder}", *map(str, sources(folder))]
    own += [f"-DRUNNER_WIDTH={sizes['width']}"] if sizes["width"] else []
    own += ["-DRUNNER_PER_TOKEN"] if sizes["per_token"] else []
    own += [] if alone(folder, name) else ["-DRUNNER_PARALLEL"]
    own += ["-DRUNNER_TEXT"] if has_function(folder, name, "tokenize") else []
    return _build("engine_c.c", f"{ABIS[abi]}-linux-musl", own, out)


def build_dynamic(library: Library, out: Path, runtime: Runtime) -> Path:
    """The runner for a runtime's shared library.

    :param library: the library, which it opens when it runs.
    :param runtime: the runtime, which the runner has a half for.
    :param out: an existing folder for it.
    :raises NativeError: if the runner has no half for the runtime, there is no compiler, or it fails.
    """
    processor = ABIS[library.abi]
    if runtime.phone is None or not runtime.phone.runner:
        raise NativeError(f"the runner has no {runtime.title}")
    if library.libc == "glibc":
        return _build(runtime.phone.runner, f"{processor}-linux-gnu.{_GLIBC}", ["-ldl"], out)
    return _build_for_android(runtime.phone.runner, processor, out)


def read_library(path: Path, abi: str) -> Library:
    """Look into a runtime's shared library.

    :param path: the file.
    :param abi: what the phone can run.
    :raises DeviceError: if it is not a shared library, or is one for another processor.
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
            f"{path} cannot be read ({error.strerror}): name the runtime's shared library"
        ) from None
    except (ELFError, ValueError, UnicodeDecodeError):
        raise DeviceError(
            f"{path} is not a shared library for Android or Linux: give the runtime's library"
        ) from None
    names = {"EM_AARCH64": "arm64-v8a", "EM_X86_64": "x86_64", "EM_ARM": "armeabi-v7a", "EM_386": "x86"}
    found = names.get(str(machine), str(machine))
    if found != abi:
        raise DeviceError(f"{path} is for {found}, the phone runs {abi}: name the library for {abi}")
    return Library(path, abi, "glibc" if "libc.so.6" in needed else "bionic")


def _build(engine: str, target: str, own: list[str], out: Path) -> Path:
    room = _room()
    place = out / "runner"
    files = [str(room / name) for name in (*_COMMON, engine)]
    run_compiler(
        [*zig("cc", _PURPOSE), "-target", target, *FLAGS, *_FLAGS, "-s", *files, *own, "-o", str(place)]
    )
    return place


def _build_for_android(engine: str, processor: str, out: Path) -> Path:
    """Without Android's own headers and libraries: musl's headers, whose types are the kernel's and so bionic's, and stand-ins to link."""
    room, place = _room(), out / "runner"
    with Scratch() as scratch:
        compiler = [
            *zig("cc", _PURPOSE),
            "-target",
            f"{processor}-linux-musl",
            *FLAGS,
            *_FLAGS,
            *_ANDROID_FLAGS,
        ]
        stubs = []
        for stub in ("libc", "libdl"):
            source, code = room / "bionic" / f"{stub}.c", scratch / f"{stub}.o"
            run_compiler([*compiler, "-fno-builtin", "-w", "-c", str(source), "-o", str(code)])
            stubs.append(str(scratch / f"{stub}.so"))
            run_compiler(
                [*zig("ld.lld", _PURPOSE), "-shared", "-soname", f"{stub}.so", str(code), "-o", stubs[-1]]
            )
        objects = []
        for source in (*(room / item for item in (*_COMMON, engine)), room / "bionic" / "start.c"):
            objects.append(str(scratch / f"{source.stem}.o"))
            run_compiler([*compiler, "-c", str(source), "-o", objects[-1]])
        run_compiler([*zig("ld.lld", _PURPOSE), *_ANDROID_LINK, *objects, *stubs, "-o", str(place)])
    place.chmod(0o755)
    return place


def _room() -> Path:
    return find_sources() / "devices" / "runner"

"""Native libraries for Android, by the compiler in the package ziglang or by an NDK's.

Both work in the same way: compile one C file, link it against a stand-in for Android's libc.so (`runtimes/android`) that has its name and nothing
else. So no library of the NDK is needed, and the result depends only on libc.so, without symbol versions.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from edgeemb.cache import digest_of, keep_newest, made_once
from edgeemb.errors import NativeError
from edgeemb.native.compilers import run_compiler
from edgeemb.native.libraries import find_sources, runtime_sources
from edgeemb.runtimes.runtime import Runtime
from edgeemb.scratch import Scratch

#: Platforms for which lookups are built. 32-bit Arm is not among them: it divides 64-bit numbers by calling a compiler's library, which is
#: not at hand.
ABIS = ("arm64-v8a", "x86_64")
#: Platforms for which the tokenizer is built, which divides nothing.
TEXT_ABIS = (*ABIS, "armeabi-v7a")
#: The tokenizer's library and its source.
TEXT_LIBRARY, _TEXT_SOURCE = "edgeemb_text", "text/edgeemb_text.c"
#: Environment variable that names the folder of an NDK.
NDK = "ANDROID_NDK_HOME"
#: Alignment of what is loaded, in bytes: phones with pages of 16 KB load nothing less.
PAGE_BYTES = 16384
#: Oldest Android that the code is compiled for.
API = 24
#: Libraries of tokenizers that are kept for the user.
_KEPT = 9

_FLAGS = (
    "-std=c99",
    "-O3",
    "-g0",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fstack-protector-strong",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pedantic",
)
_LINK = (
    "-shared",
    "--strip-all",
    "--no-undefined",
    "--hash-style=gnu",
    "-z",
    f"max-page-size={PAGE_BYTES}",
    "-z",
    f"common-page-size={PAGE_BYTES}",
    "-z",
    "relro",
    "-z",
    "now",
    "-z",
    "noexecstack",
)


@dataclass(frozen=True)
class _Abi:
    """How code for a platform is made.

    :param target: Clang's name of it.
    :param flags: for the compiler.
    :param link: for the linker.
    :param zig: what ziglang's compiler wants in addition.
    """

    target: str
    flags: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    zig: tuple[str, ...] = ()


_HOW = {
    # Branches are guarded where the processor can: the targets of jumps are marked (BTI) and return addresses signed (PAC). Older processors
    # take both for no instruction.
    "arm64-v8a": _Abi("aarch64-linux-android", ("-mbranch-protection=standard",), ("-z", "force-bti")),
    "x86_64": _Abi("x86_64-linux-android"),
    "armeabi-v7a": _Abi(
        "arm-linux-androideabi",
        ("-mfpu=vfpv3-d16", "-mfloat-abi=softfp"),
        zig=("-mcpu=generic+v7a+vfp3d16",),
    ),
}


@dataclass(frozen=True)
class _Toolchain:
    """Commands of a compiler and a linker.

    :param compiler: the compiler's command, without a target.
    :param api: what follows the name of a target.
    :param linker: the command of lld.
    :param flags: further flags for the compiler.
    :param is_zig: whether it is ziglang's.
    """

    compiler: tuple[str, ...]
    api: str
    linker: tuple[str, ...]
    flags: tuple[str, ...] = ()
    is_zig: bool = False


def build_library(runtime: Runtime, abi: str, out: Path) -> Path:
    """Compile and link the op library of a runtime.

    :param runtime: the runtime.
    :param abi: a key of `ABIS`.
    :param out: folder that it is written into, under the name that the runtime's kit loads.
    :return: its path.
    :raises NativeError: if the runtime has no such library, there is no compiler, or it fails.
    """
    if runtime.phone is None or not runtime.phone.lookups:
        raise NativeError(f'{runtime.title} has no library of lookups for Android: use ops="builtin"')
    return _build(runtime.library, runtime.phone.lookups, abi, out)


def text_library(abi: str) -> Path:
    """The tokenizer's library for a platform, built once for this user.

    :param abi: one of `TEXT_ABIS`.
    :return: its path.
    :raises NativeError: if there is no compiler, or it fails.
    """
    tools = _toolchain()
    contents = (
        part
        for name in runtime_sources("text", "kernels", "android")
        for part in (str(name), (find_sources() / "runtimes" / name).read_bytes())
    )
    name = f"android/{digest_of(repr(_HOW[abi]), *tools.compiler, *_FLAGS, *_LINK, *contents)}"
    made = made_once(name, lambda place: _build(TEXT_LIBRARY, _TEXT_SOURCE, abi, place), NativeError)
    keep_newest("android", _KEPT)
    return made / f"lib{TEXT_LIBRARY}.so"


def _build(name: str, source: str, abi: str, out: Path) -> Path:
    tools, how = _toolchain(), _HOW[abi]
    room = find_sources() / "runtimes"
    target = (f"--target={how.target}{tools.api}", *(how.zig if tools.is_zig else ()))
    place = out / f"lib{name}.so"
    with Scratch() as scratch:
        stub, code = scratch / "libc.o", scratch / "code.o"
        libc = scratch / "libc.so"
        compiler = (*tools.compiler, *target, *_FLAGS, *how.flags, *tools.flags)
        run_compiler([*compiler, "-fno-builtin", "-fvisibility=default", "-c", str(room / "android" / "libc.c"), "-o", str(stub)])  # fmt: skip
        run_compiler([*tools.linker, "-shared", "-soname", "libc.so", str(stub), "-o", str(libc)])
        headers = ("-isystem", str(room / "android" / "include"))
        run_compiler([*compiler, *headers, "-c", str(room / source), "-o", str(code)])
        link = (*_LINK, *how.link)
        run_compiler([*tools.linker, *link, "-soname", place.name, str(code), str(libc), "-o", str(place)])
    return place


def _toolchain() -> _Toolchain:
    if folder := os.environ.get(NDK):
        found = sorted(Path(folder).glob("toolchains/llvm/prebuilt/*/bin/clang"))
        if not found:
            raise NativeError(
                f"{NDK} is {folder}, which holds no clang: set it to the folder of an Android NDK"
            )
        return _Toolchain((str(found[0]),), str(API), (str(found[0].with_name("ld.lld")),))
    if importlib.util.find_spec("ziglang"):
        zig = (sys.executable, "-m", "ziglang")
        return _Toolchain((*zig, "cc"), "", (*zig, "ld.lld"), ("-fno-sanitize=all",), is_zig=True)
    raise NativeError(
        f"no compiler for Android: pip install 'edgeemb[android]', or set {NDK} to the folder of an NDK"
    )

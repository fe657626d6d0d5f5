"""What the native libraries of a wheel need of the system that they are loaded on."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import lief
from platforms import GLIBC, MACOS, Platform
from universal import slices

_PROCESSORS = {
    "x86_64": ("X86_64",),
    "AMD64": ("AMD64", "X86_64"),
    "aarch64": ("AARCH64",),
    "arm64": ("ARM64",),
    "ARM64": ("ARM64",),
}


#: The native libraries of edgeemb, without the prefix and suffix of a platform.
LIBRARIES = (
    "edgeemb_kernels",
    "edgeemb_onnxruntime",
    "edgeemb_tflite",
    "edgeemb_tflm",
    "edgeemb_text",
    "edgeemb_threads",
)

# What it says of damaged symbol tables is no fault of a wheel.
lief.logging.disable()


def audit(wheel: Path, platforms: Sequence[Platform]) -> list[str]:
    """What is wrong with a wheel; nothing if every library of it loads on the oldest systems of its platforms.

    :param wheel: the wheel.
    :param platforms: what it was built for; several for universal libraries, in the order of their parts.
    :return: one line for each fault.
    """
    faults = []
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("edgeemb/native/lib/")]
        if len(names) != len(LIBRARIES):
            faults.append(f"{wheel.name} has {len(names)} libraries, not {len(LIBRARIES)}")
        for name in names:
            parts = slices(archive.read(name))
            if len(parts) != len(platforms):
                faults.append(f"{wheel.name}: {name} is for {len(parts)} processors, not {len(platforms)}")
            for part, platform in zip(parts, platforms, strict=False):
                faults += [f"{wheel.name}: {name} {fault}" for fault in _library_faults(part, platform)]
    return faults


def _library_faults(data: bytes, platform: Platform) -> list[str]:
    binary = lief.parse(data)
    if binary is None:
        return ["is not a shared library"]
    if isinstance(binary, lief.MachO.Binary):
        own = lief.MachO.LoadCommand.TYPE.ID_DYLIB
        needed = [str(library.name) for library in binary.libraries if library.command != own]
    else:
        needed = [str(library) for library in binary.libraries]
    faults = [f"needs {name}" for name in needed if not name.lower().startswith(platform.libraries)]
    processor = str(_processor(binary)).rpartition(".")[2]
    if processor not in _PROCESSORS[platform.processor]:
        faults.append(f"is for the processor {processor}")
    if isinstance(binary, lief.ELF.Binary):
        faults += [
            f"needs GLIBC_{'.'.join(map(str, version))}" for version in _glibc(binary) if version > GLIBC
        ]
    if isinstance(binary, lief.MachO.Binary):
        version = binary.build_version
        if version is None or tuple(version.minos[:2]) > MACOS:
            faults.append(f"needs macOS {version.minos if version else '?'}")
        if platform.processor == "arm64" and not binary.has_code_signature:
            faults.append("is not signed: macOS on Arm loads no such library")
    return faults


def _processor(binary: lief.Binary) -> object:
    if isinstance(binary, lief.ELF.Binary):
        return binary.header.machine_type
    if isinstance(binary, lief.MachO.Binary):
        return binary.header.cpu_type
    assert isinstance(binary, lief.PE.Binary)
    return binary.header.machine


def _glibc(binary: lief.ELF.Binary) -> set[tuple[int, ...]]:
    """The versions of glibc whose symbols a library needs."""
    found = set()
    for requirement in binary.symbols_version_requirement:
        for symbol in requirement.get_auxiliary_symbols():
            if match := re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", str(symbol.name)):
                found.add((int(match[1]), int(match[2])))
    return found

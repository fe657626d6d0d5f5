"""The platforms that edgeemb has wheels for, and what a wheel may need of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Platform:
    """A platform of wheels.

    :param tag: platform tag of the wheel.
    :param triple: target of ``zig cc``.
    :param system: name of the system in CMake.
    :param processor: name of the processor in CMake.
    :param libraries: prefixes, in lower case, of the shared libraries that every such system has.
    """

    tag: str
    triple: str
    system: str
    processor: str
    libraries: tuple[str, ...]


#: Symbols of later versions of glibc are missing from the systems that ``manylinux2014`` stands for (PEP 599).
GLIBC = (2, 17)
#: Oldest macOS, as the wheels' tags say.
MACOS = (11, 0)

_LINUX = ("libc.so.6", "libm.so.6", "ld-linux")
_MACOS = ("/usr/lib/libsystem.",)
# The universal C runtime is a part of Windows since Windows 10.
_WINDOWS = ("kernel32.dll", "api-ms-win-crt-", "ntdll.dll")

PLATFORMS = (
    Platform("manylinux2014_x86_64", "x86_64-linux-gnu.2.17", "Linux", "x86_64", _LINUX),
    Platform("manylinux2014_aarch64", "aarch64-linux-gnu.2.17", "Linux", "aarch64", _LINUX),
    Platform("macosx_11_0_x86_64", "x86_64-macos.11.0", "Darwin", "x86_64", _MACOS),
    Platform("macosx_11_0_arm64", "aarch64-macos.11.0", "Darwin", "arm64", _MACOS),
    Platform("win_amd64", "x86_64-windows-gnu", "Windows", "AMD64", _WINDOWS),
    Platform("win_arm64", "aarch64-windows-gnu", "Windows", "ARM64", _WINDOWS),
)

#: Wheels that are joined from those of several processors, by their tag.
UNIVERSAL = {"macosx_11_0_universal2": ("macosx_11_0_x86_64", "macosx_11_0_arm64")}


def parts_of(tag: str) -> tuple[Platform, ...]:
    """The platforms that a wheel is for: one, or those of a universal wheel.

    :param tag: its platform tag.
    """
    known = {platform.tag: platform for platform in PLATFORMS}
    return tuple(known[part] for part in UNIVERSAL.get(tag, (tag,)))

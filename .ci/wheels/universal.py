"""Joins the wheels of two processors of macOS into one: each library becomes a universal file, with the code of both.

A universal file begins with ``fat_header`` and a ``fat_arch`` for each processor, in big-endian words; the libraries follow as they are, each
at a boundary of its own (mach-o/fat.h).
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_FAT, _MACH_O_64 = 0xCAFEBABE, 0xFEEDFACF
#: Slices lie at multiples of 2 to this power, which is the larger page of both processors.
_ALIGN = 14


def join_libraries(libraries: Sequence[bytes]) -> bytes:
    """A universal library.

    :param libraries: a library for each processor.
    :raises ValueError: if one is no 64-bit Mach-O file, or two are for the same processor.
    """
    kinds = []
    for data in libraries:
        magic, processor, variant = struct.unpack_from("<3I", data.ljust(12, b"\0"))
        if magic != _MACH_O_64:
            raise ValueError("a part of a universal library is no 64-bit Mach-O file")
        kinds.append((processor, variant))
    if len({processor for processor, _ in kinds}) != len(kinds):
        raise ValueError("two parts of a universal library are for the same processor")
    step = 1 << _ALIGN
    header = bytearray(struct.pack(">2I", _FAT, len(libraries)))
    body, at = bytearray(), step
    for data, (processor, variant) in zip(libraries, kinds, strict=True):
        header += struct.pack(">5I", processor, variant, at, len(data), _ALIGN)
        body += data.ljust(-(-len(data) // step) * step, b"\0")
        at = step + len(body)
    # Nothing follows the last part.
    end = at - (-len(libraries[-1]) % step)
    return (bytes(header).ljust(step, b"\0") + bytes(body))[:end]


def slices(data: bytes) -> list[bytes]:
    """The libraries of a universal file; the file itself if it is none.

    :param data: the file.
    """
    magic, count = struct.unpack_from(">2I", data.ljust(8, b"\0"))
    if magic != _FAT:
        return [data]
    places = [struct.unpack_from(">5I", data, 8 + 20 * number)[2:4] for number in range(count)]
    return [data[start : start + size] for start, size in places]


def join_wheels(wheels: Sequence[Path], tag: str, out: Path) -> Path:
    """A universal wheel.

    :param wheels: a wheel for each processor, of one version.
    :param tag: its platform tag.
    :param out: where it goes.
    :return: the wheel.
    """
    with tempfile.TemporaryDirectory() as place:
        folders = []
        for number, wheel in enumerate(wheels):
            folder = Path(place, str(number))
            _wheel("unpack", wheel, "--dest", folder)
            folders.append(next(folder.iterdir()))
        for path in sorted(folders[0].rglob("*.dylib")):
            parts = [folder / path.relative_to(folders[0]) for folder in folders]
            path.write_bytes(join_libraries([part.read_bytes() for part in parts]))
        _wheel("pack", folders[0], "--dest-dir", place)
        (packed,) = Path(place).glob("*.whl")
        _wheel("tags", "--remove", f"--platform-tag={tag}", packed)
        (packed,) = Path(place).glob("*.whl")
        return Path(shutil.copy2(packed, out))


def _wheel(*arguments: object) -> None:
    command = [sys.executable, "-m", "wheel", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

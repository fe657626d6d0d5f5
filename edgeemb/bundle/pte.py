"""The headers of ExecuTorch's files, checked against the file's size before the runtime maps them; what lies behind, the runtime verifies itself.

A program (``.pte``) and a file of tensors (``.ptd``) begin with a FlatBuffer's root and mark; the tensors' data follows in segments, which an extended
header of 32 or 40 bytes places (``runtime/executor`` and ``extension/flat_tensor`` of ExecuTorch 1.5).
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import BundleError

PROGRAM = "model.pte"
TABLES = "tables.ptd"
_MARKS = {".pte": re.compile(rb"ET\d\d"), ".ptd": re.compile(rb"FT\d\d")}
#: Marks of the extended headers.
_EXTENDED = {".pte": b"eh00", ".ptd": b"FH01"}
_HEAD = 64


def check_model(folder: Path, manifest: Manifest) -> None:
    """Check the headers of a bundle's program and tables.

    :param folder: the bundle.
    :param manifest: its manifest.
    :raises BundleError: if one does not fit its file, or tables are there that the manifest does not list.
    """
    check_program(folder / PROGRAM)
    if TABLES in manifest.files:
        check_program(folder / TABLES)
    elif (folder / TABLES).exists():
        raise BundleError(
            f"the manifest does not list {folder / TABLES}, which would be opened unchecked: do not use this bundle"
        )


def check_program(path: Path) -> None:
    """Check the header of a ``.pte`` or ``.ptd`` file.

    :param path: the file.
    :raises BundleError: if it does not fit the file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}): copy the bundle again") from None
    wrong = _wrong(path.suffix, head, size)
    if wrong:
        raise BundleError(f"{path} is not a whole file of ExecuTorch ({wrong}): copy the bundle again")


def _wrong(suffix: str, head: bytes, size: int) -> str:
    """What is wrong with a header; empty if nothing is."""
    if size < 16 or not _MARKS[suffix].fullmatch(head[4:8]):
        return "it lacks the mark"
    if struct.unpack_from("<I", head)[0] > size - 4:
        return "its root lies outside of it"
    if head[8:12] != _EXTENDED[suffix]:
        return ""
    if size < 40 or not 24 <= struct.unpack_from("<I", head, 12)[0] <= size - 8:
        return "its extended header is cut off"
    length = struct.unpack_from("<I", head, 12)[0]
    numbers = struct.unpack_from(f"<{min((length - 8) // 8, (len(head) - 16) // 8)}Q", head, 16)
    # Of a program its size, of tensors where their FlatBuffer begins and its size; then where the segments begin, and their size.
    begin, inner, *segments = numbers if suffix == ".ptd" else (0, *numbers)
    if begin + inner > size:
        return "its FlatBuffer is larger than the file"
    if sum(segments[:2]) > size:
        return "its segments lie outside of it"
    return ""

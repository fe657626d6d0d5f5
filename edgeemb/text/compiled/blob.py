"""Writing a blob: sections and the program (layout: runtimes/text/blob.h)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeemb.text.compiled.breaks import Breaks
from edgeemb.text.compiled.refusal import refuse

MAGIC = 0x42544545
VERSION = 1
NONE = 0xFFFFFFFF
#: Words of a record of the program.
RECORD_WORDS = 12
_RECORDS = 64
_MAX_SECTIONS = 256
_MAX_BYTES = 2**31


class Blob:
    """Sections and records that are gathered while a tokenizer is compiled; equal sections are stored once."""

    def __init__(self) -> None:
        self._sections: list[bytes] = [b""]
        self._known: dict[tuple[bytes, ...], int] = {}
        self._records: list[tuple[int, ...]] = []
        #: Where a text may be read in stretches, after the operations so far.
        self.breaks = Breaks()

    def add(self, *parts: bytes) -> int:
        """Sections that follow one another.

        :param parts: their bytes.
        :return: the index of the first.
        """
        if parts not in self._known:
            self._known[parts] = len(self._sections)
            self._sections.extend(parts)
        return self._known[parts]

    def record(self, operation: int, *arguments: int) -> None:
        """An operation at the end of the program.

        :param operation: its number in the headers of runtimes/text.
        :param arguments: its arguments.
        """
        self._records.append((operation, *arguments))

    @property
    def records(self) -> int:
        """Records so far."""
        return len(self._records)

    def replace(self, index: int, operation: int, *arguments: int) -> None:
        """Put an operation in the place of an earlier one."""
        self._records[index] = (operation, *arguments)

    def to_bytes(self, ids: int) -> bytes:
        """The blob.

        :param ids: the highest id that the tokenizer gives, plus 1.
        :raises NotCompiled: if there are too many parts, or too large ones.
        """
        if len(self._records) > _RECORDS or len(self._sections) > _MAX_SECTIONS:
            raise refuse(f"it has {len(self._records)} steps, more than fit")
        program = np.zeros((len(self._records), RECORD_WORDS), "<u4")
        for place, words in enumerate(self._records):
            program[place, : len(words)] = words
        sections = [program.tobytes(), *self._sections[1:]]
        at = 24 + 8 * len(sections)
        table = b""
        body = b""
        for section in sections:
            table += struct.pack("<II", at, len(section))
            padded = section + bytes(-len(section) % 8)
            body += padded
            at += len(padded)
        if at > _MAX_BYTES:
            raise refuse(f"it would take {at} bytes")
        behind = struct.pack("<II", len(sections), ids) + table + body
        return struct.pack("<IIII", MAGIC, VERSION, at, zlib.crc32(behind)) + behind


def words(values: Sequence[int] | NDArray[np.integer]) -> bytes:
    """Numbers as u32."""
    return np.asarray(values, np.int64).astype("<u4").tobytes()


def halves(values: Sequence[int] | NDArray[np.integer]) -> bytes:
    """Numbers as u16."""
    return np.asarray(values, np.int64).astype("<u2").tobytes()


def triples(values: Sequence[int] | NDArray[np.integer]) -> bytes:
    """Numbers as u24."""
    array = np.ascontiguousarray(np.asarray(values, np.int64).astype("<u4"))
    return array.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()

"""What a compiled tokenizer needs where it runs (layout: runtimes/text/blob.h)."""

from __future__ import annotations

import struct

from edgeemb.text.compiled.added import ADDED
from edgeemb.text.compiled.blob import RECORD_WORDS

#: EET_CHAR_BYTES and EET_ARENA_LEAST of runtimes/text/work.h.
_CHAR_BYTES = 100
_LEAST_BYTES = 64 * _CHAR_BYTES + 64
#: Characters of a token where a text cannot be read in stretches.
_TOKEN = 5


def operations(blob: bytes) -> list[int]:
    """The operations of its program, each once.

    :param blob: a compiled tokenizer.
    """
    return sorted({record[0] for record in _records(blob)})


def arena_bytes(blob: bytes, tokens: int) -> int:
    """Working memory with which ordinary texts are read up to a number of tokens.

    :param blob: a compiled tokenizer.
    :param tokens: of the longest text.
    """
    (added,) = (record for record in _records(blob) if record[0] == ADDED)
    in_stretches = bool(added[6])
    # What is least has room for a stretch of 64 characters; the rest is for the tokens.
    return _LEAST_BYTES + _CHAR_BYTES * (tokens // 2 if in_stretches else _TOKEN * tokens)


def _records(blob: bytes) -> list[tuple[int, ...]]:
    offset, size = struct.unpack_from("<II", blob, 24)
    return list(struct.iter_unpack(f"<{RECORD_WORDS}I", blob[offset : offset + size]))

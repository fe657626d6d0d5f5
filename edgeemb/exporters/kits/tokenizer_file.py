"""A tokenizer as one binary file that an app maps: ``tokenizer.bin``, which `export/android`'s class ``Tokenizer`` reads.

All numbers are little-endian uint32: 'EEBT', version, kind; then what the kind needs. Kind 1 is WordPiece: 18 fields, the tables of
`edgeemb.exporters.c.wordpiece`, to whose begin the offsets count; then count and ids before a text, count and ids after it, and for each token
that is recognised as it is written its id, its length in bytes and its UTF-8.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable

from edgeemb.exporters.c.wordpiece import read_wordpiece, refusal

FILE = "tokenizer.bin"
VERSION = 1
WORDPIECE = 1
_MAGIC = b"EEBT"
_READER = "the kit's tokenizer"


def why_not(tokenizer_json: str) -> str:
    """Why a tokenizer cannot be written; empty if it can.

    :param tokenizer_json: text of the ``tokenizer.json``.
    """
    reason = refusal(tokenizer_json, _READER)
    if reason:
        return reason
    strange = [
        token["content"]
        for token in json.loads(tokenizer_json)["added_tokens"]
        if token["normalized"] or token["single_word"]
    ]
    return f"{_READER} takes added tokens as they are written, '{strange[0]}' is not" if strange else ""


def tokenizer_bytes(tokenizer_json: str) -> bytes:
    """The content of ``tokenizer.bin``.

    :param tokenizer_json: text of a ``tokenizer.json`` that `why_not` has nothing against.
    """
    pieces = read_wordpiece(tokenizer_json)
    added = json.loads(tokenizer_json)["added_tokens"]
    specials = sorted(
        ((token["content"].encode("utf-8"), token["id"]) for token in added),
        key=lambda item: (-len(item[0]), item),
    )
    tail = b"".join(_words((len(ids), *ids)) for ids in pieces.around)
    tail += b"".join(_words((number, len(name))) + name for name, number in specials)
    fields = (
        *(pieces.longest, pieces.unknown, pieces.hangul),
        *(pieces.first.starts, pieces.first.ids, pieces.first.count),
        *(pieces.later.starts, pieces.later.ids, pieces.later.count),
        pieces.letters,
        *pieces.ranges,
        *pieces.maps,
        pieces.more,
        len(pieces.blob),
        len(specials),
        len(pieces.blob) + len(tail),
    )
    return _MAGIC + _words((VERSION, WORDPIECE, *fields)) + pieces.blob + tail


def _words(values: Iterable[int]) -> bytes:
    numbers = tuple(values)
    return struct.pack(f"<{len(numbers)}I", *numbers)

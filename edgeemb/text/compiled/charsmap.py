"""SentencePiece's character maps: the double array of a ``precompiled_charsmap`` as keys and their texts."""

from __future__ import annotations

import base64
import binascii
import struct

from edgeemb.text.compiled.blob import Blob
from edgeemb.text.compiled.graphemes import classes
from edgeemb.text.compiled.refusal import refuse
from edgeemb.text.compiled.tables import add_strings, add_table
from edgeemb.text.compiled.trie import add_trie

_MOST_KEYS = 2_000_000
_MOST_BYTES = 64
#: A longer key is in no grapheme that is replaced as a whole.
_GRAPHEME = 5


def add_charsmap(blob: Blob, encoded: str) -> tuple[int, int, int, int]:
    """Write a character map.

    :param encoded: the map in base64.
    :return: the arguments of the operation EET_CHARSMAP.
    :raises NotCompiled: if it is damaged.
    """
    try:
        data = base64.b64decode(encoded, validate=True)
        (size,) = struct.unpack_from("<I", data)
        units = struct.unpack_from(f"<{size // 4}I", data, 4)
        texts = data[4 + size // 4 * 4 :]
        texts.decode()
    except (binascii.Error, struct.error, UnicodeDecodeError) as error:
        raise refuse(f"its precompiled_charsmap is damaged ({error})") from error
    found = _keys(units)
    keys = {
        key: _text(texts, value)
        for key, value in found.items()
        if len(key) <= _GRAPHEME and not any(key[:end] in found for end in range(1, len(key)))
    }
    strings = sorted(set(keys.values()))
    places = {text: place for place, text in enumerate(strings)}
    table, _ = add_table(blob, classes())
    trie = add_trie(blob, {key: places[text] for key, text in keys.items()}, 3)
    return trie, 3, add_strings(blob, strings), table


def _text(texts: bytes, start: int) -> str:
    end = texts.find(b"\0", start)
    try:
        return texts[start : end if end >= 0 else len(texts)].decode()
    except UnicodeDecodeError as error:
        raise refuse("its precompiled_charsmap begins a text within a character") from error


def _keys(units: tuple[int, ...]) -> dict[bytes, int]:
    """Keys of a double array, and their values; every unit has the label of the step to it."""
    found: dict[bytes, int] = {}
    if not units:
        return found
    todo = [(b"", _offset(units[0]))]
    while todo:
        key, base = todo.pop()
        for label in range(1, 256):
            at = base ^ label
            if at >= len(units) or units[at] & (1 << 31 | 0xFF) != label:
                continue
            unit = units[at]
            longer = key + bytes([label])
            behind = at ^ _offset(unit)
            if len(longer) > _MOST_BYTES or behind >= len(units) or len(found) > _MOST_KEYS:
                raise refuse("its precompiled_charsmap is damaged: its array leads nowhere")
            if unit >> 8 & 1:
                found[longer] = units[behind] & (1 << 31) - 1
            todo.append((longer, behind))
    return found


def _offset(unit: int) -> int:
    return (unit >> 10) << ((unit & 1 << 9) >> 6)

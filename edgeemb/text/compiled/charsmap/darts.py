"""SentencePiece's character maps as they are stored (``precompiled_charsmap``): a double array of keys, then their texts.

A unit of the array has the label of the step to it in its low byte, bit 8 if a key ends there, and from bit 10 the way to its children: the
place of a child is the place of the base, ``place ^ way``, ``^`` the child's label, and the value of a key is at the base itself.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from edgeemb.text.compiled.refusal import refuse

_MOST_KEYS = 2_000_000
_MOST_BYTES = 64
_LABEL = 1 << 31 | 0xFF
_ENDS = 1 << 8


def read_charsmap(data: bytes) -> dict[bytes, str]:
    """Keys and their texts, except those that begin with another key: only the shortest key is ever used.

    :param data: a character map.
    :raises NotCompiled: if it is damaged.
    """
    try:
        (size,) = struct.unpack_from("<I", data)
        units = struct.unpack_from(f"<{size // 4}I", data, 4)
    except struct.error as error:
        raise refuse(f"its precompiled_charsmap is damaged ({error})") from error
    texts = data[4 + size // 4 * 4 :]
    return {key: _text(texts, value) for key, value in _keys(units).items()}


def write_charsmap(texts: Mapping[str, str]) -> bytes:
    """A character map. Every node has its own 256 slots, so maps of more than a few thousand keys become large.

    :param texts: the text for each key.
    """
    nodes: dict[bytes, int] = {b"": 0}
    for key in texts:
        encoded = key.encode()
        for end in range(1, len(encoded) + 1):
            nodes.setdefault(encoded[:end], len(nodes))
    units = [0] * (256 * (len(nodes) + 1))
    places = {b"": 0}
    for prefix, number in nodes.items():
        base = 256 * (number + 1)
        if prefix:
            places[prefix] = 256 * (nodes[prefix[:-1]] + 1) ^ prefix[-1]
            units[places[prefix]] |= prefix[-1]
        units[places[prefix]] |= (base ^ places[prefix]) << 10
    body = b""
    for key, text in texts.items():
        encoded = key.encode()
        units[places[encoded]] |= _ENDS
        units[256 * (nodes[encoded] + 1)] |= 1 << 31 | len(body)
        body += text.encode() + b"\0"
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + body


def _text(texts: bytes, start: int) -> str:
    end = texts.find(b"\0", start)
    try:
        return texts[start : end if end >= 0 else len(texts)].decode()
    except UnicodeDecodeError as error:
        raise refuse("its precompiled_charsmap has a text that is not UTF-8") from error


def _keys(units: tuple[int, ...]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    todo = [(b"", _way(units[0]))] if units else []
    while todo:
        key, base = todo.pop()
        for label in range(1, 256):
            place = base ^ label
            if place >= len(units) or units[place] & _LABEL != label:
                continue
            longer = key + bytes([label])
            behind = place ^ _way(units[place])
            if len(longer) > _MOST_BYTES or behind >= len(units) or len(found) > _MOST_KEYS:
                raise refuse("its precompiled_charsmap is damaged: its array has an invalid index")
            if units[place] & _ENDS:
                found[longer] = units[behind] & (1 << 31) - 1
            else:
                todo.append((longer, behind))
    return found


def _way(unit: int) -> int:
    return (unit >> 10) << ((unit & 1 << 9) >> 6)

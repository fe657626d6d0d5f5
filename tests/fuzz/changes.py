"""Random changes of files: of bytes, and of JSON as values."""

from __future__ import annotations

import json
import random
from typing import Any

#: What takes the place of a value.
_VALUES = (None, True, False, 0, -1, 1, 7, 2**31, 2**53 + 1, 2**70, 1e300, -0.5, "", "a", "../x", "\0", "\ud800", "é" * 40, [], {}, [[]], [None])  # fmt: skip
_BYTES = (0, 1, 0x7F, 0x80, 0xFF)


def changed(data: bytes, rng: random.Random, is_json: bool) -> bytes:
    """A file with some bytes changed, put in, taken out or cut off; or, half of the time, JSON with other values.

    :param data: the file.
    :param rng: where random numbers come from.
    :param is_json: whether it is JSON.
    """
    if is_json and rng.random() < 0.5:
        return changed_json(data, rng) or b""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(made) + 1)
        what = rng.random()
        if what < 0.6:
            made[at : at + 1] = bytes([rng.choice(_BYTES) if rng.random() < 0.5 else rng.randrange(256)])
        elif what < 0.75:
            made[at : at + 4] = rng.randbytes(4)
        elif what < 0.85:
            made[at:at] = made[: rng.randrange(1, 64)]
        elif what < 0.95:
            del made[at : at + rng.randrange(1, 64)]
        else:
            del made[at:]
    return bytes(made)


def changed_json(data: bytes, rng: random.Random) -> bytes | None:
    """JSON with one to three other values; None if it is no JSON.

    :param data: the JSON.
    :param rng: where random numbers come from.
    """
    try:
        values = json.loads(data)
        for _ in range(rng.randint(1, 3)):
            values = _changed(values, rng)
        return json.dumps(values).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return None


def _changed(value: Any, rng: random.Random) -> Any:
    """A value of which one part, at any depth, is another one, is gone, or is there twice."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        kept = dict(value)
        if rng.random() < 0.15:
            moved = kept.pop(key)
            return kept if rng.random() < 0.5 else {**kept, rng.choice(["", "x", "type"]): moved}
        kept[key] = _changed(kept[key], rng)
        return kept
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        if rng.random() < 0.2:
            return value[:at] + value[at + 1 :] if rng.random() < 0.5 else [*value, value[at]]
        return [*value[:at], _changed(value[at], rng), *value[at + 1 :]]
    if isinstance(value, (int, float)) and rng.random() < 0.4:
        return value + rng.choice([-1, 1, 1000])
    return rng.choice(_VALUES)

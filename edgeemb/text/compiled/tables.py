"""Tables by code point, and strings of replacements (layout: runtimes/text/unicode.h)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeemb.text.compiled.blob import Blob, words

CODES = 0x110000
#: Stands in a string of replacements for the character that is replaced.
_ITSELF = chr(CODES - 1)


def add_table(blob: Blob, values: NDArray[np.integer]) -> tuple[int, int]:
    """Write a table.

    :param values: [0x110000], a value below 65536 for each code point.
    :return: the index of its first section, and the bytes of a value (1 or 2).
    """
    width = 1 if int(values.max()) < 256 else 2
    leaves, leaf = _distinct(values.astype("<u1" if width == 1 else "<u2"))
    middles, middle = _distinct(leaf.astype("<u2"))
    return blob.add(middle.astype(np.uint8).tobytes() + middles, leaves), width


def _distinct(values: NDArray[np.integer]) -> tuple[bytes, NDArray[np.int64]]:
    """The distinct rows of 64 values, one after another, and which of them each row is."""
    known: dict[bytes, int] = {}
    rows = values.reshape(-1, 64)
    which = [known.setdefault(row.tobytes(), len(known)) for row in rows]
    return b"".join(known), np.array(which, np.int64)


def add_strings(blob: Blob, strings: Sequence[str]) -> int:
    """Write strings.

    :return: the index of the first section.
    """
    encoded = [text.encode() for text in strings]
    starts = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]) if encoded else np.zeros(1)
    return blob.add(words(starts.astype(np.int64)), b"".join(encoded))


def add_map(blob: Blob, outputs: dict[int, str]) -> tuple[int, int, int, int]:
    """Write what code points are mapped to, for the operation EET_MAP.

    :param outputs: the text for each code point that changes.
    :return: the arguments of the operation: table, bytes of its values, strings, the smallest code point that changes.
    """
    replacements = {code: text.replace(chr(code), _ITSELF) for code, text in outputs.items()}
    strings = sorted({text for text in replacements.values() if text})
    places = {text: place + 2 for place, text in enumerate(strings)}
    values = np.zeros(CODES, np.int64)
    for code, text in replacements.items():
        values[code] = places[text] if text else 1
    table, width = add_table(blob, values)
    return table, width, add_strings(blob, strings), min(outputs, default=CODES)

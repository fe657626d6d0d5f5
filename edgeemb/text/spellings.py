"""The text of each token of a vocabulary, as suggestions show it: for people, and as a table for devices."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

#: Name of the table among the assets of an app.
FILE = "spellings.bin"
MAGIC, VERSION = b"EEBW", 1
#: How many tokens share the place of the first of them.
GROUP = 64
_MOST_BYTES = 255


def spelling(tokenizer: Any, token: int) -> str | None:
    """A token as text; one that shows nothing, such as a special token, by its name. None where the tokenizer has no such token.

    :param tokenizer: a tokenizer of the tokenizers library.
    :param token: its id.
    """
    name = tokenizer.id_to_token(token)
    if name is None:
        return None
    text = str(tokenizer.decode([token]))
    return text if text.strip() else str(name)


def spellings(tokenizer: Any, rows: int) -> bytes:
    """A table of the texts of tokens, which `runtimes/micro/spellings.h` and the Android kit's class ``Spellings`` read, little-endian:

    magic and version u32; u32 the number of tokens; u32 for every 64th token, where its text begins; u8 for each token, bytes of its text, 0 where the
    tokenizer has none or it has more than 255; the texts in UTF-8.

    :param tokenizer: a tokenizer of the tokenizers library.
    :param rows: ids lie below it.
    """
    texts = [(spelling(tokenizer, token) or "").encode("utf-8") for token in range(rows)]
    texts = [text if len(text) <= _MOST_BYTES else b"" for text in texts]
    lengths = np.array([len(text) for text in texts], np.uint8)
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.uint32)])[:-1:GROUP]
    head = MAGIC + struct.pack("<2I", VERSION, rows)
    return head + starts.astype("<u4").tobytes() + lengths.tobytes() + b"".join(texts)

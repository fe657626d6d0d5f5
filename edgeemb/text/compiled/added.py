"""Added tokens of a tokenizer (layout: runtimes/text/added.h)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from tokenizers import AddedToken
from tokenizers.normalizers import Normalizer

from edgeemb.text.compiled import probing
from edgeemb.text.compiled.blob import NONE, Blob, words
from edgeemb.text.compiled.models.pieces import Alphabet
from edgeemb.text.compiled.refusal import refuse
from edgeemb.text.compiled.tables import add_table
from edgeemb.text.compiled.trie import add_trie

ADDED = 300
_LEFT, _RIGHT, _SINGLE = 1, 2, 4
_SPACE, _WORD, _TRIMMED = 1, 2, 4
#: The character that stands for the byte of a space.
_SPACE_BYTE = 0x120


def added_arguments(
    blob: Blob, tokens: Mapping[int, AddedToken], normalizer: Normalizer | None, normal_bytes: bool
) -> tuple[int, int, int, int]:
    """Write what is needed to find added tokens.

    :param tokens: the tokens by id, as the library has read them.
    :param normalizer: what a text goes through first, if anything.
    :param normal_bytes: whether normalisation makes bytes of characters.
    :return: the arguments of the operation EET_ADDED but for its last two.
    :raises NotCompiled: if one cannot be found as the library finds it.
    """
    raw: dict[bytes, int] = {}
    normalized: dict[bytes, int] = {}
    rows: list[tuple[int, int]] = []
    for number, token in sorted(tokens.items()):
        flags = (
            (_LEFT if token.lstrip else 0)
            | (_RIGHT if token.rstrip else 0)
            | (_SINGLE if token.single_word else 0)
        )
        content = token.content
        place = len(rows)
        rows.append((number, flags))
        if not token.normalized:
            raw[content.encode()] = place
            continue
        if normalizer is not None:
            content = normalizer.normalize_str(content)
        if normal_bytes and flags:
            raise refuse(
                f"the added token {token.content!r} strips white space after the normalizer ByteLevel"
            )
        encoded = Alphabet(normal_bytes).encode(content)
        if encoded:
            normalized[encoded] = place
            blob.breaks.find(content, token.rstrip)
    kinds = np.zeros(0x110000, np.int64)
    kinds[probing.white_space()] |= _SPACE | _TRIMMED
    # The largest part of the table, and most tokenizers have no such token.
    if any(token.single_word for token in tokens.values()):
        kinds[probing.word_characters()] |= _WORD
    kinds[ord(" ") if normal_bytes else _SPACE_BYTE] |= _TRIMMED
    table, _ = add_table(blob, kinds)
    return (
        add_trie(blob, raw, 3) if raw else NONE,
        add_trie(blob, normalized, 3) if normalized else NONE,
        blob.add(words(np.array(rows, np.int64).reshape(-1))),
        table,
    )

"""The bytes that represent a token whose row is computed from them (`edgeemb.tables.ngrams`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer

from edgeemb.tables.ngrams import BEGINS, CONTINUES
from edgeemb.text.byte_level import BYTE_OF, is_byte_level, is_byte_piece

# What SentencePiece writes for a space, and what byte-level tokenizers (GPT-2) do.
_METASPACE = "▁"
_BYTE_SPACE = "Ġ"


def token_bytes(tokenizer_json: str, rows: int) -> list[bytes]:
    """The bytes of each token of a vocabulary.

    A marker, then the token's text as UTF-8: `BEGINS` if it starts a word, `CONTINUES` if it continues one. Special tokens such as
    ``[CLS]`` are their own name without a marker. Markers of the tokenizer (``##``, ``▁``, ``Ġ``) are not part of the text; a token that
    stands for bytes is those bytes.

    :param tokenizer_json: a ``tokenizer.json``.
    :param rows: V, rows of the table; rows without a token have no bytes.
    :return: V byte strings.
    """
    described = json.loads(tokenizer_json)
    special = {token["id"] for token in described["added_tokens"] if token["special"]}
    vocabulary = Tokenizer.from_str(tokenizer_json).get_vocab(with_added_tokens=True)
    read = _reader(described, any(text.startswith(_METASPACE) for text in vocabulary))
    found = [b""] * rows
    for text, number in vocabulary.items():
        if 0 <= number < rows:
            # A zero byte ends a token in the byte form.
            found[number] = (text.encode() if number in special else read(text)).replace(b"\0", b"")
    return found


def _reader(described: dict[str, Any], marks_spaces: bool) -> Callable[[str], bytes]:
    """How the tokenizer writes its pieces; if it marks neither beginnings nor continuations, each piece begins a word."""
    model = described["model"]
    prefix, suffix = model.get("continuing_subword_prefix"), model.get("end_of_word_suffix") or ""

    def prefixed(piece: str) -> bytes:
        if piece.startswith(prefix) and piece != prefix:
            return CONTINUES + piece.removeprefix(prefix).encode()
        return BEGINS + piece.encode()

    def byte_level(piece: str) -> bytes:
        if not BYTE_OF.keys() >= set(piece):
            return BEGINS + piece.encode()
        marker = BEGINS if piece.startswith(_BYTE_SPACE) else CONTINUES
        return marker + bytes(BYTE_OF[character] for character in piece.removeprefix(_BYTE_SPACE))

    def spaced(piece: str) -> bytes:
        if is_byte_piece(piece):
            return CONTINUES + bytes([int(piece[3:5], 16)])
        marker = BEGINS if piece.startswith(_METASPACE) or not marks_spaces else CONTINUES
        return marker + piece.removeprefix(_METASPACE).removesuffix(suffix).encode()

    if prefix:
        return prefixed
    return byte_level if is_byte_level(described) else spaced

"""Pieces of a vocabulary as the bytes that are compared with a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgeemb.text.byte_level import BYTE_OF


@dataclass(frozen=True)
class Alphabet:
    """How a model's characters are stored: as their UTF-8, or as the bytes that they stand for."""

    byte_level: bool

    def encode(self, text: str) -> bytes | None:
        """The bytes of a piece; None if it has a character that no text has."""
        if not self.byte_level:
            return text.encode()
        return bytes(BYTE_OF[char] for char in text) if all(char in BYTE_OF for char in text) else None


def piece_ids(vocab: Mapping[str, int], alphabet: Alphabet) -> dict[bytes, int]:
    """The id of each piece that a text can have."""
    encoded = ((alphabet.encode(piece), number) for piece, number in vocab.items())
    return {piece: number for piece, number in encoded if piece}


def width_of(numbers: Iterable[int]) -> int:
    """Bytes that the largest of some numbers takes, 2 or 3."""
    return 2 if max(numbers, default=0) < 1 << 16 else 3

"""Pieces of a vocabulary as the bytes that are compared with a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from tokenizers import pre_tokenizers


@cache
def byte_of_character() -> dict[str, int]:
    """The byte that each character of ByteLevel's alphabet stands for."""
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    # Between them, these characters have every byte that well-formed UTF-8 has.
    text = "".join(map(chr, [*range(0x800), *range(0x800, 0xD800, 64), *range(0xE000, 0x110000, 64)]))
    found = {
        char: byte
        for (mapped, _) in level.pre_tokenize_str(text)
        for char, byte in zip(mapped, text.encode(), strict=True)
    }
    # The bytes that it has not, in the order in which the alphabet goes on.
    spare = sorted(set(pre_tokenizers.ByteLevel.alphabet()) - found.keys())
    return found | dict(zip(spare, sorted(set(range(256)) - set(found.values())), strict=True))


@dataclass(frozen=True)
class Alphabet:
    """How a model's characters are stored: as their UTF-8, or as the bytes that they stand for."""

    byte_level: bool

    def encode(self, text: str) -> bytes | None:
        """The bytes of a piece; None if it has a character that no text has."""
        if not self.byte_level:
            return text.encode()
        known = byte_of_character()
        return bytes(known[char] for char in text) if all(char in known for char in text) else None


def piece_ids(vocab: Mapping[str, int], alphabet: Alphabet) -> dict[bytes, int]:
    """The id of each piece that a text can have."""
    encoded = ((alphabet.encode(piece), number) for piece, number in vocab.items())
    return {piece: number for piece, number in encoded if piece}


def width_of(numbers: Iterable[int]) -> int:
    """Bytes that the largest of some numbers takes, 2 or 3."""
    return 2 if max(numbers, default=0) < 1 << 16 else 3

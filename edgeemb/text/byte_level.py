"""How tokenizers write bytes: one printable character each (GPT-2), or ``<0x41>`` (SentencePiece)."""

from __future__ import annotations

import re

_BYTE_PIECE = re.compile(r"<0x[0-9A-F]{2}>")


def is_byte_piece(token: str) -> bool:
    """Whether a token stands for one byte, as ``<0x41>`` does.

    :param token: the token.
    """
    return _BYTE_PIECE.fullmatch(token) is not None


def _alphabet() -> dict[str, int]:
    # Printable bytes of Latin-1 stand for themselves; the others take the code points from 256 on, in order.
    themselves = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(themselves)]
    return {chr(byte): byte for byte in themselves} | {chr(256 + at): byte for at, byte in enumerate(others)}


#: The byte that each character of a byte-level token stands for.
BYTE_OF = _alphabet()


def decode(token: str) -> str | None:
    """The text that a byte-level token represents.

    :param token: for example ``Ġthe``.
    :return: its text; None if it begins or ends within a character. A token that is not byte-level is its own
        text.
    """
    if not BYTE_OF.keys() >= set(token):
        return token
    try:
        return bytes(BYTE_OF[character] for character in token).decode("utf-8")
    except UnicodeDecodeError:
        return None


def is_byte_level(section: object) -> bool:
    """Whether a tokenizer's characters stand for bytes.

    :param section: a parsed tokenizer.json, or a part of it.
    """
    if isinstance(section, list):
        return any(map(is_byte_level, section))
    if not isinstance(section, dict):
        return False
    inner = ("normalizer", "pre_tokenizer", "decoder", "normalizers", "pretokenizers", "decoders")
    return section.get("type") == "ByteLevel" or any(is_byte_level(section.get(key)) for key in inner)

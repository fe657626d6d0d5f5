"""Which writing systems a text uses, from the names that Unicode gives its characters."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Letters whose name begins with one of these words are shared by scripts or stand for a symbol (Unicode
# script "Common" or "Inherited"), for example MICRO SIGN and MATHEMATICAL BOLD CAPITAL A.
_COMMON = frozenset(
    {
        "ANGSTROM",
        "BLACK-LETTER",
        "COMBINING",
        "DOUBLE-STRUCK",
        "EULER",
        "FEMININE",
        "IDEOGRAPHIC",
        "INFORMATION",
        "KATAKANA-HIRAGANA",
        "KELVIN",
        "MASCULINE",
        "MATHEMATICAL",
        "MICRO",
        "MODIFIER",
        "OHM",
        "PLANCK",
        "SCRIPT",
        "SUPERSCRIPT",
        "VARIATION",
        "VERTICAL",
    }
)

_WIDTHS = frozenset({"FULLWIDTH", "HALFWIDTH"})


@lru_cache(maxsize=1 << 16)
def script_of(character: str) -> str | None:
    """The script of a character.

    :param character: one code point.
    :return: for example ``latin`` or ``cjk``; None for what every script shares: digits, punctuation,
        symbols, white space.
    """
    if unicodedata.category(character)[0] not in "LM":
        return None
    words = unicodedata.name(character, "").split()
    if words and words[0] in _WIDTHS:
        del words[0]
    if not words or words[0] in _COMMON:
        return None
    return words[0].lower()


def scripts_of(text: str) -> frozenset[str]:
    """The scripts of a text's characters; empty if it has only what every script shares.

    :param text: any text.
    """
    return frozenset(script for character in set(text) if (script := script_of(character)) is not None)

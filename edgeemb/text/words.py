"""The tokenizer `words`: text to the bytes of its words, without a vocabulary. docs/words.md specifies it, and `runtimes/text/vocabulary_free/words.h` is the same in C.

A word becomes a token as `edgeemb.tables.ngrams` takes it: the marker `BEGINS` and the word's UTF-8 bytes, cut to a width. Whatever the bytes of a
text are, it has tokens.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.ngrams import BEGINS, MAX_TOKEN_BYTES, check_sizes, draw_seeds
from edgeemb.text.words_table import DROP, ISOLATE, LOWER_EVERY_OTHER, RANGES, SPACE

#: What `Manifest.tokenizer` and a model's settings call it.
NAME = "words"
#: Tokens around every text; no word can be mistaken for them, for it begins with a marker.
FIRST, LAST = b"[CLS]", b"[SEP]"
#: The narrowest tokens: the special ones must fit.
MIN_WIDTH = 8
MAX_WIDTH = MAX_TOKEN_BYTES
#: Bytes of a token where nothing is said: 15 letters, which nearly every English word has room in.
DEFAULT_WIDTH = 16
#: The shortest limit: the special tokens and a word.
MIN_TOKENS = 3


@dataclass(frozen=True)
class RowForm:
    """How rows are computed from words.

    :param width: bytes of a token, its marker included.
    :param n: longest n-gram.
    :param lanes: number of hashes, each with its own base.
    :param dim: elements of a row.
    :param seed: where the constants are drawn from.
    :raises SpecError: if no implementation takes it.
    """

    width: int = DEFAULT_WIDTH
    n: int = 3
    lanes: int = 8
    dim: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if not MIN_WIDTH <= self.width <= MAX_WIDTH:
            raise SpecError(f"width={self.width} is out of range: use {MIN_WIDTH} to {MAX_WIDTH} bytes")
        check_sizes(self.n, self.lanes, self.dim)

    @property
    def spec(self) -> str:
        """What a manifest calls it."""
        return f"ngram:n={self.n},lanes={self.lanes},dim={self.dim}"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is stored for a table: ``seeds: int16[dim]`` and ``bases: int16[lanes]``."""
        seeds, bases = draw_seeds(self.lanes, self.dim, self.seed)
        return {"seeds": seeds, "bases": bases}


_STARTS = [first for first, *_ in RANGES]


class _Actions(dict[int, str]):
    """What each code point becomes, as `str.translate` reads it; computed on first use."""

    def __missing__(self, code: int) -> str:
        text = self[code] = _become(code)
        return text


def _become(code: int) -> str:
    place = bisect_right(_STARTS, code) - 1
    first, action, span, added = RANGES[place]
    if code > first + span or (action == LOWER_EVERY_OTHER and (code - first) % 2):
        return chr(code)
    if action == DROP:
        return ""
    if action == SPACE:
        return " "
    if action == ISOLATE:
        return f" {chr(code)} "
    return chr(code & ~0xFFFF | (code + added) & 0xFFFF)


_ACTIONS = _Actions()


def split_words(text: str | bytes) -> list[str]:
    """The words of a text, in lower case; each punctuation character and each ideograph is one.

    :param text: text, or bytes that should be UTF-8: what is not well-formed in them is left out.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "ignore")
    return [word for word in text.translate(_ACTIONS).split(" ") if word]


def tokenize(text: str | bytes, width: int, limit: int) -> list[bytes]:
    """The tokens of a text, the special ones included.

    :param text: text, or bytes that should be UTF-8.
    :param width: bytes of a token at most, marker included: a longer one is cut there, even within a character.
    :param limit: tokens at most, from 2 on: the words that come too late are left out.
    :return: byte strings without a zero byte.
    """
    words = split_words(text)[: limit - 2]
    return [FIRST, *((BEGINS + word.encode())[:width] for word in words), LAST]

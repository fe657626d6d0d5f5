"""Texts for measurements that begin with a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice

from edgeemb.text.sentences import sentences


def first_text() -> str:
    """A text of some words."""
    return sentences()[0]


def text_of(length: int, tokens: Callable[[str], Sequence[object]]) -> str:
    """The longest text of packaged sentences' words that has no more than a number of tokens; one word where even that has more.

    :param length: tokens, special ones included.
    :param tokens: the tokens of a text; it may cut long ones off.
    """
    words = list(islice(cycle(" ".join(sentences()).split()), length))
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        # What was cut off has as many tokens as may be: one word less tells whether all of them count.
        if len(tokens(" ".join(words[:middle]))) <= length and _grows(words, middle, tokens):
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])


def _grows(words: Sequence[str], count: int, tokens: Callable[[str], Sequence[object]]) -> bool:
    """Whether the last of some words adds a token."""
    return len(tokens(" ".join(words[:count]))) > len(tokens(" ".join(words[: count - 1])))

"""The tokens of a text that is too long for a model to read at once: windows over it beside a question, or its end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError

#: Tokens that two windows share, if a window has room for more: as in transformers' question-answering pipeline.
OVERLAP = 128
#: Tokens of the longest answer.
LONGEST = 30
#: What `edgeemb.native.tokenizer.Encoding.texts` says of tokens around texts, and of those of a pair's second.
AROUND, SECOND = 0, 2


def windows(texts: NDArray[np.uint32], limit: int, overlap: int | None = None) -> list[NDArray[np.int64]]:
    """The tokens of each window over the second text of a pair; all but that text stand in every window.

    A window begins where the one before it began, further by the room for the text less `overlap`; the first that reaches the end of the text is
    the last. This is how the tokenizers library cuts the second text with a stride.

    :param texts: uint32[tokens], of an encoding in which nothing was cut: 1 for tokens of the first text, 2 for those of the second, 0 for those
        around them.
    :param limit: tokens of a window; 0 for any number.
    :param overlap: tokens of the text that two windows share; None for `OVERLAP`, but at most half of `limit`. Where there is no room for more than
        these, half of the room.
    :return: for each window int64[at most limit], the places of its tokens, in order.
    :raises InputError: if the first text leaves no room for the second.
    """
    count = len(texts)
    if limit == 0 or count <= limit:
        return [np.arange(count)]
    second = np.flatnonzero(texts == SECOND)
    room = limit - (count - len(second))
    if room < 1 or not len(second):
        raise InputError(
            f"the question and the tokens around it are {count - len(second)} tokens, the bundle takes {limit}: shorten the question"
        )
    shared = min(OVERLAP, limit // 2) if overlap is None else overlap
    step = room - (shared if shared < room else room // 2)
    begins = range(0, max(len(second) - room, 0) + step, step)
    before, after = np.arange(second[0]), np.arange(second[-1] + 1, count)
    return [np.concatenate([before, second[begin : begin + room], after]) for begin in begins]


def ending(texts: NDArray[np.uint32], limit: int) -> NDArray[np.int64]:
    """The tokens by which a text is continued: its last ones, with the special tokens in front of it and without those after it.

    :param texts: uint32[tokens], of an encoding in which nothing was cut: 1 for tokens of the text, 0 for those around it.
    :param limit: tokens that there may be; 0 for any number.
    :return: int64[at most limit], the places of these tokens, in order.
    """
    own = np.flatnonzero(texts != AROUND)
    before = np.arange(own[0] if len(own) else len(texts))
    room = limit - len(before) if limit else len(own)
    return np.concatenate([before, own[max(len(own) - room, 0) :]])

"""Plain text as training examples: sentences, their tokens, and the order in which they come.

The order is a function of the seed and the step alone, so that an interrupted training continues with exactly the batches it would have
seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.errors import InputError
from edgeemb.text.corpus import read_lines
from edgeemb.text.tokenizer import truncate

#: Different texts that a corpus must have: held-out similarities need some, and the rest is learnt from.
MIN_TEXTS = 16
#: Texts that are held out at most, and the part of a small corpus.
HELD_OUT = 384
_HELD_PART = 8

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")
#: Shorter sentences are headings and leftovers of markup.
_MIN_LETTERS = 12
#: Batches that are sorted by length together: enough that padding is little, few enough that batches stay mixed.
_BUCKET = 32

Ids = NDArray[np.int32]


def read_texts(corpus: Sequence[Path]) -> list[str]:
    """The distinct sentences of text files, in the order of their first occurrence.

    :param corpus: UTF-8 text files, or folders of ``*.txt`` files.
    :raises InputError: if one cannot be read, or there are too few different sentences to learn from.
    """
    if not corpus:
        raise InputError("no corpus was given: name a text file with `corpus`")
    seen: dict[str, None] = {}
    lines = 0
    for path in corpus:
        for line in read_lines(path):
            lines += 1
            for sentence in _SENTENCE_END.split(line.strip()):
                if len(sentence) >= _MIN_LETTERS:
                    seen[sentence] = None
    if len(seen) < MIN_TEXTS:
        names = ", ".join(str(path) for path in corpus)
        raise InputError(
            f"{names}: {lines} lines with {len(seen)} different sentences of {_MIN_LETTERS} letters or more; "
            f"training needs at least {MIN_TEXTS}, and thousands to be useful: give more text"
        )
    return list(seen)


def split_held_out(texts: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Texts to learn from, and texts to judge by.

    :param texts: all texts.
    :param seed: decides which are held out.
    """
    count = min(HELD_OUT, max(3, len(texts) // _HELD_PART))
    chosen = set(np.random.default_rng(seed).permutation(len(texts))[:count].tolist())
    learnt = [text for place, text in enumerate(texts) if place not in chosen]
    return learnt, [texts[place] for place in sorted(chosen)]


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], length: int, prompt: str = "") -> list[Ids]:
    """Ids of each text, special tokens included.

    :param tokenizer: a tokenizer; its truncation and padding are replaced.
    :param texts: the texts.
    :param length: tokens at most.
    :param prompt: put in front of each text.
    """
    _set_length(tokenizer, length)
    encodings = tokenizer.encode_batch_fast([prompt + text for text in texts])
    return [np.array(encoding.ids, np.int32) for encoding in encodings]


def matching_tokens(
    student: Tokenizer, teacher: Tokenizer, texts: Sequence[str], length: int
) -> tuple[list[Ids], list[Ids], list[Ids]]:
    """Ids of two tokenizers, and which of their tokens represent the same characters.

    :param student: the tokenizer whose tokens are matched.
    :param teacher: the other tokenizer.
    :param texts: the texts.
    :param length: tokens at most, for both.
    :return: per text ids of the student, ids of the teacher, and for each token of the student the place of the teacher's token with the
        same characters, or -1.
    """
    for tokenizer in (student, teacher):
        _set_length(tokenizer, length)
    mine, theirs, places = [], [], []
    for own, other in zip(student.encode_batch(texts), teacher.encode_batch(texts), strict=True):
        spans = {span: place for place, span in enumerate(other.offsets) if span[0] < span[1]}
        mine.append(np.array(own.ids, np.int32))
        theirs.append(np.array(other.ids, np.int32))
        places.append(np.array([spans.get(span, -1) for span in own.offsets], np.int32))
    return mine, theirs, places


def _set_length(tokenizer: Tokenizer, length: int) -> None:
    tokenizer.no_padding()
    truncate(tokenizer, length)


class Order:
    """Which texts make up each step's batch.

    Every pass over the texts is a new shuffle; texts of similar length share a batch.

    :param lengths: int[n], tokens of each text.
    :param batch: texts in a batch; all texts if there are fewer.
    :param seed: decides the shuffles.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch = min(batch, len(self._lengths))
        self._seed = seed
        self._epoch = -1
        self._batches: list[NDArray[np.int64]] = []

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every text has been seen, except a remainder smaller than a batch."""
        return len(self._lengths) // self._batch

    def at(self, step: int) -> NDArray[np.int64]:
        """The texts of a step.

        :param step: counted from 0.
        :return: int64[batch], places of the texts.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._batches = self._shuffled(epoch)
            self._epoch = epoch
        return self._batches[place]

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        rng = np.random.default_rng((self._seed, epoch))
        order = rng.permutation(len(self._lengths))[: self.steps_per_epoch * self._batch]
        batches: list[NDArray[np.int64]] = []
        for low in range(0, len(order), _BUCKET * self._batch):
            part = order[low : low + _BUCKET * self._batch]
            part = part[np.argsort(self._lengths[part], kind="stable")]
            batches.extend(part.reshape(-1, self._batch))
        return [batches[place] for place in rng.permutation(len(batches))]

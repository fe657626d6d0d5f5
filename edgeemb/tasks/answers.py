"""From the outputs of a model to answers: labels, words, spans, tokens and scores. All of it is numpy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.tasks.windows import AROUND, LONGEST, SECOND

#: A word of a text: letters, digits and marks without space between, or one other character.
_WORD = re.compile(r"\w+|[^\w\s]")
#: How a label says that a word begins (B) or goes on with (I) a part of several words.
_PART = re.compile(r"([BIES])-(.+)", re.DOTALL)
#: The label of words that belong to no such part.
OUTSIDE = "O"


@dataclass(frozen=True)
class Class:
    """A class with its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class Word:
    """A labelled part of a text.

    :param text: the characters ``text[start:end]``.
    :param start: the first of them.
    :param end: the one after the last.
    :param label: name of its class.
    :param score: its probability.
    """

    text: str
    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True)
class Span:
    """A part of a text that answers a question: the characters ``text[start:end]``, and their probability."""

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Filling:
    """A token that a masked place may hold, with its probability."""

    token: str
    score: float


@dataclass(frozen=True)
class Ranked:
    """A text in the order of its score.

    :param index: its place among the texts that were given.
    :param text: the text.
    :param score: how well it fits; higher is better.
    """

    index: int
    text: str
    score: float


def probabilities(logits: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    """Logits as probabilities.

    :param logits: float32[..., classes].
    :param activation: ``softmax`` for one class of several, ``sigmoid`` for each class by itself, empty for the logits as they are.
    """
    if activation == "softmax":
        raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float32)
    if activation == "sigmoid":
        # Of either sign without overflow.
        small = np.exp(-np.abs(logits))
        return np.asarray(np.where(logits >= 0, 1, small) / (1 + small), np.float32)
    return np.asarray(logits, np.float32)


def classes(scores: NDArray[np.float32], labels: Sequence[str]) -> list[Class]:
    """The classes of a text, the most probable first.

    :param scores: float32[classes].
    :param labels: their names.
    """
    order = np.argsort(-scores, kind="stable")
    return [Class(labels[place], float(scores[place])) for place in order]


def words(
    text: str, offsets: NDArray[np.int64], scores: NDArray[np.float32], labels: Sequence[str]
) -> list[Word]:
    """The words of a text with their labels; a word has the label of its first piece, as such models are trained and scored.

    :param text: the text.
    :param offsets: int64[tokens, 2], the characters that each token stands for; none (from equal to) for the tokens around a text.
    :param scores: float32[tokens, classes], probabilities.
    :param labels: names of the classes.
    """
    first = np.full(len(text) + 1, -1)
    for place in range(len(offsets) - 1, -1, -1):
        low, high = (int(value) for value in offsets[place])
        # Pieces of some tokenizers have the space before them.
        low += len(text[low:high]) - len(text[low:high].lstrip())
        if low < high:
            first[low:high] = place
    found = []
    for match in _WORD.finditer(text):
        covered = first[match.start() : match.end()]
        pieces = covered[covered >= 0]
        if pieces.size:
            row = scores[pieces[0]]
            best = int(row.argmax())
            found.append(Word(match[0], match.start(), match.end(), labels[best], float(row[best])))
    return found


def parts(text: str, found: Sequence[Word]) -> list[Word]:
    """Words of one part joined, where labels say where parts begin (``B-PER``) and go on (``I-PER``); words outside of all left out.

    :param text: the text.
    :param found: its words.
    :return: parts with the label without its prefix and the mean of their scores; words with other labels as they are.
    """
    joined: list[list[Word]] = []
    before: Word | None = None
    for word in found:
        if word.label != OUTSIDE:
            if before is not None and _goes_on(text, before, word):
                joined[-1].append(word)
            else:
                joined.append([word])
        before = word
    return [_part(text, group) for group in joined]


def _goes_on(text: str, before: Word, word: Word) -> bool:
    """Whether a word belongs to the same part as the one before it."""
    last, part = _PART.fullmatch(before.label), _PART.fullmatch(word.label)
    if last is None or part is None or text[before.end : word.start].strip():
        return False
    return last[1] in "BI" and part[1] in "IE" and last[2] == part[2]


def _part(text: str, group: Sequence[Word]) -> Word:
    start, end = group[0].start, group[-1].end
    match = _PART.fullmatch(group[0].label)
    label = match[2] if match else group[0].label
    return Word(text[start:end], start, end, label, float(np.mean([word.score for word in group])))


def spans(
    text: str,
    offsets: NDArray[np.int64],
    texts: NDArray[np.uint32],
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    *,
    top: int = 1,
    longest: int = LONGEST,
) -> list[Span]:
    """The most probable answers in one window, the best first.

    Probabilities are those of transformers' question-answering pipeline: of the tokens of the text, and of a special token at the very beginning, by
    which models say that there is no answer.

    :param text: where the answer is.
    :param offsets: int64[tokens, 2], the characters that each token stands for.
    :param texts: uint32[tokens], 2 for tokens of the text, 1 for those of the question, 0 for those around them.
    :param start: float32[tokens], logits of a token being the first of the answer.
    :param end: float32[tokens], of being the last.
    :param top: answers, which do not overlap.
    :param longest: tokens of the longest answer.
    """
    inside = texts == SECOND
    possible = inside.copy()
    possible[0] |= texts[0] == AROUND
    outside = np.float32(-1e30)
    first = probabilities(np.where(possible, start, outside), "softmax").astype(np.float64)
    last = probabilities(np.where(possible, end, outside), "softmax").astype(np.float64)
    score = np.triu(first[:, None] * last[None, :]) - np.triu(np.full((len(start),) * 2, np.inf), longest)
    score = np.where(inside[:, None] & inside[None, :], score, -np.inf)
    answers: list[Span] = []
    for flat in np.argsort(-score, axis=None, kind="stable"):
        low, high = divmod(int(flat), len(end))
        if len(answers) == top or not score[low, high] > 0:
            break
        begin, stop = int(offsets[low, 0]), int(offsets[high, 1])
        begin += len(text[begin:stop]) - len(text[begin:stop].lstrip())
        _add_apart(answers, Span(text[begin:stop], begin, stop, float(score[low, high])))
    return answers


def best_spans(found: Iterable[Sequence[Span]], top: int) -> list[Span]:
    """The most probable answers of several windows, the best first; none overlaps another. Each window is joined with the best of those before it,
    so that no more than two lists are kept: a device has no room for all of them.

    :param found: the answers in each window, with places in the whole text.
    :param top: answers.
    """
    answers: list[Span] = []
    for each in found:
        ranked, answers = sorted([*answers, *each], key=lambda span: -span.score), []
        for span in ranked:
            if len(answers) < top:
                _add_apart(answers, span)
    return answers


def _add_apart(answers: list[Span], span: Span) -> None:
    """Add an answer unless it overlaps one that is there, or is white space alone."""
    if span.start < span.end and not any(
        span.start < known.end and known.start < span.end for known in answers
    ):
        answers.append(span)

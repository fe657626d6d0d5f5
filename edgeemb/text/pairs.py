"""Reading tab-separated evaluation data: scored sentence pairs and labelled texts.

Fields are separated by one tab each and never quoted. Blank lines, a byte order mark and columns after the
known ones are skipped; every error names the file and the line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edgeemb.errors import InputError
from edgeemb.text.corpus import numbered_lines

#: What the second column of a header row of labelled texts is called in published sets.
HEADER_LABELS = frozenset({"label", "labels", "intent", "category", "class"})


@dataclass(frozen=True)
class ScoredPairs:
    """Sentence pairs with the similarity that people gave them.

    :param scores: one finite number a pair, on any scale.
    :param first: the first sentences.
    :param second: the second sentences.
    """

    scores: tuple[float, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with one label each.

    :param texts: the texts.
    :param labels: their labels.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]


def read_pairs(path: Path) -> ScoredPairs:
    """Read ``score<TAB>sentence<TAB>sentence`` lines; a first line whose score is not a number is a header.

    :param path: the file, UTF-8.
    :raises InputError: if it cannot be read, is empty, or a line has other columns.
    """
    scores: list[float] = []
    first: list[str] = []
    second: list[str] = []
    header = True
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if len(fields) < 3:
            raise InputError(
                f"{path} line {number}: {_columns(fields)}, expected score<TAB>sentence<TAB>sentence"
            )
        score = _number(fields[0])
        if score is None and not header:
            raise InputError(
                f"{path} line {number}: '{fields[0][:40]}' is not a number, expected the score of the pair"
            )
        header = False
        if score is None:
            continue
        if not (fields[1].strip() and fields[2].strip()):
            raise InputError(
                f"{path} line {number}: a sentence is empty, expected score<TAB>sentence<TAB>sentence"
            )
        scores.append(score)
        first.append(fields[1])
        second.append(fields[2])
    if not scores:
        raise InputError(f"{path} has no sentence pairs: expected lines of score<TAB>sentence<TAB>sentence")
    return ScoredPairs(tuple(scores), tuple(first), tuple(second))


def read_labelled(path: Path) -> LabelledTexts:
    """Read ``text<TAB>label`` lines; a first line whose label is ``label`` or the like is a header.

    :param path: the file, UTF-8.
    :raises InputError: if it cannot be read, is empty, or a line has other columns.
    """
    texts: list[str] = []
    labels: list[str] = []
    header = True
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if len(fields) < 2:
            raise InputError(f"{path} line {number}: {_columns(fields)}, expected text<TAB>label")
        label = fields[1].strip()
        if not (label and fields[0].strip()):
            raise InputError(
                f"{path} line {number}: the {'text' if label else 'label'} is empty, expected text<TAB>label"
            )
        named = header and label.lower() in HEADER_LABELS
        header = False
        if not named:
            texts.append(fields[0])
            labels.append(label)
    if not texts:
        raise InputError(f"{path} has no labelled texts: expected lines of text<TAB>label")
    return LabelledTexts(tuple(texts), tuple(labels))


def _columns(fields: list[str]) -> str:
    return "one column" if len(fields) == 1 else f"{len(fields)} columns"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

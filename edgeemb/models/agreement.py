"""How close the outputs of a changed model are to the original's, each by a measure that suits it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.metrics import cosine
from edgeemb.models.base import LoadedModel

#: Names of outputs that hold scores, not vectors with a direction.
_SCORES = re.compile(r"(.*[_.])?(logits?|scores?|prob(s|abilit(y|ies))?)(:\d+)?", re.I)
#: Rows of fewer numbers are compared number by number: a direction says little of them.
_LEAST_COLUMNS = 8
#: Differences are counted in units of the spread of the numbers, but of no less than this part of the largest.
_LEAST_SPREAD = 0.1
_SEED = 11


@dataclass(frozen=True)
class Agreement:
    """How near an output comes to the original.

    :param output: its name.
    :param measure: ``cosine`` for vectors, row by row along the last axis; ``difference`` for scores and for rows of a few numbers: 1 less the
        largest difference in a row, in units of how far the original's numbers spread; ``equal`` for integers and truth values: which part of
        them is the same; ``overlap`` for the best tokens: which part of them is the same, in any order.
    :param mean: the mean over rows; 1 is the best.
    :param least: the lowest of them.
    :param counts: whether the output depends on the tables, so that it can be worse for them.
    :param same_class: of scores of several classes, or of the best tokens: in which part of the rows the highest is the same; else None.
    """

    output: str
    measure: str
    mean: float
    least: float
    counts: bool = True
    same_class: float | None = None


def agreements_of(
    model: LoadedModel,
    feeds: Mapping[str, NDArray[Any]],
    wanted: Sequence[Sequence[NDArray[Any]]],
    found: Sequence[Sequence[NDArray[Any]]],
    counting: Sequence[bool] | None = None,
) -> list[Agreement]:
    """How near each output comes to the original.

    :param model: the original.
    :param feeds: inputs of the first run.
    :param wanted: what the original gave in each run, in the order of its outputs.
    :param found: what the changed model gave.
    :param counting: which outputs depend on the tables, where that is known already.
    """
    if model.ranking:
        return _ranked(model, wanted, found)
    counting = depends_on_tables(model, feeds, wanted[0]) if counting is None else counting
    return [
        agreement(
            info.name,
            [outputs[place] for outputs in wanted],
            [outputs[place] for outputs in found],
            counts=counting[place],
            scores=bool(_SCORES.fullmatch(info.name)) or (model.kind == "classification" and not place),
        )
        for place, info in enumerate(model.outputs)
    ]


def _ranked(
    model: LoadedModel, wanted: Sequence[Sequence[NDArray[Any]]], found: Sequence[Sequence[NDArray[Any]]]
) -> list[Agreement]:
    """Of the best logits, and of the tokens that these belong to. Which tokens are among many that are nearly as good says little of a
    model, and does not count."""
    values, tokens = ([outputs[place] for outputs in wanted] for place in (0, 1))
    logits = agreement(model.outputs[0].name, values, [outputs[0] for outputs in found], scores=True)
    parts, best = [np.zeros(0)], [np.zeros(0, bool)]
    for expected, outputs in zip(tokens, found, strict=True):
        given = _cut(np.asarray(outputs[1]), expected.shape)
        rows = list(zip(_numbers(expected), _numbers(given), strict=True))
        parts.append(np.array([np.isin(a, b).mean() for a, b in rows]))
        best.append(np.array([a[0] == b[0] for a, b in rows], bool))
    every, same = np.concatenate(parts), np.concatenate(best)
    mean, least = (float(every.mean()), float(every.min())) if every.size else (1.0, 1.0)
    first = float(same.mean()) if same.size else None
    overlap = Agreement(model.outputs[1].name, "overlap", mean, least, counts=False, same_class=first)
    return [replace(logits, same_class=None), overlap]


def worst_of(agreements: Sequence[Agreement]) -> Agreement:
    """The output that differs most from the original's, among those that count.

    :param agreements: at least one.
    """
    return min([found for found in agreements if found.counts] or agreements, key=lambda found: found.mean)


def depends_on_tables(
    model: LoadedModel, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[NDArray[Any]]
) -> list[bool]:
    """Which outputs change with the rows of the tables; all if there is only one, or if that is not known.

    :param model: the original.
    :param feeds: inputs.
    :param outputs: what it gives for them.
    """
    every = [True] * len(outputs)
    if len(outputs) < 2 or not model.tables:
        return every
    random = np.random.default_rng(_SEED)
    other = model
    try:
        for table in model.tables:
            rows = model.table_weight(table.alias)
            noise = random.standard_normal(rows.shape, np.float32) * (rows.std() or 1)
            other = other.with_rows(table.alias, rows + noise)
    except SpecError:  # a finished model whose tables cannot be replaced for a trial
        return every
    changed = [
        not np.array_equal(before, after, equal_nan=np.issubdtype(before.dtype, np.floating))
        for before, after in zip(outputs, other.reference(feeds), strict=True)
    ]
    return changed if any(changed) else every


def agreement(
    output: str,
    wanted: Sequence[NDArray[Any]],
    found: Sequence[NDArray[Any]],
    *,
    counts: bool = True,
    scores: bool = False,
) -> Agreement:
    """Compare what the original and the export give, over several runs.

    :param output: name of the output.
    :param wanted: what the original gave in each run.
    :param found: what the export gave; an axis may be longer, padded at its end.
    :param counts: whether the output depends on the tables.
    :param scores: whether each row holds scores, such as the logits of classes.
    """
    same_class = None
    pairs = [(a, _cut(np.asarray(b), a.shape)) for a, b in zip(wanted, found, strict=True)]
    if not np.issubdtype(pairs[0][0].dtype, np.floating):
        measure, values = "equal", [np.atleast_1d(np.mean(a == b)) for a, b in pairs]
    elif scores or pairs[0][0].ndim < 2 or pairs[0][0].shape[-1] < _LEAST_COLUMNS:
        measure = "difference"
        rows = [(_numbers(a), _numbers(b)) for a, b in pairs]
        unit = _spread([a for a, _ in rows])
        values = [1 - np.abs(a - b).max(axis=1, initial=0) / unit for a, b in rows]
        if scores and rows[0][0].shape[1] > 1:
            same = [a.argmax(axis=1) == b.argmax(axis=1) for a, b in rows if a.size]
            same_class = float(np.concatenate(same).mean()) if same else None
    else:
        measure = "cosine"
        values = [cosine(_rows(a), _rows(b)) for a, b in pairs]
    # NaN and infinity are like nothing.
    every = np.nan_to_num(np.concatenate(values), nan=0, posinf=0, neginf=0)
    if not every.size:
        return Agreement(output, measure, 1.0, 1.0, counts=False)
    return Agreement(output, measure, float(every.mean()), float(every.min()), counts, same_class)


def alike(wanted: NDArray[Any], found: NDArray[Any], floor: float) -> bool:
    """Whether two results agree.

    :param wanted: of the original.
    :param found: of what was made of it.
    :param floor: the mean agreement below which they do not.
    """
    return wanted.shape == found.shape and agreement("", [wanted], [found]).mean >= floor


def _cut(value: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Without the padding of a runtime of fixed lengths."""
    if value.ndim != len(shape):
        return value.reshape(shape)
    return value[tuple(slice(size) for size in shape)]


def _numbers(value: NDArray[Any]) -> NDArray[np.float64]:
    """Rows along the last axis; of an array of at most one axis, each number for itself."""
    return np.asarray(value, np.float64).reshape(-1, value.shape[-1] if value.ndim > 1 else 1)


def _spread(wanted: Sequence[NDArray[np.float64]]) -> float:
    """How far numbers lie from their mean over all rows, at most: what does not change from text to text is no measure of what does."""
    if len({row.shape[1] for row in wanted}) > 1:
        # A row for each text, as long as the text: of its numbers, none is the same as another text's.
        wanted = [row.reshape(-1, 1) for row in wanted]
    rows = np.concatenate(list(wanted))
    largest = float(np.abs(rows).max(initial=0))
    if len(rows) < 2:
        return largest or 1.0
    return max(float(np.abs(rows - rows.mean(axis=0)).max()), _LEAST_SPREAD * largest) or 1.0


def _rows(value: NDArray[Any]) -> NDArray[np.float32]:
    """Rows along the last axis. A row of zeros, which has no direction, gets one more element, so that it is like another such row."""
    rows = np.asarray(value, np.float32).reshape(-1, value.shape[-1])
    return np.concatenate([rows, ~rows.any(axis=1, keepdims=True)], axis=1, dtype=np.float32)

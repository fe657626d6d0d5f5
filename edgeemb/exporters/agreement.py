"""How close one output of an export is to the original's, by a measure that suits the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.metrics import cosine


@dataclass(frozen=True)
class Agreement:
    """How near an output comes to the original.

    :param output: its name.
    :param measure: ``cosine`` for vectors, row by row along the last axis; ``difference`` for single numbers: 1 less the difference to the
        original's, in units of the largest of these; ``equal`` for integers and truth values: which part of them is the same.
    :param mean: the mean over rows; 1 is the best.
    :param least: the lowest of them.
    :param counts: whether the output depends on the tables, so that it can be worse for them.
    """

    output: str
    measure: str
    mean: float
    least: float
    counts: bool = True


def agreement(
    output: str, wanted: Sequence[NDArray[Any]], found: Sequence[NDArray[Any]], *, counts: bool = True
) -> Agreement:
    """Compare what the original and the export give, over several runs.

    :param output: name of the output.
    :param wanted: what the original gave in each run.
    :param found: what the export gave; an axis may be longer, padded at its end.
    :param counts: whether the output depends on the tables.
    """
    pairs = [(a, _cut(np.asarray(b), a.shape)) for a, b in zip(wanted, found, strict=True)]
    if not np.issubdtype(pairs[0][0].dtype, np.floating):
        measure, values = "equal", [np.atleast_1d(np.mean(a == b)) for a, b in pairs]
    elif pairs[0][0].ndim < 2 or pairs[0][0].shape[-1] == 1:
        measure = "difference"
        unit = max(float(np.abs(a).max(initial=0)) for a, _ in pairs) or 1.0
        values = [1 - np.abs(np.subtract(a, b, dtype=np.float64)).reshape(-1) / unit for a, b in pairs]
    else:
        measure = "cosine"
        values = [cosine(_rows(a), _rows(b)) for a, b in pairs]
    # NaN and infinity are like nothing.
    every = np.nan_to_num(np.concatenate(values), nan=0, posinf=0, neginf=0)
    if not every.size:
        return Agreement(output, measure, 1.0, 1.0, counts=False)
    return Agreement(output, measure, float(every.mean()), float(every.min()), counts)


def _cut(value: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Without the padding of a runtime of fixed lengths."""
    if value.ndim != len(shape):
        return value.reshape(shape)
    return value[tuple(slice(size) for size in shape)]


def _rows(value: NDArray[Any]) -> NDArray[np.float32]:
    """Rows along the last axis. A row of zeros, which has no direction, gets one more element, so that it is like another such row."""
    rows = np.asarray(value, np.float32).reshape(-1, value.shape[-1])
    return np.concatenate([rows, ~rows.any(axis=1, keepdims=True)], axis=1, dtype=np.float32)

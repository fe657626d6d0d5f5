"""Ids that share a row because they are equal modulo a number: the sums that such codecs are fitted with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError


def check_rows(count: int, rows: int) -> None:
    """Refuse more shared rows than the table has rows.

    :param count: the `rows` of a spec.
    :param rows: V.
    :raises SpecError: if it is larger than V.
    """
    if count > rows:
        raise SpecError(
            f"rows={count} is larger than the table, which has {rows} rows: use fewer, or another codec"
        )


def blocks(rows: int, period: int) -> Iterator[tuple[int, slice, slice]]:
    """Runs of `period` successive ids: within a run, the position is the id modulo the period.

    :param rows: V.
    :param period: length of a run; the last may be shorter.
    :return: for each run its number (the id divided by the period), its ids, and their positions.
    """
    for number, low in enumerate(range(0, rows, period)):
        high = min(low + period, rows)
        yield number, slice(low, high), slice(0, high - low)


def fold(values: NDArray[np.float64], period: int) -> NDArray[np.float64]:
    """Sums over ids that are equal modulo a period.

    :param values: float64[V].
    :param period: the divisor.
    :return: float64[period].
    """
    sums = np.zeros(period)
    for _, ids, positions in blocks(len(values), period):
        sums[positions] += values[ids]
    return sums

"""Fewer dimensions: the first ones, or the principal ones; `edgeemb.vectors.learned` has a third way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError

Floats = NDArray[np.float32]

#: Texts of a corpus that are enough for moments, rotations and scales.
ENOUGH = 2000


@dataclass(frozen=True)
class Reduction:
    """A way to fewer dimensions.

    :param name: in specs.
    :param about: what it is, for people.
    :param fit: from a sample float32[N, D] and the number K of dimensions that are left, the matrix float32[K, D] with orthonormal rows;
        None for the first K.
    :param learns: whether it depends on the sample.
    :param texts: texts of a corpus that are enough for it.
    """

    name: str
    about: str
    fit: Callable[[Floats, int], Floats | None]
    learns: bool = False
    texts: int = ENOUGH


def _first(sample: Floats, size: int) -> None:
    """The first dimensions, which models trained for it (Matryoshka, arXiv 2205.13147) put the most into."""


def principal(sample: Floats, size: int, asked: str) -> Floats:
    """The directions in which a sample is largest.

    They are those of the second moments, with the mean left in: of all projections onto so many directions this one keeps inner products
    best (Eckart and Young 1936), and a cosine is one. Taking the mean away would change every cosine, in full dimensions too.

    :param sample: float32[N, D].
    :param size: how many, K.
    :param asked: what was asked for, for an error.
    :return: float32[K, D] with orthonormal rows, the largest direction first.
    :raises InputError: if there are fewer vectors than that.
    """
    if len(sample) < size:
        raise InputError(
            f"{asked} needs at least {size} different texts to be fitted on, there are {len(sample)}: give more with `calibrate`"
        )
    wide = sample.astype(np.float64)
    _, directions = np.linalg.eigh(wide.T @ wide)
    rows = directions[:, ::-1][:, :size].T
    # The sign of a direction is free: the same on every machine.
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    return np.asarray(rows * np.sign(largest), np.float32)


FIRST = Reduction("dim", "the first dimensions", _first)
PRINCIPAL = Reduction(
    "pca",
    "the principal dimensions of calibration texts",
    lambda sample, size: principal(sample, size, f"pca={size}"),
    learns=True,
)

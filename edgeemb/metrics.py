"""Measures of how alike vectors and rankings are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine similarity row by row; 0 where a row is all zero.

    :param left: float[n, D].
    :param right: float[n, D].
    :return: float64[n].
    """
    a, b = left.astype(np.float64), right.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("nd,nd->n", a, b)
    return np.asarray(np.divide(products, norms, out=np.zeros_like(products), where=norms > 0), np.float64)


def spearman(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Spearman's rank correlation: Pearson's of the ranks, where equal values share their mean rank.

    :param left: float64[n], not all equal.
    :param right: float64[n], not all equal.
    :return: a number in [-1, 1].
    """
    return float(np.corrcoef(_ranks(left), _ranks(right))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse.reshape(-1)], np.float64)

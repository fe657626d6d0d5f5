"""Fewer dimensions that keep the neighbours of each text: a projection that is learned from the texts' own vectors.

It begins with the principal dimensions and learns that each text's similarities to the others of a batch rank them as the whole vectors do: the
Kullback-Leibler divergence of their softmax, as between a student and a teacher in Fang and others 2021, "SEED" (arXiv 2101.04731). Principal
dimensions keep all similarities equally well; what a search asks for are those of near texts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeemb.vectors.reduction import Reduction, principal

Floats = NDArray[np.float32]

#: Sharpness of the softmax: similarities of near texts differ by a few hundredths.
_TEMPERATURE = 0.05
_STEPS, _BATCH, _RATE = 600, 512, 1e-3
_SEED = 0


def _learned(sample: Floats, size: int) -> Floats:
    """A projection that ranks texts as the sample's whole vectors do.

    :param sample: float32[N, D], vectors of length 1.
    :param size: dimensions that are left, K.
    :return: float32[K, D].
    :raises InputError: if there are fewer vectors than dimensions that are left.
    """
    matrix = principal(sample, size, f"learned={size}").astype(np.float64)
    mean, square = np.zeros_like(matrix), np.zeros_like(matrix)
    random = np.random.default_rng(_SEED)
    for step in range(1, _STEPS + 1):
        drawn = random.choice(len(sample), min(_BATCH, len(sample)), replace=False)
        gradient = _gradient(matrix.astype(np.float32), sample[drawn])
        # Adam (Kingma and Ba 2015, arXiv 1412.6980), with a rate that falls along a cosine.
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = _RATE * (1 + np.cos(np.pi * step / _STEPS)) / 2
        matrix -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return np.asarray(matrix, np.float32)


def _gradient(matrix: Floats, vectors: Floats) -> Floats:
    """Of the mean divergence of the ranks of some vectors, by the matrix: float32[K, D]."""
    reduced = vectors @ matrix.T
    lengths = np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-12)
    unit = reduced / lengths
    apart = (_ranks(unit) - _ranks(vectors)) / (_TEMPERATURE * len(vectors))
    by_unit = (apart + apart.T) @ unit
    by_reduced = (by_unit - unit * (by_unit * unit).sum(axis=1, keepdims=True)) / lengths
    gradient: Floats = by_reduced.T @ vectors
    return gradient


def _ranks(unit: Floats) -> Floats:
    """The softmax of each vector's similarities to the others: float32[N, N], 0 on the diagonal."""
    scaled = unit @ unit.T / np.float32(_TEMPERATURE)
    np.fill_diagonal(scaled, -np.inf)
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


LEARNED = Reduction(
    "learned", "dimensions that keep the neighbours of calibration texts", _learned, learns=True, texts=10_000
)

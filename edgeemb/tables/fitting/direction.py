"""The subspace that keeps the directions of rows: the fit of ``lowrank:fit=direction``.

Balazy et al. 2021, "Direction is What You Need: Improving Word Embedding Compression in Large Language
Models" (arXiv 2106.08181): a linear autoencoder is trained on the cosine distance, plus a little of the
absolute and the squared one. It is trained here with Adam (Kingma & Ba 2015) from the principal axes of the
normalised rows. Afterwards the encoder is replaced by the projection onto the decoder's span: for a given
decoder no other coordinates have a better cosine or a smaller squared distance.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeemb.tables.codec import Fit

Floats = NDArray[np.float32]
_BATCH = 1024
_STEPS = 1500
_RATE = 2e-3
_ABSOLUTE = 0.05
_SQUARED = 0.05


@dataclass
class _Adam:
    """One parameter under Adam, with the rate falling to zero along a cosine."""

    value: Floats
    first: Floats = field(init=False)
    second: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.first = np.zeros_like(self.value)
        self.second = np.zeros_like(self.value)

    def step(self, gradient: Floats, number: int) -> None:
        self.first += np.float32(0.1) * (gradient - self.first)
        self.second += np.float32(0.01) * (gradient * gradient - self.second)
        rate = _RATE * 0.5 * (1 + np.cos(np.pi * number / _STEPS))
        mean = self.first / np.float32(1 - 0.9 ** (number + 1))
        spread = np.sqrt(self.second / np.float32(1 - 0.99 ** (number + 1)))
        self.value -= np.float32(rate * np.sqrt(self.value.var())) * mean / (spread + np.float32(1e-12))


def turn(fit: Fit, weights: NDArray[np.float64], start: Floats) -> Floats:
    """Train the autoencoder and return its subspace.

    :param fit: the table and how to fit it.
    :param weights: float64[V], how often a row is drawn, relatively.
    :param start: orthonormal columns float32[D, rank] to start from.
    :return: orthonormal columns float32[D, rank].
    """
    rng = np.random.default_rng(fit.seed)
    rows = len(fit.weight)
    cumulated = np.cumsum(weights / weights.sum())
    encoder, decoder = _Adam(start.copy()), _Adam(np.ascontiguousarray(start.T))
    for number in range(_STEPS):
        picked = np.minimum(np.searchsorted(cumulated, rng.random(_BATCH)), rows - 1)
        batch = fit.weight[picked]
        batch = batch / np.maximum(np.linalg.norm(batch, axis=1, keepdims=True), np.float32(1e-12))
        coordinates = batch @ encoder.value
        slope = _slope(batch, coordinates @ decoder.value)
        towards = slope @ decoder.value.T
        decoder.step(coordinates.T @ slope, number)
        encoder.step(batch.T @ towards, number)
        if number % 50 == 0:
            fit.progress(rows * number // _STEPS, rows)
    return np.asarray(np.linalg.qr(decoder.value.T.astype(np.float64))[0], np.float32)


def _slope(batch: Floats, output: Floats) -> Floats:
    """Gradient of the mean loss by the output, for rows float32[n, D] of unit length."""
    length = np.maximum(np.linalg.norm(output, axis=1, keepdims=True), np.float32(1e-6))
    unit = output / length
    cosine = np.einsum("nd,nd->n", batch, unit)[:, None]
    apart = output - batch
    absolute = np.sign(apart) * np.float32(_ABSOLUTE / np.sqrt(batch.shape[1]))
    return np.asarray(
        ((cosine * unit - batch) / length + 2 * _SQUARED * apart + absolute) / len(batch), np.float32
    )

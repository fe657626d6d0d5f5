"""Weight matrices and frequencies that tests fit tables to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeemb.tables import Table

Floats = NDArray[np.float32]


def structured(rows: int, dim: int, seed: int = 0) -> Floats:
    """Rows float32[rows, dim] near a subspace of a quarter of the dimensions, about as large as a model's."""
    rng = np.random.default_rng(seed)
    inner = max(1, dim // 4)
    rough = rng.standard_normal((rows, inner)) @ rng.standard_normal((inner, dim)) / np.sqrt(inner)
    return np.asarray(0.05 * (rough + 0.3 * rng.standard_normal((rows, dim))), np.float32)


def zipf(rows: int) -> NDArray[np.float64]:
    """Frequencies float64[rows] that fall with the id."""
    return 1000 / (np.arange(rows) + 2.7)


def relative_error(table: Table, weight: Floats, frequency: NDArray[np.float64] | None = None) -> float:
    """Squared error of the rows over the squared length of the weights, weighted by frequency if given."""
    counts = np.ones(len(weight)) if frequency is None else frequency
    apart = ((table.reconstruct() - weight) ** 2).sum(axis=1)
    return float((counts * apart).sum() / (counts * (weight**2).sum(axis=1)).sum())


def cosines(table: Table, weight: Floats) -> NDArray[np.float64]:
    """Cosine of each row with its original, float64[V]."""
    rows = table.reconstruct()
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(weight, axis=1)
    return np.asarray((rows * weight).sum(axis=1) / np.maximum(lengths, 1e-12), np.float64)

"""Codec `lowrank`: the table as a tall factor [V, rank] times a small one [rank, D].

``fit=svd`` is the truncated singular value decomposition, computed from the D x D matrix of second moments:
exact, weighted by frequency if known, and of a cost that grows with V only through one product.
``fit=direction`` turns the subspace towards keeping directions (see `edgeemb.tables.fitting.direction`).

``+`` says how the tall factor is stored; the small one is float16. A tall factor that is going to be
quantised is rotated first, which spreads the variance evenly over its columns and changes no row, and the
small factor is fitted again to what was stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.fitting.direction import turn
from edgeemb.tables.fitting.parts import (
    HALF,
    Floats,
    as_half,
    decoded,
    fit_part,
    part_nbytes,
    prefixed,
    row_weights,
)
from edgeemb.tables.program import Ids, MatMul
from edgeemb.tables.space import STORED, SearchSpace, ranks
from edgeemb.tables.spec import Spec

_CHUNK_ROWS = 8192


@dataclass(frozen=True)
class LowRank:
    """Two factors: ``left_rows: float16[V, rank]`` and ``right: float16[rank, D]``.

    :param rank: columns of the tall factor, 1 to D.
    :param fit: ``svd`` or ``direction``.
    """

    rank: int
    fit: Literal["svd", "direction"] = "svd"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise SpecError(f"rank={self.rank} is out of range: use 1 up to the table's dimension")

    def encode(self, fit: Fit) -> Fitted:
        """Find the subspace, store the rows' coordinates in it.

        :param fit: the table and how to fit it.
        :raises SpecError: if the rank is larger than D, or a factor cannot be stored.
        """
        rows, dim = fit.weight.shape
        self._check(dim)
        weights = row_weights(fit)
        if self.fit == "svd":
            basis = principal_axes(fit.weight, weights, self.rank)
        else:
            basis = turn(fit, weights, principal_axes(fit.weight, weights / _squares(fit.weight), self.rank))
        if fit.then is not None:
            basis = basis @ _rotation(self.rank, np.random.default_rng(fit.seed))
        left = fit_part(fit, fit.weight @ basis, fit.then or Spec("fp16"), fit.frequency)
        right = basis.T
        if fit.then is not None and self.fit == "svd":
            right = least_squares(decoded(left, rows), fit.weight, weights)
        fit.progress(rows, rows)
        arrays, program = prefixed(left, "left_", Ids())
        return Fitted(arrays | {"right": as_half(right, "factors")}, MatMul(program, "right"))

    def nbytes(self, shape: Shape) -> int:
        """Bytes of both factors.

        :param shape: the table's shape.
        :raises SpecError: if the rank is larger than D.
        """
        self._check(shape.dim)
        left = part_nbytes(shape, shape.rows, self.rank, shape.then or Spec("fp16"), shape.frequency)
        return left + self.rank * shape.dim * HALF

    def _check(self, dim: int) -> None:
        if self.rank > dim:
            raise SpecError(f"rank={self.rank} is larger than the table's dimension {dim}: use 1 to {dim}")


def _squares(weight: Floats) -> NDArray[np.float64]:
    return np.asarray(np.maximum(np.einsum("vd,vd->v", weight, weight), 1e-12), np.float64)


def _moments(left: Floats, right: Floats, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """``left.T @ diag(weights) @ right`` as float64, by chunks of rows."""
    total: NDArray[np.float64] = np.zeros((left.shape[1], right.shape[1]))
    for low in range(0, len(left), _CHUNK_ROWS):
        part = slice(low, low + _CHUNK_ROWS)
        total += (left[part] * weights[part, None].astype(np.float32)).T @ right[part]
    return total


def principal_axes(weight: Floats, weights: NDArray[np.float64], rank: int) -> Floats:
    """The subspace that keeps most of the weighted squared length of the rows.

    :param weight: float32[V, D].
    :param weights: float64[V].
    :param rank: dimension of the subspace.
    :return: orthonormal columns float32[D, rank], the strongest first.
    """
    _, vectors = np.linalg.eigh(_moments(weight, weight, weights))
    strongest = vectors[:, ::-1][:, :rank]
    # An eigenvector's sign is arbitrary: fix it, so that equal tables give equal factors.
    signs = np.sign(np.take_along_axis(strongest, np.abs(strongest).argmax(axis=0)[None], axis=0))
    return np.ascontiguousarray(strongest * signs, np.float32)


def least_squares(left: Floats, weight: Floats, weights: NDArray[np.float64]) -> Floats:
    """The factor float32[r, D] that brings ``left @ factor`` closest to the rows.

    :param left: float32[V, r].
    :param weight: float32[V, D].
    :param weights: float64[V], what each row counts.
    """
    gram = _moments(left, left, weights)
    gram += np.eye(len(gram)) * (1e-6 * np.trace(gram) / len(gram) + 1e-30)
    return np.asarray(np.linalg.solve(gram, _moments(left, weight, weights)), np.float32)


def _rotation(size: int, rng: np.random.Generator) -> Floats:
    """A random orthogonal matrix float32[size, size]."""
    square, triangle = np.linalg.qr(rng.standard_normal((size, size)))
    return np.asarray(square * np.sign(np.diag(triangle)), np.float32)


def _space(rows: int, dim: int) -> SearchSpace:
    axes = {"rank": ranks(dim, (1, 2, 3, 4, 6, 8, 9)), "then": STORED}
    return SearchSpace("lowrank:rank={rank}+{then}", axes)


CODEC = Codec(
    "lowrank",
    LowRank,
    "lowrank:rank=128+int8",
    "rows that lie near a subspace",
    ("lowrank:rank=8+int8", "lowrank:rank=16"),
    _space,
    composes=True,
)

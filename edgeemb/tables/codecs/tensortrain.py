"""Codec `tt`: the table as a tensor train of two cores.

The id is split into a quotient and a remainder, and the row into a matrix [d1, d2]; the row of an id is the
product of the quotient's matrix [d1, rank] and the remainder's [rank, d2]. Oseledets 2011, "Tensor-Train
Decomposition"; for embedding tables Yin et al. 2021, "TT-Rec" (arXiv 2101.11714). Two cores are used, as
their fit is a matrix factorisation with a known optimum; it is found here by alternating weighted least
squares, which without weights is orthogonal iteration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.fitting.parts import HALF, Floats, as_half, row_weights
from edgeemb.tables.fitting.periods import blocks
from edgeemb.tables.program import BatchMatMul, Divide, Gather, Ids, Modulo
from edgeemb.tables.space import SearchSpace

_ROUNDS = 12


@dataclass(frozen=True)
class TensorTrain:
    """The two cores: ``first: float16[ceil(V / v), d1 * rank]`` and ``second: float16[v, rank * d2]``.

    v is near the square root of V; d1 is the largest divisor of D not above the square root of D, and d2 = D / d1.

    :param rank: inner dimension of the cores.
    """

    rank: int

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise SpecError(f"rank={self.rank} is out of range: use 1 or more")

    def encode(self, fit: Fit) -> Fitted:
        """Fit the cores in turn.

        :param fit: the table and how to fit it.
        :raises SpecError: if the rank is larger than a core has rows, or a core does not fit float16.
        """
        rows, dim = fit.weight.shape
        count, split, high = self._factors(rows, dim)
        weights = row_weights(fit).astype(np.float32)
        rng = np.random.default_rng(fit.seed)
        second = np.asarray(rng.standard_normal((split, self.rank, dim // high)), np.float32)
        first = np.empty((count, high, self.rank), np.float32)
        for number in range(_ROUNDS):
            first = _first(fit.weight, second, weights, first)
            second = _second(fit.weight, first, weights, second)
            # The scale may move between the cores: share it evenly, which suits float16.
            share = np.sqrt((_size(first) + 1e-12) / (_size(second) + 1e-12))
            first, second = first / share, second * share
            fit.progress(rows * (number + 1) // _ROUNDS, rows)
        arrays = {
            "first": as_half(first.reshape(count, -1), "cores"),
            "second": as_half(second.reshape(split, -1), "cores"),
        }
        program = BatchMatMul(
            Gather("first", Divide(Ids(), split)), Gather("second", Modulo(Ids(), split)), self.rank
        )
        return Fitted(arrays, program)

    def nbytes(self, shape: Shape) -> int:
        """Bytes of the cores.

        :param shape: the table's shape.
        :raises SpecError: if the rank is larger than a core has rows.
        """
        count, split, high = self._factors(shape.rows, shape.dim)
        return (count * high + split * (shape.dim // high)) * self.rank * HALF

    def _factors(self, rows: int, dim: int) -> tuple[int, int, int]:
        """Quotients, remainders (v) and d1."""
        split = -(-rows // max(1, round(rows**0.5)))
        high = max(divisor for divisor in range(1, int(dim**0.5) + 1) if dim % divisor == 0)
        count = -(-rows // split)
        limit = min(count * high, split * dim // high)
        if self.rank > limit:
            raise SpecError(
                f"rank={self.rank} is larger than the cores of this table allow: use 1 to {limit}"
            )
        return count, split, high


def _size(core: Floats) -> np.float32:
    """The root mean square of a core."""
    return np.float32(np.sqrt(np.square(core).mean()))


def _ridge(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal matrices [..., r, r], made safe to invert."""
    size = gram.shape[-1]
    trace = np.trace(gram, axis1=-2, axis2=-1)[..., None, None]
    return np.asarray(gram + np.eye(size) * (1e-6 * trace / size + 1e-30))


def _first(weight: Floats, second: Floats, weights: NDArray[np.float32], shape: Floats) -> Floats:
    """The best first core float32[count, d1, r] for a given second core."""
    split, rank, low = second.shape
    count, high, _ = shape.shape
    squares = (second @ second.transpose(0, 2, 1)).reshape(split, -1)
    turned = np.ascontiguousarray(second.transpose(0, 2, 1)).reshape(-1, rank)
    found = np.empty((count, high, rank), np.float32)
    for number, ids, at in blocks(len(weight), split):
        part = (weight[ids] * weights[ids, None]).reshape(-1, high, low).transpose(1, 0, 2).reshape(high, -1)
        gram = (weights[ids] @ squares[at]).reshape(rank, rank).astype(np.float64)
        found[number] = np.linalg.solve(_ridge(gram), (part @ turned[: part.shape[1]]).T).T
    return found


def _second(weight: Floats, first: Floats, weights: NDArray[np.float32], shape: Floats) -> Floats:
    """The best second core float32[split, r, d2] for a first one."""
    split, rank, low = shape.shape
    high = first.shape[1]
    moment = np.zeros((split, rank, low), np.float32)
    for number, ids, at in blocks(len(weight), split):
        moment[at] += first[number].T @ (weight[ids] * weights[ids, None]).reshape(-1, high, low)
    by_pair = np.zeros((len(first), split), np.float32)
    by_pair.reshape(-1)[: len(weights)] = weights
    squares = (first.transpose(0, 2, 1) @ first).reshape(len(first), -1)
    gram = (by_pair.T @ squares).reshape(split, rank, rank).astype(np.float64)
    return np.asarray(np.linalg.solve(_ridge(gram), moment), np.float32)


def _space(rows: int, dim: int) -> SearchSpace:
    return SearchSpace("tt:rank={rank}", {"rank": ("16", "64", "128")})


CODEC = Codec(
    "tt",
    TensorTrain,
    "tt:rank=64",
    "training: the fewest bytes, a small matrix product per row",
    ("tt:rank=4", "tt:rank=8"),
    _space,
    trained=True,
)

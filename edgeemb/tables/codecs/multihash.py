"""Codec `hash`: a row is the sum of `k` rows of one shared table, each chosen by the id modulo another number.

A sum of several rows of one table, without a weight per id, is the Bloom embedding of Serra and Karatzoglou 2017, "Getting Deep
Recommenders Fit" (arXiv 1706.03993). Instead of hash functions the id's remainders by `k` pairwise coprime numbers choose the rows, the
largest being `rows`: two ids that are equal by one differ by another, as in the complementary partitions of Shi et al. 2020 (arXiv
1909.02107), and integer remainders are the same in every runtime.

The shared table is the weighted least-squares solution, found column by column with conjugate gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.fitting.parts import Floats, fit_part, part_nbytes, rebase, row_weights
from edgeemb.tables.fitting.periods import blocks, check_rows, fold
from edgeemb.tables.program import Add, Ids, Modulo, Rows
from edgeemb.tables.space import STORED, SearchSpace, shared_rows
from edgeemb.tables.spec import Spec

_ROUNDS = 25
_COLUMNS = 128


@dataclass(frozen=True)
class MultiHash:
    """``shared_rows: float16[rows, D]``, or the arrays of the codec after ``+``.

    :param rows: rows of the shared table, 16 to V.
    :param k: hashes of an id, 1 to 8.
    """

    rows: int
    k: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.k <= 8:
            raise SpecError(f"k={self.k} is out of range: use 1 to 8 hashes")
        if self.rows < 16:
            raise SpecError(f"rows={self.rows} is out of range: use 16 or more")
        found = len(coprime(self.rows, self.k))
        if found < self.k:
            raise SpecError(
                f"k={self.k} is out of range: only {found} numbers up to rows={self.rows} share no divisor, use {found} hashes or fewer"
            )

    def encode(self, fit: Fit) -> Fitted:
        """Solve for the shared rows.

        :param fit: the table and how to fit it.
        :raises SpecError: if there are more shared rows than rows, or they cannot be stored.
        """
        rows, dim = fit.weight.shape
        check_rows(self.rows, rows)
        moduli = coprime(self.rows, self.k)
        weights = row_weights(fit).astype(np.float32)
        shared = np.empty((self.rows, dim), np.float32)
        for low in range(0, dim, _COLUMNS):
            columns = slice(low, low + _COLUMNS)
            shared[:, columns] = _solve(np.ascontiguousarray(fit.weight[:, columns]), weights, moduli)
            fit.progress(rows * min(low + _COLUMNS, dim) // dim, rows)
        used = None if fit.frequency is None else _used(fit.frequency, moduli)
        part = fit_part(fit, shared, fit.then or Spec("fp16"), used)
        program: Rows = rebase(part.program, "shared_", Modulo(Ids(), moduli[0]))
        for modulus in moduli[1:]:
            program = Add(program, rebase(part.program, "shared_", Modulo(Ids(), modulus)))
        return Fitted({"shared_" + name: array for name, array in part.arrays.items()}, program)

    def nbytes(self, shape: Shape) -> int:
        """Bytes of the shared rows.

        :param shape: the table's shape.
        :raises SpecError: if there are more shared rows than rows.
        """
        check_rows(self.rows, shape.rows)
        used = None if shape.frequency is None else _used(shape.frequency, coprime(self.rows, self.k))
        return part_nbytes(shape, self.rows, shape.dim, shape.then or Spec("fp16"), used)


def coprime(largest: int, count: int) -> list[int]:
    """The largest pairwise coprime numbers, from a given one downwards.

    :param largest: the first of them.
    :param count: how many.
    :return: fewer where there are fewer above 1.
    """
    found = [largest]
    for candidate in range(largest - 1, 1, -1):
        if len(found) == count:
            break
        if all(gcd(candidate, other) == 1 for other in found):
            found.append(candidate)
    return found


def _used(frequency: NDArray[np.float64], moduli: list[int]) -> NDArray[np.float64]:
    """How often each shared row is used; a row that no id uses counts as used least."""
    total = np.zeros(moduli[0])
    for modulus in moduli:
        total[:modulus] += fold(frequency, modulus)
    return np.asarray(np.maximum(total, frequency.min()))


def _spread(shared: Floats, moduli: list[int], rows: int) -> Floats:
    """Rows float32[V, c] that a shared table represents."""
    whole = np.zeros((rows, shared.shape[1]), np.float32)
    for modulus in moduli:
        for _, ids, at in blocks(rows, modulus):
            whole[ids] += shared[at]
    return whole


def _gather(values: Floats, moduli: list[int]) -> Floats:
    """The transpose of `_spread`: sums float32[rows, c] over the ids that use each shared row."""
    sums = np.zeros((moduli[0], values.shape[1]), np.float32)
    for modulus in moduli:
        for _, ids, at in blocks(len(values), modulus):
            sums[at] += values[ids]
    return sums


def _solve(weight: Floats, weights: NDArray[np.float32], moduli: list[int]) -> Floats:
    """Conjugate gradients on the normal equations, each column separately, preconditioned by the diagonal."""
    scale = np.asarray(1 / np.maximum(_gather(weights[:, None], moduli), np.float32(1e-12)), np.float32)
    found = np.zeros((moduli[0], weight.shape[1]), np.float32)
    rest = _gather(weight * weights[:, None], moduli)
    ahead = np.asarray(scale * rest, np.float32)
    towards = ahead.copy()
    size = (rest * ahead).sum(axis=0)
    for _ in range(_ROUNDS):
        image = _gather(_spread(towards, moduli, len(weight)) * weights[:, None], moduli)
        step = size / np.maximum((towards * image).sum(axis=0), np.float32(1e-30))
        found += step * towards
        rest -= step * image
        ahead = np.asarray(scale * rest, np.float32)
        before, size = size, (rest * ahead).sum(axis=0)
        towards = np.asarray(ahead + size / np.maximum(before, np.float32(1e-30)) * towards, np.float32)
    return found


def _space(rows: int, dim: int) -> SearchSpace:
    return SearchSpace("hash:rows={rows},k=2+{then}", {"rows": shared_rows(rows), "then": STORED})


CODEC = Codec(
    "hash",
    MultiHash,
    "hash:rows=4096,k=2",
    "training: nothing is stored for an id",
    ("hash:rows=64,k=2", "hash:rows=64,k=3+int8"),
    _space,
    composes=True,
    trained=True,
    row_options=("rows",),
)

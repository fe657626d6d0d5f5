"""Codec `qr`: a row is the sum, or the product, of a row chosen by the id's remainder and one by its quotient.

Shi et al. 2020, "Compositional Embeddings Using Complementary Partitions for Memory-Efficient Recommendation
Systems" (KDD, arXiv 1909.02107). Each pair of rows belongs to one id only, so no two ids are alike. Fitted by
alternating weighted least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
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
from edgeemb.tables.fitting.periods import blocks, check_rows, fold
from edgeemb.tables.program import Add, Divide, Gather, Ids, Modulo, Multiply
from edgeemb.tables.space import STORED, SearchSpace, shared_rows
from edgeemb.tables.spec import Spec

_ROUNDS = 20
_TINY = np.float32(1e-12)


@dataclass(frozen=True)
class QuotientRemainder:
    """Rows by remainder and rows by quotient.

    ``remainder_rows: float16[rows, D]``, or the arrays of the codec after ``+``, and
    ``quotient: float16[ceil(V / rows), D]``.

    :param rows: the divisor, 1 to V.
    :param op: ``add`` or ``multiply``: how the two rows are put together.
    """

    rows: int
    op: Literal["add", "multiply"] = "add"

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise SpecError(f"rows={self.rows} is out of range: use 1 or more")

    def encode(self, fit: Fit) -> Fitted:
        """Fit both sets of rows in turn.

        :param fit: the table and how to fit it.
        :raises SpecError: if there are more remainders than rows, or an array cannot be stored.
        """
        rows, dim = fit.weight.shape
        check_rows(self.rows, rows)
        weights = row_weights(fit).astype(np.float32)
        count = -(-rows // self.rows)
        if self.op == "multiply":
            quotient = np.asarray(
                1 + 0.1 * np.random.default_rng(fit.seed).standard_normal((count, dim)), np.float32
            )
        else:
            quotient = np.zeros((count, dim), np.float32)
        remainder = self._remainder(fit.weight, quotient, weights)
        for number in range(_ROUNDS):
            quotient = self._quotient(fit.weight, remainder, weights)
            remainder = self._remainder(fit.weight, quotient, weights)
            fit.progress(rows * (number + 1) // _ROUNDS, rows)
        used = None if fit.frequency is None else fold(fit.frequency, self.rows)
        part = fit_part(fit, remainder, fit.then or Spec("fp16"), used)
        stored = as_half(self._quotient(fit.weight, decoded(part, self.rows), weights), "quotient rows")
        arrays, program = prefixed(part, "remainder_", Modulo(Ids(), self.rows))
        other = Gather("quotient", Divide(Ids(), self.rows))
        whole = Multiply(program, other) if self.op == "multiply" else Add(program, other)
        return Fitted(arrays | {"quotient": stored}, whole)

    def nbytes(self, shape: Shape) -> int:
        """Bytes of both sets of rows.

        :param shape: the table's shape.
        :raises SpecError: if there are more remainders than rows.
        """
        check_rows(self.rows, shape.rows)
        used = None if shape.frequency is None else fold(shape.frequency, self.rows)
        remainder = part_nbytes(shape, self.rows, shape.dim, shape.then or Spec("fp16"), used)
        return remainder + -(-shape.rows // self.rows) * shape.dim * HALF

    def _remainder(self, weight: Floats, quotient: Floats, weights: NDArray[np.float32]) -> Floats:
        total = np.zeros((self.rows, weight.shape[1]), np.float32)
        mass = np.full(total.shape, _TINY)
        for number, ids, at in blocks(len(weight), self.rows):
            if self.op == "multiply":
                total[at] += weight[ids] * weights[ids, None] * quotient[number]
                mass[at] += weights[ids, None] * quotient[number] ** 2
            else:
                total[at] += (weight[ids] - quotient[number]) * weights[ids, None]
                mass[at] += weights[ids, None]
        return total / mass

    def _quotient(self, weight: Floats, remainder: Floats, weights: NDArray[np.float32]) -> Floats:
        found = np.empty((-(-len(weight) // self.rows), weight.shape[1]), np.float32)
        for number, ids, at in blocks(len(weight), self.rows):
            if self.op == "multiply":
                weighted = remainder[at] * weights[ids, None]
                found[number] = (weighted * weight[ids]).sum(axis=0) / (
                    (weighted * remainder[at]).sum(axis=0) + _TINY
                )
            else:
                found[number] = weights[ids] @ (weight[ids] - remainder[at]) / weights[ids].sum()
        return found


def _space(rows: int, dim: int) -> SearchSpace:
    return SearchSpace("qr:rows={rows}+{then}", {"rows": shared_rows(rows), "then": STORED})


CODEC = Codec(
    "qr",
    QuotientRemainder,
    "qr:rows=4096",
    "training: each id has its own pair of shared rows",
    ("qr:rows=64+int4", "qr:rows=64,op=multiply"),
    _space,
    composes=True,
    trained=True,
    row_options=("rows",),
)

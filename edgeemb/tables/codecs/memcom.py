"""Codec `memcom`: ids that are equal modulo `rows` share a row, and each id has a number that multiplies it.

Pansare et al. 2022, "Learning Compressed Embeddings for On-Device Inference" (MLSys, MEmCom). For given
weights the best shared row of a group and the best multipliers are the leading singular vectors of the
group's rows, found here by power iteration.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from edgeemb.tables.program import Gather, Ids, Modulo, Multiply
from edgeemb.tables.space import STORED, SearchSpace, shared_rows
from edgeemb.tables.spec import Spec

_ROUNDS = 20


@dataclass(frozen=True)
class Memcom:
    """``shared_rows: float16[rows, D]`` (or the codec after ``+``) and ``scales: float16[V, 1]``.

    :param rows: number of shared rows, 1 to V.
    """

    rows: int

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise SpecError(f"rows={self.rows} is out of range: use 1 or more")

    def encode(self, fit: Fit) -> Fitted:
        """Fit shared rows and multipliers in turn.

        :param fit: the table and how to fit it.
        :raises SpecError: if there are more shared rows than rows, or an array cannot be stored.
        """
        rows = len(fit.weight)
        check_rows(self.rows, rows)
        weights = row_weights(fit).astype(np.float32)
        noise = np.random.default_rng(fit.seed).standard_normal((self.rows, fit.weight.shape[1]))
        shared = fit.weight[: self.rows] + np.asarray(noise, np.float32) * np.float32(
            0.01 * fit.weight.std() + 1e-12
        )
        for number in range(_ROUNDS):
            shared = _shared(fit.weight, _scales(fit.weight, shared), weights, self.rows)
            fit.progress(rows * (number + 1) // _ROUNDS, rows)
        used = None if fit.frequency is None else fold(fit.frequency, self.rows)
        part = fit_part(fit, shared, fit.then or Spec("fp16"), used)
        scales = as_half(_scales(fit.weight, decoded(part, self.rows))[:, None], "multipliers")
        arrays, program = prefixed(part, "shared_", Modulo(Ids(), self.rows))
        return Fitted(arrays | {"scales": scales}, Multiply(program, Gather("scales", Ids())))

    def nbytes(self, shape: Shape) -> int:
        """Bytes of shared rows and multipliers.

        :param shape: the table's shape.
        :raises SpecError: if there are more shared rows than rows.
        """
        check_rows(self.rows, shape.rows)
        used = None if shape.frequency is None else fold(shape.frequency, self.rows)
        shared = part_nbytes(shape, self.rows, shape.dim, shape.then or Spec("fp16"), used)
        return shared + shape.rows * HALF


def _scales(weight: Floats, shared: Floats) -> Floats:
    """The best multiplier of each id, float32[V]."""
    scales = np.empty(len(weight), np.float32)
    square = np.maximum(np.einsum("rd,rd->r", shared, shared), np.float32(1e-30))
    for _, ids, at in blocks(len(weight), len(shared)):
        scales[ids] = np.einsum("nd,nd->n", weight[ids], shared[at]) / square[at]
    return scales


def _shared(weight: Floats, scales: Floats, weights: NDArray[np.float32], count: int) -> Floats:
    """The best shared rows for the multipliers, float32[count, D]; a group's largest multiplier becomes 1."""
    total = np.zeros((count, weight.shape[1]), np.float32)
    mass = np.full(count, 1e-30, np.float32)
    peak = np.full(count, 1e-30, np.float32)
    for _, ids, at in blocks(len(weight), count):
        total[at] += weight[ids] * (weights[ids] * scales[ids])[:, None]
        mass[at] += weights[ids] * scales[ids] ** 2
        np.maximum(peak[at], np.abs(scales[ids]), out=peak[at])
    return np.asarray(total / mass[:, None] * peak[:, None], np.float32)


def _space(rows: int, dim: int) -> SearchSpace:
    return SearchSpace("memcom:rows={rows}+{then}", {"rows": shared_rows(rows), "then": STORED})


CODEC = Codec(
    "memcom",
    Memcom,
    "memcom:rows=4096",
    "training: shared rows, and one number for each id",
    ("memcom:rows=64", "memcom:rows=64+int8"),
    _space,
    composes=True,
    trained=True,
    row_options=("rows",),
)

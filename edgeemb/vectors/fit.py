"""Fitting a vector spec to a model: the projection that becomes a part of it, and the scales of the codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeemb.errors import InputError, SpecError
from edgeemb.vectors.codes import Floats, cosines, unit
from edgeemb.vectors.reduction import ENOUGH
from edgeemb.vectors.registry import REDUCTIONS, codes_of
from edgeemb.vectors.rotation import ROTATIONS
from edgeemb.vectors.spec import VectorSpec


@dataclass(frozen=True)
class Projection:
    """What a model does to its vectors before it scales them to length 1.

    :param dim: dimensions that are left.
    :param matrix: float32[dim, D] that vectors of D dimensions are multiplied by; None where the first are kept.
    """

    dim: int
    matrix: Floats | None = None

    def __call__(self, vectors: Floats) -> Floats:
        """Vectors of length 1, in numpy.

        :param vectors: float32[N, D].
        :return: float32[N, dim].
        """
        return unit(vectors[:, : self.dim] if self.matrix is None else vectors @ self.matrix.T)


@dataclass(frozen=True)
class Fitted:
    """A spec that was fitted.

    :param spec: the spec.
    :param projection: what the model does.
    :param scales: of the codes.
    :param agreement: correlation of the cosines of all pairs of the sample, in full and as stored.
    """

    spec: VectorSpec
    projection: Projection
    scales: tuple[float, ...]
    agreement: float


def check_vectors(spec: VectorSpec, dim: int) -> None:
    """Refuse a spec that vectors of a width cannot have.

    :param spec: the spec.
    :param dim: dimensions of the model's vectors.
    :raises SpecError: if it keeps more than there are, or the codes do not take what is left.
    """
    if spec.size > dim:
        raise SpecError(
            f"vectors '{spec}': {spec.reduction}={spec.size} is past the {dim} dimensions of the model: use {dim} or fewer"
        )
    reason = codes_of(spec).refuses(spec.size or dim)
    if reason:
        raise SpecError(
            f"vectors '{spec}': {reason}: keep fewer dimensions, such as dim={(spec.size or dim) // 8 * 8}"
        )


def learns(spec: VectorSpec) -> bool:
    """Whether a spec is fitted on many texts, and vectors of other texts would be others.

    :param spec: the spec.
    """
    rotation = codes_of(spec).rotation
    reduces = bool(spec.reduction) and REDUCTIONS[spec.reduction].learns
    return reduces or (bool(rotation) and ROTATIONS[rotation].learns)


def enough_texts(spec: VectorSpec) -> int:
    """How many texts of a corpus a spec is fitted on at most.

    :param spec: the spec.
    """
    return REDUCTIONS[spec.reduction].texts if spec.reduction else ENOUGH


def fit_vectors(spec: VectorSpec, sample: Floats, seed: int) -> Fitted:
    """Fit a spec to the vectors of some texts.

    :param spec: the spec.
    :param sample: float32[N, D], the model's own vectors of different texts.
    :param seed: seed of a rotation.
    :raises SpecError: if the spec does not fit the width.
    :raises InputError: if a vector is not finite, or there are too few.
    """
    check_vectors(spec, sample.shape[1])
    if not np.isfinite(sample).all():
        raise InputError(
            "the model gives vectors with NaN or infinite values: check it with a few texts first"
        )
    full = unit(sample)
    dim = spec.size or full.shape[1]
    matrix = REDUCTIONS[spec.reduction].fit(full, dim) if spec.reduction else None
    codes = codes_of(spec)
    if codes.rotation:
        rotation = ROTATIONS[codes.rotation].fit(Projection(dim, matrix)(full), seed)
        if rotation is not None:
            kept = np.eye(dim, full.shape[1], dtype=np.float32) if matrix is None else matrix
            matrix = np.asarray(rotation @ kept, np.float32)
    projection = Projection(dim, matrix)
    reduced = projection(full)
    scales = codes.fit(reduced)
    stored = codes.pack(reduced, scales)
    near = agreement(cosines(full, full), codes.scores(stored, stored, projection.dim, scales))
    return Fitted(spec, projection, scales, near)


def agreement(wanted: Floats, found: Floats) -> float:
    """The correlation of the similarities of all pairs of different texts, as they are and as they should be; 1 where there is nothing to compare.

    :param wanted: float32[N, N].
    :param found: float32[N, N].
    """
    above = np.triu_indices(len(wanted), 1)
    first, second = wanted[above], found[above]
    if len(first) < 2 or not first.std() or not second.std():
        return 1.0
    return float(np.corrcoef(first, second)[0, 1])

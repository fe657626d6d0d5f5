"""Codec `cluster`: rows are sorted into clusters, each with its own centre and low-rank basis.

The clustered low-rank embeddings of MCUBERT (Yang et al. 2024, arXiv 2410.17957), fitted to given weights:
starting from k-means, each cluster's centre and principal axes and each row's cluster (the one that leaves the
least of it) are improved in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.codecs.lowrank import principal_axes
from edgeemb.tables.fitting.kmeans import kmeans, nearest, sample_rows
from edgeemb.tables.fitting.parts import HALF, Floats, as_half, fit_part, part_nbytes, prefixed, row_weights
from edgeemb.tables.program import Add, BatchMatMul, Gather, Ids, Take
from edgeemb.tables.space import STORED, SearchSpace, ranks
from edgeemb.tables.spec import Spec

_TRAIN_ROWS = 1 << 15
_ROUNDS = 4
_CHUNK_ROWS = 8192


@dataclass(frozen=True)
class Cluster:
    """A cluster per row, a centre and a basis per cluster, coefficients per row.

    ``clusters: uint8[V]``, ``centers: float16[k, D]``, ``bases: float16[k, rank * D]``, and
    ``coefficients_rows: float16[V, rank]`` or the arrays of the codec after ``+``.

    :param k: clusters, 2 to 256.
    :param rank: dimension of each cluster's basis, 1 to D.
    """

    k: int
    rank: int

    def __post_init__(self) -> None:
        if not 2 <= self.k <= 256:
            raise SpecError(
                f"k={self.k} is out of range: use 2 to 256 clusters, as a cluster's number is one byte"
            )
        if self.rank < 1:
            raise SpecError(f"rank={self.rank} is out of range: use 1 up to the table's dimension")

    def encode(self, fit: Fit) -> Fitted:
        """Fit clusters and their bases in turn; ``+`` says how the coefficients are stored.

        :param fit: the table and how to fit it.
        :raises SpecError: if there are more clusters than rows, the rank exceeds D, or a value is too large.
        """
        rows, dim = fit.weight.shape
        self._check(rows, dim)
        rng = np.random.default_rng(fit.seed)
        taken, mass = sample_rows(row_weights(fit), _TRAIN_ROWS, rng)
        points = fit.weight[taken]
        clusters = nearest(points, kmeans(points, self.k, mass, rng, 8))[0]
        for number in range(_ROUNDS):
            centers, bases = self._fit_bases(points, clusters, mass)
            clusters = _assign(points, centers, bases)
            fit.progress(rows * (number + 1) // (_ROUNDS + 2), rows)
        stored_centers = as_half(centers, "centres")
        stored_bases = as_half(bases, "bases")
        centers = stored_centers.astype(np.float32)
        clusters = _assign(fit.weight, centers, bases)
        coefficients = np.empty((rows, self.rank), np.float32)
        for number in range(self.k):
            own = np.flatnonzero(clusters == number)
            coefficients[own] = (fit.weight[own] - centers[number]) @ bases[number].T
        part = fit_part(fit, coefficients, fit.then or Spec("fp16"), fit.frequency)
        fit.progress(rows, rows)
        arrays, program = prefixed(part, "coefficients_", Ids())
        arrays |= {
            "clusters": clusters.astype(np.uint8),
            "centers": stored_centers,
            "bases": stored_bases.reshape(self.k, -1),
        }
        cluster = Take("clusters", Ids())
        return Fitted(
            arrays, Add(BatchMatMul(program, Gather("bases", cluster), self.rank), Gather("centers", cluster))
        )

    def nbytes(self, shape: Shape) -> int:
        """Bytes of numbers, centres, bases and coefficients.

        :param shape: the table's shape.
        :raises SpecError: if there are more clusters than rows, or the rank exceeds D.
        """
        self._check(shape.rows, shape.dim)
        own = part_nbytes(shape, shape.rows, self.rank, shape.then or Spec("fp16"), shape.frequency)
        return own + shape.rows + self.k * (1 + self.rank) * shape.dim * HALF

    def _check(self, rows: int, dim: int) -> None:
        if self.rank > dim or self.k > rows:
            raise SpecError(
                f"k={self.k},rank={self.rank} does not fit a table of {rows} x {dim}: use smaller numbers"
            )

    def _fit_bases(
        self, points: Floats, clusters: NDArray[np.intp], mass: NDArray[np.float64]
    ) -> tuple[Floats, Floats]:
        """Centres float32[k, D] and orthonormal bases float32[k, rank, D]; an empty cluster gets all rows."""
        centers = np.empty((self.k, points.shape[1]), np.float32)
        bases = np.empty((self.k, self.rank, points.shape[1]), np.float32)
        for number in range(self.k):
            own = np.flatnonzero(clusters == number)
            own = own if len(own) else np.arange(len(points))
            centers[number] = np.average(points[own], axis=0, weights=mass[own])
            bases[number] = principal_axes(points[own] - centers[number], mass[own], self.rank).T
        return centers, bases


def _assign(points: Floats, centers: Floats, bases: Floats) -> NDArray[np.intp]:
    """The cluster with the smallest squared distance to each row, intp[n]."""
    found = np.empty(len(points), np.intp)
    for low in range(0, len(points), _CHUNK_ROWS):
        part = points[low : low + _CHUNK_ROWS]
        left = np.empty((len(part), len(centers)), np.float32)
        for number, (center, basis) in enumerate(zip(centers, bases, strict=True)):
            apart = part - center
            inside = apart @ basis.T
            left[:, number] = np.einsum("nd,nd->n", apart, apart) - np.einsum("nr,nr->n", inside, inside)
        found[low : low + _CHUNK_ROWS] = left.argmin(axis=1)
    return found


def _space(rows: int, dim: int) -> SearchSpace:
    axes = {"k": ("8", "16"), "rank": ranks(dim, (1, 2, 4)), "then": STORED}
    return SearchSpace("cluster:k={k},rank={rank}+{then}", axes)


CODEC = Codec(
    "cluster",
    Cluster,
    "cluster:k=16,rank=64+int4",
    "rows in groups, each near its own subspace",
    ("cluster:k=4,rank=8+int4", "cluster:k=4,rank=16"),
    _space,
    composes=True,
)

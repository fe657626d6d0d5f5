"""Codec `pq`: product quantisation. A row is assembled from `m` parts, each one of `k` centroids.

Jegou et al. 2011, "Product Quantization for Nearest Neighbor Search"; used for embedding tables in
FastText.zip (Joulin et al. 2016, arXiv 1612.03651), where ``norm=1`` comes from: rows are coded as
directions, and a scale per row carries their length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.fitting.kmeans import kmeans, nearest, sample_rows
from edgeemb.tables.fitting.parts import HALF, Floats, as_half, decoded, row_weights
from edgeemb.tables.program import CodebookLookup, Gather, Ids, Multiply
from edgeemb.tables.space import SearchSpace, parts

#: Rows that centroids are fitted to at most; all rows are assigned.
TRAIN_ROWS = 1 << 16
MAX_CENTROIDS = 256


def check_centroids(count: int) -> None:
    """Codes are bytes.

    :param count: the `k` of a spec.
    :raises SpecError: if codes of a byte cannot number them.
    """
    if not 2 <= count <= MAX_CENTROIDS:
        raise SpecError(
            f"k={count} is out of range: use 2 to {MAX_CENTROIDS} centroids, as a code is one byte"
        )


@dataclass(frozen=True)
class ProductQuantized:
    """Codes per row and the codebooks that they point into.

    ``codes: uint8[V, m]``, ``codebooks: float16[m, min(k, V), D / m]``; with `norm`
    also ``scales: float16[V, 1]``.

    :param m: parts of a row; must divide D.
    :param k: centroids of a part, 2 to 256.
    :param norm: 1 to code directions and store a scale per row.
    """

    m: int
    k: int = 256
    norm: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        check_centroids(self.k)
        if self.m < 1:
            raise SpecError(f"m={self.m} is out of range: use a divisor of the table's dimension")

    def encode(self, fit: Fit) -> Fitted:
        """Fit a codebook to each part by k-means, then code every row.

        :param fit: the table and how to fit it.
        :raises SpecError: if m does not divide D, or a centroid or scale does not fit float16.
        """
        rows, dim = fit.weight.shape
        width = self._width(dim)
        lengths = np.linalg.norm(fit.weight, axis=1)
        weights = row_weights(fit)
        rng = np.random.default_rng(fit.seed)
        if self.norm:
            weights = weights * np.maximum(lengths.astype(np.float64) ** 2, 1e-12)
        taken, mass = sample_rows(weights, TRAIN_ROWS, rng)
        count = min(self.k, rows)
        codes = np.empty((rows, self.m), np.uint8)
        books = np.empty((self.m, count, width), np.float16)
        for part in range(self.m):
            points = np.array(fit.weight[:, part * width : (part + 1) * width], order="C")
            if self.norm:
                points /= np.maximum(lengths, np.float32(1e-30))[:, None]
            books[part] = as_half(kmeans(points[taken], count, mass, rng), "centroids")
            codes[:, part] = nearest(points, books[part].astype(np.float32))[0]
            fit.progress(rows * (part + 1) // self.m, rows)
        arrays: dict[str, NDArray[Any]] = {"codes": codes, "codebooks": books}
        coded = Fitted(arrays, CodebookLookup(Ids(), "codes", "codebooks"))
        if not self.norm:
            return coded
        scales = as_half(_best_scales(fit.weight, decoded(coded, rows)), "row scales")
        return Fitted(arrays | {"scales": scales}, Multiply(coded.program, Gather("scales", Ids())))

    def nbytes(self, shape: Shape) -> int:
        """Bytes of codes, codebooks and scales.

        :param shape: the table's shape.
        :raises SpecError: if m does not divide D.
        """
        books = self.m * min(self.k, shape.rows) * self._width(shape.dim) * HALF
        return shape.rows * (self.m + self.norm * HALF) + books

    def _width(self, dim: int) -> int:
        if dim % self.m:
            raise SpecError(
                f"m={self.m} does not divide the table's dimension {dim}: use m={_divisor(dim, self.m)}"
            )
        return dim // self.m


def _best_scales(weight: Floats, rows: Floats) -> Floats:
    """Scales float32[V, 1] that bring the rows closest to the weights."""
    square = np.einsum("vd,vd->v", rows, rows)
    dot = np.einsum("vd,vd->v", rows, weight)
    return np.asarray(np.divide(dot, square, out=np.zeros_like(dot), where=square > 0)[:, None], np.float32)


def _divisor(dim: int, wanted: int) -> int:
    """The divisor of a dimension that is nearest to a number."""
    return min(
        (number for number in range(1, dim + 1) if dim % number == 0), key=lambda number: abs(number - wanted)
    )


def _space(rows: int, dim: int) -> SearchSpace:
    widths = parts(dim, (2, 3, 4, 6, 8, 12, 16, 24))
    return SearchSpace(
        "pq:m={m},k={k},norm={norm}", {"m": widths, "k": ("64", "128", "256"), "norm": ("0", "1")}
    )


CODEC = Codec(
    "pq",
    ProductQuantized,
    "pq:m=96",
    "a tenth of the bytes or less: the best quality without training",
    ("pq:m=8", "pq:m=16,k=50,norm=1"),
    _space,
)

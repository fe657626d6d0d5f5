"""Codec `rvq`: a row is the sum of `m` codewords, one from each of `m` codebooks as wide as the row.

Shu & Nakayama 2018, "Compressing Word Embeddings via Deep Compositional Code Learning" (arXiv 1711.01068)
learn such codes with a network; here they are fitted directly: residual k-means first, then alternately
codes by beam search and all codebooks at once by least squares, as in additive quantisation (Babenko &
Lempitsky 2014, "Additive Quantization for Extreme Vector Compression").

The codebooks take ``m * k * D * 2`` bytes: this codec is for tables with many more rows than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.codecs.codebook import TRAIN_ROWS, check_centroids
from edgeemb.tables.fitting.kmeans import kmeans, nearest, sample_rows
from edgeemb.tables.fitting.parts import HALF, Floats, as_half, row_weights
from edgeemb.tables.program import CodebookLookup, Ids
from edgeemb.tables.space import SearchSpace

_ROUNDS = 4
_BEAM = 6
_CHUNK_ROWS = 256
_KMEANS_ROUNDS = 10


@dataclass(frozen=True)
class Residual:
    """``codes: uint8[V, m]`` and ``codebooks: float16[m, min(k, V), D]``.

    :param m: codebooks, 1 to 64.
    :param k: codewords in each, 2 to 256.
    """

    m: int
    k: int = 256

    def __post_init__(self) -> None:
        check_centroids(self.k)
        if not 1 <= self.m <= 64:
            raise SpecError(f"m={self.m} is out of range: use 1 to 64 codebooks")

    def encode(self, fit: Fit) -> Fitted:
        """Fit codebooks and codes in turn.

        :param fit: the table and how to fit it.
        :raises SpecError: if a codeword does not fit float16.
        """
        rows = len(fit.weight)
        rng = np.random.default_rng(fit.seed)
        taken, mass = sample_rows(row_weights(fit), TRAIN_ROWS, rng)
        points = fit.weight[taken]
        steps = self.m + _ROUNDS + 1
        books = np.empty((self.m, min(self.k, rows), points.shape[1]), np.float32)
        rest = points.copy()
        for level in range(self.m):
            books[level] = kmeans(rest, books.shape[1], mass, rng, _KMEANS_ROUNDS)
            rest -= books[level][nearest(rest, books[level])[0]]
            fit.progress(rows * (level + 1) // steps, rows)
        best, best_loss = books, np.inf
        for number in range(_ROUNDS):
            codes, errors = _search(points, books)
            loss = float((errors * mass).sum())
            if loss < best_loss:
                best, best_loss = books, loss
            books = _refit(points, codes, mass, books)
            fit.progress(rows * (self.m + number + 1) // steps, rows)
        _, errors = _search(points, books)
        stored = as_half(books if float((errors * mass).sum()) < best_loss else best, "codewords")
        codes, _ = _search(fit.weight, stored.astype(np.float32))
        fit.progress(rows, rows)
        return Fitted(
            {"codes": codes, "codebooks": stored}, CodebookLookup(Ids(), "codes", "codebooks", True)
        )

    def nbytes(self, shape: Shape) -> int:
        """Bytes of codes and codebooks.

        :param shape: the table's shape.
        """
        return self.m * (shape.rows + min(self.k, shape.rows) * shape.dim * HALF)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(low, low + _CHUNK_ROWS) for low in range(0, count, _CHUNK_ROWS))


def _search(points: Floats, books: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Codes uint8[n, m] by beam search, and squared distances float32[n].

    A partial sum is judged through products alone: ``|x - s - c|^2 = |x - s|^2 - 2 x.c + |c|^2 + 2 s.c``.
    """
    levels, size, dim = books.shape
    flat = books.reshape(levels * size, dim)
    inner = (flat @ flat.T).reshape(levels, size, levels, size)
    codes = np.empty((len(points), levels), np.uint8)
    errors = np.empty(len(points), np.float32)
    for part in _chunks(len(points)):
        block = points[part]
        products = (block @ flat.T).reshape(len(block), levels, size)
        paths, scores = _beam(products, inner)
        codes[part] = paths
        errors[part] = np.maximum(scores + np.einsum("nd,nd->n", block, block), 0)
    return codes, errors


def _beam(products: Floats, inner: Floats) -> tuple[NDArray[np.uint8], Floats]:
    count, levels, size = products.shape
    paths = np.zeros((count, 1, 0), np.intp)
    scores = np.zeros((count, 1), np.float32)
    for level in range(levels):
        gain = np.diagonal(inner[level, :, level]) - 2 * products[:, level]
        ahead = scores[:, :, None] + gain[:, None, :]
        for earlier in range(level):
            ahead += 2 * inner[earlier, :, level][paths[:, :, earlier]]
        ahead = ahead.reshape(count, -1)
        keep = min(_BEAM, ahead.shape[1])
        chosen = np.argpartition(ahead, keep - 1, axis=1)[:, :keep]
        scores = np.take_along_axis(ahead, chosen, axis=1)
        parents = np.take_along_axis(paths, (chosen // size)[:, :, None], axis=1)
        paths = np.concatenate([parents, (chosen % size)[:, :, None]], axis=2)
    winner = scores.argmin(axis=1)
    return paths[np.arange(count), winner].astype(np.uint8), scores[np.arange(count), winner]


def _refit(points: Floats, codes: NDArray[np.uint8], mass: NDArray[np.float64], books: Floats) -> Floats:
    """All codebooks at once, by least squares for the given codes; an unused codeword stays where it was."""
    levels, size, dim = books.shape
    normal = np.zeros((levels, size, levels, size))
    moment = np.empty((levels, size, dim))
    numbers = codes.astype(np.intp)
    for level in range(levels):
        for other in range(level, levels):
            counts = np.bincount(numbers[:, level] * size + numbers[:, other], mass, size * size).reshape(
                size, size
            )
            normal[level, :, other] = counts
            normal[other, :, level] = counts.T
        for column in range(dim):
            moment[level, :, column] = np.bincount(numbers[:, level], points[:, column] * mass, size)
    flat = normal.reshape(levels * size, levels * size)
    # A constant may move from one codebook to another: a small pull to the old ones decides where it stays.
    pull = 1e-3 * np.trace(flat) / len(flat)
    flat[np.diag_indices_from(flat)] += pull
    target = moment.reshape(levels * size, dim) + pull * books.reshape(levels * size, dim)
    return np.asarray(np.linalg.solve(flat, target).reshape(books.shape), np.float32)


def _space(rows: int, dim: int) -> SearchSpace:
    return SearchSpace("rvq:m={m}", {"m": ("2", "4", "8")})


CODEC = Codec(
    "rvq",
    Residual,
    "rvq:m=8",
    "very large tables, such as multilingual ones",
    ("rvq:m=3,k=16", "rvq:m=2,k=60"),
    _space,
)

"""Weighted k-means over rows, in bounded memory, used to fit codebooks and clusters.

Lloyd's algorithm from a k-means++ start (Arthur & Vassilvitskii 2007, "k-means++: The Advantages of Careful
Seeding"). Distances come from one matrix product per chunk of rows, as ``argmin |x - c|^2 = argmax 2 x.c -
|c|^2``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Chunks that stay in the cache, and below what BLAS hands to several threads.
_CHUNK_SCORES = 1 << 16
_SEED_ROWS_PER_CENTROID = 32
_SETTLED = 1e-4


def sample_rows(
    weights: NDArray[np.float64], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows to fit on when there are too many: drawn in proportion to their weight; the heaviest are always included.

    Systematic sampling with inclusion probabilities ``min(1, c w)``; dividing the weights by them keeps
    weighted sums unbiased.

    :param weights: float64[n], positive.
    :param size: how many rows to draw, about; all are taken if there are no more.
    :param rng: source of randomness.
    :return: rising row numbers intp[s], and their weights float64[s].
    """
    if len(weights) <= size:
        return np.arange(len(weights), dtype=np.intp), weights
    share = weights / weights.max()
    factor = size / share.sum()
    for _ in range(20):
        chance = np.minimum(1.0, share * factor)
        factor *= size / chance.sum()
    chance = np.minimum(1.0, share * factor)
    steps: NDArray[np.float64] = np.floor(np.cumsum(chance) + rng.random())
    taken = np.flatnonzero(np.diff(steps, prepend=0.0) > 0)
    return taken, np.asarray(weights[taken] / chance[taken])


def nearest(points: Floats, centroids: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The nearest centroid of each point.

    :param points: float32[n, d].
    :param centroids: float32[k, d].
    :return: numbers of the centroids intp[n], and squared distances float32[n].
    """
    codes = np.empty(len(points), np.intp)
    errors = np.empty(len(points), np.float32)
    doubled = np.ascontiguousarray(2 * centroids.T)
    norms = np.einsum("kd,kd->k", centroids, centroids)
    step = max(1, _CHUNK_SCORES // len(centroids))
    for low in range(0, len(points), step):
        part = points[low : low + step]
        scores = part @ doubled
        scores -= norms
        best = scores.argmax(axis=1)
        codes[low : low + step] = best
        errors[low : low + step] = (
            np.einsum("nd,nd->n", part, part) - np.take_along_axis(scores, best[:, None], axis=1)[:, 0]
        )
    return codes, np.maximum(errors, 0, out=errors)


def weighted_means(
    points: Floats, codes: NDArray[np.intp], weights: NDArray[np.float64], count: int
) -> tuple[Floats, NDArray[np.float64]]:
    """Means of groups of points.

    :param points: float32[n, d].
    :param codes: group of each point, intp[n] below `count`.
    :param weights: float64[n].
    :param count: number of groups.
    :return: means float32[count, d] (zero for an empty group), and the groups' total weights float64[count].
    """
    mass = np.asarray(np.bincount(codes, weights, count), np.float64)
    means = np.empty((count, points.shape[1]), np.float32)
    inverse = np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > 0)
    for column in range(points.shape[1]):
        means[:, column] = np.bincount(codes, points[:, column] * weights, count) * inverse
    return means, mass


def kmeans(
    points: Floats, count: int, weights: NDArray[np.float64], rng: np.random.Generator, rounds: int = 25
) -> Floats:
    """Centroids that make the weighted squared distance of the points to the nearest of them small.

    :param points: float32[n, d].
    :param count: number of centroids.
    :param weights: float64[n], positive.
    :param rng: source of randomness.
    :param rounds: rounds at most; it stops when a round gains less than 0.01 %.
    :return: float32[count, d].
    """
    centroids = _plus_plus(points, count, weights, rng)
    before = np.inf
    for _ in range(rounds):
        codes, errors = nearest(points, centroids)
        losses = errors * weights
        total = float(losses.sum())
        centroids, mass = weighted_means(points, codes, weights, count)
        empty = np.flatnonzero(mass == 0)
        if len(empty):
            # An empty centroid goes where the loss is greatest.
            worst = np.argsort(-losses, kind="stable")[: len(empty)]
            centroids[empty[: len(worst)]] = points[worst]
        elif total >= before * (1 - _SETTLED):
            break
        before = total
    return centroids


def _plus_plus(points: Floats, count: int, weights: NDArray[np.float64], rng: np.random.Generator) -> Floats:
    taken, mass = sample_rows(weights, count * _SEED_ROWS_PER_CENTROID, rng)
    pool = points[taken]
    centroids = np.zeros((count, points.shape[1]), np.float32)
    loss = np.asarray(mass, np.float64)
    nearest_yet = np.full(len(pool), np.inf, np.float32)
    for number in range(count):
        cumulated = np.cumsum(loss)
        if cumulated[-1] <= 0:
            break
        pick = min(int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right")), len(pool) - 1)
        centroids[number] = pool[pick]
        apart = pool - pool[pick]
        np.minimum(nearest_yet, np.einsum("nd,nd->n", apart, apart), out=nearest_yet)
        loss = nearest_yet * mass
    return centroids

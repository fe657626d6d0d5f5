"""A shortlist of the rows of a table for a vector: codes that a scan reads instead of the table, bit by bit as runtimes/kernels/shortlist.h
defines them.

Rows are rotated, so that the elements of all of them are alike, and coded three at a time by one codebook of 16 entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.fitting.kmeans import nearest, weighted_means
from edgeemb.tables.logits import quantized_products
from edgeemb.tables.top import best_of

Floats = NDArray[np.float32]

#: Elements of a rotated row that share a code of 4 bits.
PART = 3
#: The longest rows that the kernels take.
MOST_DIM = 65536

_BLOCK, _ENTRIES, _MOST = 64, 16, np.float32(127)
_LEAST = np.float32(2.0**-100)
_SAMPLE, _ROUNDS, _SEED = 1 << 14, 20, 5
#: How many rows are coded at a time.
_ROWS = 4096


@dataclass(frozen=True)
class Shortlist:
    """What a scan reads of a table.

    :param codes: uint8[ceil(V / 64), pairs, 64]: byte 4 j + c of a pair holds the codes of row 16 c + j of the block, the even part's in its
        low bits.
    :param scales: float32[ceil(V / 64) * 64], a factor for each row.
    :param codebook: float32[16, part].
    """

    codes: NDArray[np.uint8]
    scales: Floats
    codebook: Floats

    @property
    def part(self) -> int:
        """Elements that share a code."""
        return int(self.codebook.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of all of it."""
        return self.codes.nbytes + self.scales.nbytes + self.codebook.nbytes


def fit_shortlist(rows: Floats, part: int = PART) -> Shortlist:
    """Code the rows of a table.

    The mean of the rows is taken off first: it adds the same to the product of a vector with each of them.

    :param rows: float32[V, D].
    :param part: elements that share a code.
    :raises SpecError: if the rows are longer than the kernels take, or not finite.
    """
    count, dim = rows.shape
    if dim > MOST_DIM:
        raise SpecError(f"a shortlist takes rows of up to {MOST_DIM} elements, and these have {dim}")
    if not np.isfinite(rows).all():
        raise SpecError("a shortlist cannot code rows that hold NaN or an infinity")
    mean = rows.mean(axis=0, dtype=np.float64) if count else np.zeros(dim)
    places = np.random.default_rng(_SEED).permutation(count)
    some = _normalised(rows[np.sort(places[:_SAMPLE])], mean, part)[0]
    codebook = _fit_codebook(some.reshape(-1, part))
    blocks = -(-count // _BLOCK)
    pairs = -(-_parts(dim, part) // 2)
    codes = np.zeros((blocks * _BLOCK, 2 * pairs), np.uint8)
    scales = np.zeros(blocks * _BLOCK, np.float32)
    for low in range(0, count, _ROWS):
        directions, lengths = _normalised(rows[low : low + _ROWS], mean, part)
        chosen = nearest(directions.reshape(-1, part), codebook)[0].reshape(len(directions), -1)
        coded = codebook[chosen].reshape(directions.shape)
        # So that the coded row has the product with the row that the row has with itself.
        shared = np.einsum("rd,rd->r", directions, coded)
        squares = np.einsum("rd,rd->r", directions, directions)
        factor = np.where(shared > 0, squares / np.where(shared > 0, shared, 1), 1) * lengths
        codes[low : low + len(chosen), : chosen.shape[1]] = chosen
        scales[low : low + len(chosen)] = factor
    packed = codes[:, 0::2] | codes[:, 1::2] << 4
    by_row = packed.reshape(blocks, 4, _BLOCK // 4, pairs)
    return Shortlist(
        np.ascontiguousarray(by_row.transpose(0, 3, 2, 1).reshape(blocks, pairs, _BLOCK)), scales, codebook
    )


def shortlist_scores(hidden: Floats, shortlist: Shortlist, rows: int) -> Floats:
    """What a scan gives each row of a table for some vectors.

    :param hidden: float32[N, D].
    :param shortlist: the codes of the rows.
    :param rows: V.
    :return: float32[N, V]; NaN for a vector that is not finite.
    """
    entries, steps, lows = _queries(hidden, shortlist.codebook)
    codes = _unpacked(shortlist.codes)[:rows, : entries.shape[1]]
    found = np.empty((len(hidden), rows), np.float32)
    for number, (query, step, low) in enumerate(zip(entries, steps, lows, strict=True)):
        sums = query[np.arange(query.shape[0]), codes].sum(axis=1).astype(np.float32)
        found[number] = (sums * step + low) * shortlist.scales[:rows]
    return found


def shortlist_products(
    hidden: Floats,
    codes: NDArray[np.uint8],
    scales: NDArray[np.floating],
    layout: tuple[int, int, int],
    shortlist: Shortlist,
    candidates: int,
    top: int,
    bias: Floats | None = None,
) -> tuple[Floats, NDArray[np.int64]]:
    """The best products of vectors with a packed table among those rows that a scan takes for the best.

    :param hidden: float32[N, D].
    :param codes: uint8[V, planes * ceil(D / (8 / bits))], planar as in `edgeemb.tables.program.unpack_codes`.
    :param scales: float16 or float32[V, planes * D / block].
    :param layout: bits, block and planes.
    :param shortlist: the codes of the rows.
    :param candidates: rows whose products are computed.
    :param top: how many of them are wanted.
    :param bias: float32[V] that is added to scores and products.
    :return: values float32[N, top] and rows int64[N, top], the best first.
    :raises InputError: if `candidates` is more than V, or `top` more than that.
    """
    bits, block, planes = layout
    scores = shortlist_scores(hidden, shortlist, len(codes))
    scores = scores if bias is None else scores + bias
    chosen = np.sort(best_of(scores, candidates)[1], axis=1)
    values = np.empty((len(hidden), top), np.float32)
    rows = np.empty((len(hidden), top), np.int64)
    for number, some in enumerate(chosen):
        products = quantized_products(hidden[number, None], codes[some], scales[some], bits, block, planes)
        products = products if bias is None else products + bias[some]
        best, places = best_of(products, top)
        values[number], rows[number] = best[0], some[places[0]]
    return values, rows


def _padded(dim: int) -> int:
    return -(-dim // _BLOCK) * _BLOCK


def _parts(dim: int, part: int) -> int:
    return -(-_padded(dim) // part)


def _signs(count: int, turn: int) -> Floats:
    mixed = np.arange(count, dtype=np.uint32) + np.uint32(65536 * turn)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed = (mixed ^ mixed >> np.uint32(shift)) * np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    return np.where(mixed & np.uint32(1), np.float32(-1), np.float32(1))


def _turned(values: Floats, turn: int) -> Floats:
    """Signs, and a Walsh-Hadamard transform of each 64 elements, divided by 8."""
    count, padded = values.shape
    found = values * _signs(padded, turn)
    half = 1
    while half < _BLOCK:
        pairs = found.reshape(count, padded // (2 * half), 2, half)
        left, right = pairs[:, :, 0], pairs[:, :, 1]
        found = np.stack([left + right, left - right], axis=2).reshape(count, padded)
        half *= 2
    return found * np.float32(0.125)


def rotated(vectors: Floats, part: int = 1) -> Floats:
    """Vectors after the fixed rotation.

    :param vectors: float32[N, D].
    :param part: what the result's width is padded to a multiple of, beyond that of 64.
    :return: float32[N, D'], with zeros at the end where `part` wants more.
    """
    count, dim = vectors.shape
    padded = _padded(dim)
    filled = np.zeros((count, padded), np.float32)
    filled[:, :dim] = vectors
    filled = _turned(filled, 0)
    spread = filled.reshape(count, padded // _BLOCK, _BLOCK).transpose(0, 2, 1).reshape(count, padded)
    found = np.zeros((count, _parts(dim, part) * part), np.float32)
    found[:, :padded] = _turned(spread, 1)
    return found


def _normalised(rows: Floats, mean: NDArray[np.float64], part: int) -> tuple[Floats, Floats]:
    """Rotated rows whose elements have a mean square of 1, and what they were divided by."""
    found = rotated((rows - mean).astype(np.float32), part)
    lengths = np.sqrt(np.square(found, dtype=np.float64).sum(axis=1) / max(_padded(rows.shape[1]), 1))
    lengths = lengths.astype(np.float32)
    return np.asarray(found / np.where(lengths > 0, lengths, 1)[:, None], np.float32), lengths


def _fit_codebook(points: Floats) -> Floats:
    """Sixteen entries for some points [N, part], by Lloyd's algorithm."""
    random = np.random.default_rng(_SEED)
    points = points[random.permutation(len(points))[: _ROUNDS * _SAMPLE]]
    # Where it begins: points of the distribution that rotated elements nearly have.
    entries = random.standard_normal((_ENTRIES, points.shape[1])).astype(np.float32)
    even = np.ones(len(points))
    for _ in range(_ROUNDS):
        chosen, _ = nearest(points, entries)
        means, counts = weighted_means(points, chosen, even, _ENTRIES)
        entries = np.where(counts[:, None] > 0, means, entries)
    return entries


def _queries(hidden: Floats, codebook: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Entries int64[N, parts, 16] in [0, 127], and the step and the low float32[N] of each vector."""
    part = codebook.shape[1]
    largest = np.abs(hidden).max(axis=1, initial=0)
    finite = np.isfinite(hidden).all(axis=1)
    used = finite & (largest >= _LEAST)
    safe = np.where(used, largest, np.float32(1))
    vectors = np.where(used[:, None], hidden, np.float32(0)) / safe[:, None]
    queries = rotated(np.asarray(vectors, np.float32), part)
    queries = queries.reshape(len(hidden), queries.shape[1] // part, 1, part)
    products = queries[..., 0] * codebook[:, 0]
    for element in range(1, part):
        products = products + queries[..., element] * codebook[:, element]
    low = products.min(axis=2)
    ranges = (products.max(axis=2) - low).max(axis=1, initial=0)
    factor = np.where(ranges > 0, _MOST / np.where(ranges > 0, ranges, 1), 0).astype(np.float32)
    entries = np.rint(np.minimum((products - low[..., None]) * factor[:, None, None], _MOST)).astype(np.int64)
    total = np.zeros(len(hidden), np.float32)
    for column in low.T:
        total = total + column
    zero = np.where(finite, np.float32(0), np.float32(np.nan))
    steps = np.where(used, ranges / _MOST * safe, np.float32(0))
    return np.where(used[:, None, None], entries, 0), steps, np.where(used, total * safe, zero)


def _unpacked(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes uint8[V', parts]: a row for each place of a block, a column for each part of a pair."""
    blocks, pairs, _ = codes.shape
    by_row = codes.reshape(blocks, pairs, _BLOCK // 4, 4).transpose(0, 3, 2, 1).reshape(-1, pairs)
    found = np.empty((len(by_row), 2 * pairs), np.uint8)
    found[:, 0::2], found[:, 1::2] = by_row & 15, by_row >> 4
    return found

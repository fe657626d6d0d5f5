"""Products of vectors with all rows of a stored table, bit by bit as runtimes/kernels/logits.h defines them.

Vectors are quantised to 15 bits and a sign, each by itself; the sums of four products are exact, and what is rounded is rounded in one order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_CHUNK, _LANES, _GROUP = 64, 16, 4
_MOST = np.float32(32639)
_LEAST = np.float32(2.0**-100)
#: The code that stands for zero; at 1 and 2 bits codes are doubled first.
_ZERO = {8: 128, 4: 8, 2: 3, 1: 1}
#: How many rows of a table are unpacked at a time.
_ROWS = 2048


def quantize_vectors(hidden: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Vectors as integers.

    :param hidden: float32[N, D].
    :return: int64[N, D] in [-32639, 32639], and the step float32[N] of each vector: NaN for one that is not finite.
    """
    most = np.abs(hidden).max(axis=1, initial=0)
    finite = np.isfinite(hidden).all(axis=1)
    used = finite & (most >= _LEAST)
    safe = np.where(used, most, np.float32(1))
    values = np.where(used[:, None], hidden, np.float32(0)) * (_MOST / safe)[:, None]
    steps = np.where(used, safe / _MOST, np.where(finite, np.float32(0), np.float32(np.nan)))
    return np.rint(values).astype(np.int64), np.asarray(steps, np.float32)


def quantized_products(
    hidden: Floats, codes: NDArray[np.uint8], scales: NDArray[Any], bits: int, block: int, planes: int = 1
) -> Floats:
    """Products with every row of a packed table, whose layout is that of `edgeemb.tables.program.unpack_codes`.

    :param hidden: float32[N, D].
    :param codes: uint8[V, planes * ceil(D / (8 / bits))].
    :param scales: float16 or float32[V, planes * D / block].
    :param bits: 8, 4, 2 or 1.
    :param block: elements that share a scale.
    :param planes: residual planes, added up in order.
    :return: float32[N, V].
    """
    whole, steps = quantize_vectors(hidden)
    steps = steps * np.float32(0.5) if bits < 4 else steps
    found = [
        _rows_products(whole, codes[low : low + _ROWS], scales[low : low + _ROWS], bits, block, planes)
        for low in range(0, len(codes), _ROWS)
    ]
    totals = np.concatenate(found, axis=1) if found else np.zeros((len(hidden), 0), np.float32)
    return np.asarray(totals * steps[:, None], np.float32)


def _rows_products(
    whole: NDArray[np.int64],
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    bits: int,
    block: int,
    planes: int,
) -> Floats:
    """Products float32[N, R] with some rows, but for the steps."""
    dim, rows = whole.shape[1], len(codes)
    columns = codes.shape[1] // planes
    packed = codes.reshape(rows, planes, columns)
    factors = scales.astype(np.float32).reshape(rows, planes, -1)
    lanes = np.zeros((len(whole), rows, _LANES), np.float32)
    for plane in range(planes):
        for start in range(0, columns, _CHUNK):
            for part in range(8 // bits):
                _add_part(
                    lanes,
                    whole,
                    packed[:, plane],
                    factors[:, plane],
                    bits,
                    block,
                    part,
                    (start, columns, dim),
                )
    half = _LANES // 2
    while half:
        lanes = lanes[:, :, :half] + lanes[:, :, half : 2 * half]
        half //= 2
    return lanes[:, :, 0]


def _add_part(
    lanes: Floats,
    whole: NDArray[np.int64],
    packed: NDArray[np.uint8],
    factors: Floats,
    bits: int,
    block: int,
    part: int,
    place: tuple[int, int, int],
) -> None:
    """Add the part of a chunk to its lanes: sums of four products, or of as many as share a block, times their scale."""
    start, columns, dim = place
    first = part * columns + start
    count = max(0, min(_CHUNK, columns - start, dim - first))
    if not count:
        return
    levels = (packed[:, start : start + count] >> np.uint8(part * bits) & np.uint8(2**bits - 1)).astype(
        np.int64
    )
    levels = (levels * 2 if bits < 4 else levels) - _ZERO[bits]
    element = np.arange(first, first + count)
    lane, own = np.arange(count) // _GROUP, element // block
    # The blocks of a lane, counted from its first: a term each.
    turn = own - own[lane * _GROUP]
    for number in range(int(turn.max()) + 1):
        for used in np.unique(lane[turn == number]):
            chosen = np.flatnonzero((turn == number) & (lane == used))
            sums = whole[:, element[chosen]] @ levels[:, chosen].T
            lanes[:, :, used] += sums.astype(np.float32) * factors[:, own[chosen[0]]]


def codebook_products(
    hidden: Floats, codes: NDArray[np.uint8], codebooks: NDArray[Any], additive: bool
) -> Floats:
    """Products with rows that are assembled from codebooks: those with the entries are computed once, then looked up and added in order.

    :param hidden: float32[N, D].
    :param codes: uint8[V, M].
    :param codebooks: float16 or float32[M, K, D / M] (additive: [M, K, D]).
    :param additive: whether entries are added up, rather than put side by side.
    :return: float32[N, V].
    """
    books = codebooks.astype(np.float32)
    count, _, part = books.shape
    total: Floats | None = None
    for book in range(count):
        vectors = hidden if additive else hidden[:, book * part : (book + 1) * part]
        products = _products_in_order(vectors, books[book])[:, codes[:, book]]
        total = products if total is None else total + products
    assert total is not None
    return total


def _products_in_order(vectors: Floats, entries: Floats) -> Floats:
    """float32[N, d] times float32[K, d] to float32[N, K]: each product is rounded, then added, from the first element on."""
    total = np.zeros((len(vectors), len(entries)), np.float32)
    for element in range(entries.shape[1]):
        total = total + vectors[:, element, None] * entries[None, :, element]
    return total

"""Dynamic embeddings: a row computed from the bytes of a token, exact in float32.

After EELBERT (Cohn et al. 2023, arXiv 2310.20144), with every detail specified that the paper leaves open; docs/codecs/ngram.md documents
them for other implementations and tests/golden/ngram.json holds vectors. Every intermediate is an integer below 2**24, so that float32,
int32 and 16-bit arithmetic agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError

#: B: hashes, seeds and bases lie below it. A prime, and the largest whose square plus a byte stays below 2**24.
MODULUS = 4093
#: Subtracted from a product modulo B, so that it is in [-CENTRE, CENTRE].
CENTRE = MODULUS // 2
#: Bytes of a token that count, its marker included; the rest of a longer token is cut off.
MAX_TOKEN_BYTES = 32
#: Lanes that a row may have: element j of a part belongs to lane j modulo lanes.
LANES = (1, 2, 4, 8, 16)
#: The longest n-gram.
MAX_N = 8

#: First byte of a token that begins a word.
BEGINS = b"\x02"
#: First byte of a token that goes on with a word.
CONTINUES = b"\x01"

# Numerical Recipes' linear congruential generator: any language repeats it in one line.
_FACTOR, _STEP = 1_664_525, 1_013_904_223
# Bounds the memory of `rows_of_tokens`: a token takes its n-grams times the elements of a row.
_CHUNK_TOKENS = 512
# Bases below this would let the bytes of a short token stand in the hash unmixed.
_LEAST_BASE = 257


def parts_of(n: int, lanes: int, dim: int) -> list[tuple[int, int]]:
    """Which elements of a row belong to the n-grams of each size: the sizes share them 1 : 2 : ... : n.

    :param n: longest n-gram.
    :param lanes: lanes of the row.
    :param dim: elements of a row, a multiple of `lanes`.
    :return: the half-open range of each size from 1 to n; every bound is a multiple of `lanes`.
    """
    shares = n * (n + 1) // 2
    bounds = [dim * (size * (size + 1) // 2) // shares // lanes * lanes for size in range(n)]
    return list(zip(bounds, [*bounds[1:], dim], strict=True))


def check_sizes(n: int, lanes: int, dim: int) -> None:
    """Refuse sizes that no implementation takes.

    :param n: longest n-gram.
    :param lanes: lanes of the row.
    :param dim: elements of a row.
    :raises SpecError: if a size is out of range, or a size of n-gram would get no element.
    """
    if lanes not in LANES:
        raise SpecError(f"lanes={lanes} is not possible: use {', '.join(map(str, LANES))}")
    if not 1 <= n <= MAX_N:
        raise SpecError(f"n={n} is out of range: use 1 to {MAX_N}")
    if dim < 1 or dim % lanes:
        raise SpecError(f"dim={dim} is not a positive multiple of lanes={lanes}")
    if dim > 1 << 15 or any(low == high for low, high in parts_of(n, lanes, dim)):
        raise SpecError(
            f"dim={dim} does not suit n={n}, lanes={lanes}: use {lanes * n * (n + 1) // 2} to {1 << 15}"
        )


def draw_seeds(lanes: int, dim: int, seed: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """The constants of a hash, drawn from a linear congruential generator of 32 bits.

    :param lanes: lanes of the row.
    :param dim: elements of a row.
    :param seed: where the generator starts.
    :return: seeds int16[dim] in [1, B) and bases int16[lanes] in [257, B), all bases different.
    """
    state = seed & 0xFFFFFFFF

    def below(bound: int) -> int:
        nonlocal state
        state = (state * _FACTOR + _STEP) & 0xFFFFFFFF
        return (state >> 16) % bound

    bases: list[int] = []
    while len(bases) < lanes:
        base = _LEAST_BASE + below(MODULUS - _LEAST_BASE)
        if base not in bases:
            bases.append(base)
    seeds = [1 + below(MODULUS - 1) for _ in range(dim)]
    return np.array(seeds, np.int16), np.array(bases, np.int16)


def join_tokens(tokens: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Token bytes end to end, each cut to `MAX_TOKEN_BYTES`.

    :param tokens: bytes of each token, marker included.
    :return: uint8[total] and starts int32[len(tokens) + 1]: token i is ``bytes[starts[i]:starts[i + 1]]``.
    """
    cut = [token[:MAX_TOKEN_BYTES] for token in tokens]
    starts = np.zeros(len(cut) + 1, np.int32)
    np.cumsum([len(token) for token in cut], out=starts[1:])
    # No runtime takes an array of no elements.
    return np.frombuffer(b"".join(cut) or b"\0", np.uint8).copy(), starts


def pad_tokens(tokens: Sequence[bytes], width: int) -> NDArray[np.uint8]:
    """Tokens as the byte form takes them: zero-padded, or cut to the width.

    :param tokens: bytes of each token, marker included; none holds a zero byte.
    :param width: bytes of each padded token.
    :return: uint8[len(tokens), width].
    """
    padded = np.zeros((len(tokens), width), np.uint8)
    for row, token in zip(padded, tokens, strict=True):
        row[: len(token)] = np.frombuffer(token[:width], np.uint8)
    return padded


def ngram_rows(
    padded: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    seeds: NDArray[np.int16],
    bases: NDArray[np.int16],
    n: int,
) -> NDArray[np.float32]:
    """Rows of tokens: the definition of a correct row.

    The hash of an n-gram in a lane with base a is ``h = (h * a + byte + 1) mod B`` over its bytes, from ``h = 0``. Element j of the part of
    its size is ``sum over n-grams of ((h * seed[j]) mod B - CENTRE)``, an exact integer, times ``float32(1 / (CENTRE * n-grams))``. A token
    with fewer bytes than n has one n-gram of that size: itself. A token without bytes is the row of zeros.

    :param padded: uint8[N, L], the bytes of each token; bytes past its length do not count.
    :param lengths: int64[N], in [0, L].
    :param seeds: int16[dim] in [1, B).
    :param bases: int16[lanes] in [1, B).
    :param n: longest n-gram.
    :return: float32[N, dim].
    """
    count, width = padded.shape
    lanes, dim = len(bases), len(seeds)
    codes = padded.astype(np.int32) + 1
    places = np.arange(width)
    hashes = np.zeros((count, width, lanes), np.int32)
    rows = np.zeros((count, dim), np.float32)
    filled = np.flatnonzero(lengths > 0)
    if not len(filled):
        return rows
    for size, (low, high) in enumerate(parts_of(n, lanes, dim), start=1):
        # Byte `size - 1` of the n-gram that begins at each place; past the token's end a shorter one stays as it is.
        last = places + size - 1
        inside = last[None, :] < lengths[:, None]
        following = codes[:, np.minimum(last, width - 1), None]
        hashes = np.where(inside[:, :, None], _modulo(hashes * bases.astype(np.int32) + following), hashes)
        counted = inside | ((places == 0) & (lengths > 0)[:, None])
        grams = counted.sum(axis=1)[filled]
        spread = seeds[low:high].astype(np.int32).reshape(-1, lanes)
        centred = _modulo(hashes[counted][:, None, :] * spread) - CENTRE
        total = np.add.reduceat(centred, np.cumsum(grams) - grams)
        scale = np.float32(1) / (CENTRE * grams).astype(np.float32)
        rows[filled, low:high] = total.reshape(len(filled), -1).astype(np.float32) * scale[:, None]
    return rows


def _modulo(values: NDArray[np.int32]) -> NDArray[np.int32]:
    # numpy divides by a constant several times faster than it takes a remainder.
    return np.asarray(values - values // MODULUS * MODULUS, np.int32)


def rows_of_tokens(
    tokens: NDArray[np.uint8],
    starts: NDArray[np.int32],
    index: NDArray[np.int64],
    seeds: NDArray[np.int16],
    bases: NDArray[np.int16],
    n: int,
) -> NDArray[np.float32]:
    """Rows of some of the concatenated tokens.

    :param tokens: uint8[total], as `join_tokens` gives it.
    :param starts: int32[V + 1].
    :param index: int64[N], each in [0, V); a token that comes again is computed once.
    :param seeds: int16[dim].
    :param bases: int16[lanes].
    :param n: longest n-gram.
    :return: float32[N, dim].
    """
    unique, inverse = np.unique(index, return_inverse=True)
    first = starts[unique].astype(np.int64)
    lengths = starts[unique + 1].astype(np.int64) - first
    rows = np.empty((len(unique), len(seeds)), np.float32)
    for low in range(0, len(unique), _CHUNK_TOKENS):
        part = slice(low, low + _CHUNK_TOKENS)
        places = first[part, None] + np.arange(max(int(lengths[part].max(initial=1)), 1))
        padded = tokens[np.minimum(places, len(tokens) - 1)]
        rows[part] = ngram_rows(padded, lengths[part], seeds, bases, n)
    return rows[inverse]

"""A thin binding of the lookup kernels, for tests and benchmarks."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError, NativeError
from edgeemb.native.libraries import open_library

_ABI_VERSION = 8
_ID_OUT_OF_RANGE = 1
CODE_OUT_OF_RANGE = 5
_STATUS = {
    2: "the sizes do not fit together",
    3: "an element type or bit width is unknown",
    4: "this processor cannot run the variant",
}
_ID_TYPES: dict[np.dtype[Any], int] = {np.dtype(np.int32): 0, np.dtype(np.int64): 1}
FLOAT_TYPES: dict[np.dtype[Any], int] = {np.dtype(np.float16): 2, np.dtype(np.float32): 3}


def variants() -> list[str]:
    """Names of the kernel variants that this processor can run, fastest first; ``serial`` is always the last.

    :raises NativeError: if the kernel library is missing or of another version.
    """
    kernels = kernel_library()
    names: list[str] = []
    while name := kernels.edgeemb_variant(len(names)):
        names.append(name.decode())
    return names


def quantized_lookup(
    ids: NDArray[Any],
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    bits: int,
    dim: int,
    block: int = 0,
    planes: int = 1,
    variant: str | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Rows of a quantised table by the native kernel. The layout is that of `edgeemb.tables.program.unpack_codes`.

    :param ids: int32 or int64[N], each in [0, V).
    :param codes: uint8[V, planes * ceil(dim / (8 / bits))]; need not be aligned.
    :param scales: float16 or float32[V, planes * dim / block]; need not be aligned.
    :param bits: 8, 4, 2 or 1.
    :param dim: elements in a row.
    :param block: elements that share a scale; 0 for one scale per row.
    :param planes: residual planes, added up in order.
    :param variant: a name of `variants`, or None for the fastest.
    :param out: float32[N, dim] that is written and returned; need not be aligned.
    :return: float32[N, dim].
    :raises InputError: if an id is out of range, or the arrays do not fit each other.
    :raises NativeError: if the kernel library is missing, or cannot run the variant here.
    """
    rows = len(codes)
    blocks = dim // block if block > 0 else 1
    width = -(-dim * bits // 8)
    if out is None:
        out = np.empty((len(ids), dim), np.float32)
    check_arrays(
        ("ids", ids, tuple(_ID_TYPES), (len(ids),)),
        ("codes", codes, (np.dtype(np.uint8),), (rows, planes * width)),
        ("scales", scales, tuple(FLOAT_TYPES), (rows, planes * blocks)),
        ("out", out, (np.dtype(np.float32),), (len(ids), dim)),
    )
    position = ctypes.c_int64(-1)
    status = kernel_library().edgeemb_quantized_lookup(
        variant.encode() if variant is not None else None,
        codes.ctypes.data,
        scales.ctypes.data,
        FLOAT_TYPES[scales.dtype],
        rows,
        bits,
        dim,
        block,
        planes,
        ids.ctypes.data,
        _ID_TYPES[ids.dtype],
        len(ids),
        out.ctypes.data,
        ctypes.byref(position),
    )
    asked = f"bits={bits} dim={dim} block={block} planes={planes} variant={variant}"
    raise_for(status, ids, position.value, rows, asked)
    return out


def codebook_lookup(
    ids: NDArray[Any],
    codes: NDArray[np.uint8],
    codebooks: NDArray[Any],
    additive: bool = False,
    variant: str | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Rows assembled from codebooks by the native kernel, as `edgeemb.tables.program.CodebookLookup` describes them.

    :param ids: int32 or int64[N], each in [0, V).
    :param codes: uint8[V, M], each below K; need not be aligned.
    :param codebooks: float16 or float32[M, K, d]; need not be aligned.
    :param additive: whether the entries of a row are added up in order, rather than put side by side.
    :param variant: a name of `variants`, or None for the fastest.
    :param out: float32[N, d] (additive) or [N, M * d] that is written and returned; need not be aligned.
    :return: float32[N, d] or [N, M * d].
    :raises InputError: if an id or a code is out of range, or the arrays do not fit each other.
    :raises NativeError: if the kernel library is missing, or cannot run the variant here.
    """
    check_codebooks(codebooks)
    rows = len(codes)
    books, entries, part = codebooks.shape
    dim = part if additive else books * part
    if out is None:
        out = np.empty((len(ids), dim), np.float32)
    check_arrays(
        ("ids", ids, tuple(_ID_TYPES), (len(ids),)),
        ("codes", codes, (np.dtype(np.uint8),), (rows, books)),
        ("codebooks", codebooks, tuple(FLOAT_TYPES), (books, entries, part)),
        ("out", out, (np.dtype(np.float32),), (len(ids), dim)),
    )
    position = ctypes.c_int64(-1)
    status = kernel_library().edgeemb_codebook_lookup(
        variant.encode() if variant is not None else None,
        codes.ctypes.data,
        codebooks.ctypes.data,
        FLOAT_TYPES[codebooks.dtype],
        rows,
        books,
        entries,
        part,
        additive,
        ids.ctypes.data,
        _ID_TYPES[ids.dtype],
        len(ids),
        out.ctypes.data,
        ctypes.byref(position),
    )
    if status == CODE_OUT_OF_RANGE:
        row = ids[position.value]
        raise InputError(
            f"row {row} (id at position {position.value}) holds code {codes[row].max()}, outside [0, {entries}), the entries of a codebook"
        )
    asked = f"books={books} entries={entries} part={part} additive={additive} variant={variant}"
    raise_for(status, ids, position.value, rows, asked)
    return out


def ngram_lookup(
    ids: NDArray[Any],
    tokens: NDArray[np.uint8],
    starts: NDArray[np.int32],
    seeds: NDArray[np.int16],
    bases: NDArray[np.int16],
    n: int,
    variant: str | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Rows computed from the bytes of tokens by the native kernel, as `edgeemb.tables.ngrams.rows_of_tokens` defines them.

    :param ids: int32 or int64[N], each in [0, V).
    :param tokens: uint8[total]; need not be aligned, as all that follow.
    :param starts: int32[V + 1]: token i is ``tokens[starts[i]:starts[i + 1]]``, at most 32 bytes.
    :param seeds: int16[dim], each in [1, 4093).
    :param bases: int16[lanes], each in [1, 4093).
    :param n: longest n-gram.
    :param variant: a name of `variants`, or None for the fastest.
    :param out: float32[N, dim] that is written and returned; need not be aligned.
    :return: float32[N, dim].
    :raises InputError: if an id is out of range, the bounds of a token are, or the arrays do not fit each other.
    :raises NativeError: if the kernel library is missing, cannot run the variant here, or refuses the constants.
    """
    rows = max(len(starts) - 1, 0)
    if out is None:
        out = np.empty((len(ids), len(seeds)), np.float32)
    check_arrays(
        ("ids", ids, tuple(_ID_TYPES), (len(ids),)),
        ("tokens", tokens, (np.dtype(np.uint8),), (len(tokens),)),
        ("starts", starts, (np.dtype(np.int32),), (rows + 1,)),
        ("seeds", seeds, (np.dtype(np.int16),), (len(seeds),)),
        ("bases", bases, (np.dtype(np.int16),), (len(bases),)),
        ("out", out, (np.dtype(np.float32),), (len(ids), len(seeds))),
    )
    position = ctypes.c_int64(-1)
    status = kernel_library().edgeemb_ngram_lookup(
        variant.encode() if variant is not None else None,
        tokens.ctypes.data,
        len(tokens),
        starts.ctypes.data,
        rows,
        *(seeds.ctypes.data, len(seeds), bases.ctypes.data, len(bases), n),
        ids.ctypes.data,
        _ID_TYPES[ids.dtype],
        len(ids),
        out.ctypes.data,
        ctypes.byref(position),
    )
    if status == CODE_OUT_OF_RANGE:
        row = ids[position.value]
        raise InputError(
            f"token {row} (id at position {position.value}) spans bytes {starts[row]} to {starts[row + 1]}: not 0 to 32 of the {len(tokens)}"
        )
    asked = f"n={n} lanes={len(bases)} dim={len(seeds)} variant={variant}"
    raise_for(status, ids, position.value, rows, asked)
    return out


def ngram_bytes(
    padded: NDArray[np.uint8],
    seeds: NDArray[np.int16],
    bases: NDArray[np.int16],
    n: int,
    variant: str | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Rows of tokens that come as their bytes, by the native kernel.

    :param padded: uint8[N, L]: the bytes of a token, then zeros; 32 bytes count; need not be aligned, as all that follow.
    :param seeds: int16[dim], each in [1, 4093).
    :param bases: int16[lanes], each in [1, 4093).
    :param n: longest n-gram.
    :param variant: a name of `variants`, or None for the fastest.
    :param out: float32[N, dim] that is written and returned; need not be aligned.
    :return: float32[N, dim].
    :raises InputError: if the arrays do not fit each other.
    :raises NativeError: if the kernel library is missing, cannot run the variant here, or refuses the constants.
    """
    count, width = padded.shape
    if out is None:
        out = np.empty((count, len(seeds)), np.float32)
    check_arrays(
        ("padded", padded, (np.dtype(np.uint8),), (count, width)),
        ("seeds", seeds, (np.dtype(np.int16),), (len(seeds),)),
        ("bases", bases, (np.dtype(np.int16),), (len(bases),)),
        ("out", out, (np.dtype(np.float32),), (count, len(seeds))),
    )
    status = kernel_library().edgeemb_ngram_bytes(
        variant.encode() if variant is not None else None,
        *(seeds.ctypes.data, len(seeds), bases.ctypes.data, len(bases), n),
        *(padded.ctypes.data, count, width, out.ctypes.data),
    )
    asked = f"n={n} lanes={len(bases)} dim={len(seeds)} width={width} variant={variant}"
    raise_for(status, seeds, 0, 0, asked)
    return out


def check_arrays(*wanted: tuple[str, NDArray[Any], tuple[np.dtype[Any], ...], tuple[int, ...]]) -> None:
    """Refuse arrays that are not contiguous, or of another dtype or shape; each with its name, dtypes and shape."""
    for name, array, dtypes, shape in wanted:
        if array.dtype not in dtypes or array.shape != shape or not array.flags.c_contiguous:
            raise InputError(
                f"{name} is {array.dtype}{list(array.shape)}: expected contiguous {'/'.join(map(str, dtypes))}{list(shape)}"
            )


def check_codebooks(codebooks: NDArray[Any]) -> None:
    """Refuse codebooks that have not the three axes of books, entries and the values of an entry."""
    if codebooks.ndim != 3:
        raise InputError(
            f"codebooks is {codebooks.dtype}{list(codebooks.shape)}: expected [books, entries, part]"
        )


def raise_for(status: int, ids: NDArray[Any], position: int, rows: int, asked: str) -> None:
    """Word the status of a kernel, unless it is success."""
    if status == _ID_OUT_OF_RANGE:
        raise InputError(
            f"id {ids[position]} at position {position} is outside [0, {rows}), the rows of the table"
        )
    if status:
        raise refused("lookup", asked, status)


def refused(kernel: str, asked: str, status: int) -> NativeError:
    """The error of a kernel that does not do what it was asked for.

    :param kernel: which.
    :param asked: its sizes and variant, in words.
    :param status: what it returned, of `runtimes/kernels/status.h`.
    """
    return NativeError(f"the {kernel} kernel refused {asked}: {_STATUS.get(status, f'status {status}')}")


@cache
def kernel_library() -> ctypes.CDLL:
    """The kernel library, its functions typed.

    :raises NativeError: if it is missing, or of another version.
    """
    kernels = open_library("edgeemb_kernels", "edgeemb_abi_version", _ABI_VERSION)
    pointer, int32, int64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    kernels.edgeemb_variant.restype = ctypes.c_char_p
    kernels.edgeemb_variant.argtypes = [int32]
    kernels.edgeemb_quantized_lookup.restype = int32
    kernels.edgeemb_quantized_lookup.argtypes = [
        ctypes.c_char_p,
        *(pointer, pointer, int32, int64, int32, int32, int32, int32),
        *(pointer, int32, int64, pointer, pointer),
    ]
    kernels.edgeemb_logits_memory.restype = int64
    kernels.edgeemb_logits_memory.argtypes = [int32, int32, int32, int64]
    kernels.edgeemb_quantized_logits.restype = int32
    kernels.edgeemb_quantized_logits.argtypes = [
        ctypes.c_char_p,
        *(pointer, pointer, int32, int64, int32, int32, int32, int32),
        *(pointer, int64, pointer, int64, int64, pointer, pointer),
    ]
    table = (pointer, pointer, int32, int64, int32, int32, int32, int32)
    kernels.edgeemb_quantized_top.restype = int32
    kernels.edgeemb_quantized_top.argtypes = [
        ctypes.c_char_p,
        *table,
        *(pointer, int64, pointer, int64, int64, pointer, pointer, pointer),
    ]
    kernels.edgeemb_shortlist_top.restype = int32
    kernels.edgeemb_shortlist_top.argtypes = [
        ctypes.c_char_p,
        *table,
        *(pointer, pointer, int64, pointer, pointer, pointer, int32, int64, int64),
        *(pointer, pointer, pointer),
    ]
    kernels.edgeemb_codebook_logits.restype = int32
    kernels.edgeemb_codebook_logits.argtypes = [
        *(pointer, pointer, int32, int64, int32, int32, int32, int32),
        *(pointer, int64, pointer, int64, int64, pointer, pointer),
    ]
    kernels.edgeemb_codebook_lookup.restype = int32
    kernels.edgeemb_codebook_lookup.argtypes = kernels.edgeemb_quantized_lookup.argtypes
    constants = (pointer, int32, pointer, int32, int32)
    kernels.edgeemb_ngram_lookup.restype = int32
    kernels.edgeemb_ngram_lookup.argtypes = [
        ctypes.c_char_p,
        *(pointer, int64, pointer, int64, *constants),
        *(pointer, int32, int64, pointer, pointer),
    ]
    kernels.edgeemb_vectors_hamming.restype = int32
    kernels.edgeemb_vectors_hamming.argtypes = [
        ctypes.c_char_p,
        pointer,
        pointer,
        int64,
        int64,
        int64,
        pointer,
    ]
    kernels.edgeemb_vectors_dots.restype = int32
    kernels.edgeemb_vectors_dots.argtypes = [
        ctypes.c_char_p,
        *(pointer, pointer, int64, int32, int64, pointer, pointer),
    ]
    kernels.edgeemb_ngram_bytes.restype = int32
    kernels.edgeemb_ngram_bytes.argtypes = [ctypes.c_char_p, *constants, pointer, int64, int64, pointer]
    return kernels

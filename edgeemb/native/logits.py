"""A thin binding of the kernels for the products of vectors with a table, for tests and benchmarks."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError, NativeError
from edgeemb.native.kernels import (
    CODE_OUT_OF_RANGE,
    FLOAT_TYPES,
    check_arrays,
    check_codebooks,
    kernel_library,
    refused,
)

FLOATS = (np.dtype(np.float32),)
BYTES = (np.dtype(np.uint8),)


def quantized_logits(
    hidden: NDArray[np.float32],
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    bits: int,
    block: int = 0,
    planes: int = 1,
    bias: NDArray[np.float32] | None = None,
    variant: str | None = None,
    out: NDArray[np.float32] | None = None,
    memory: NDArray[np.uint8] | None = None,
) -> NDArray[np.float32]:
    """Products of vectors with every row of a quantised table by the native kernel (runtimes/kernels/logits.h).

    :param hidden: float32[N, D]; need not be aligned, as all that follow.
    :param codes: uint8[V, planes * ceil(D / (8 / bits))], planar as in `edgeemb.tables.program.unpack_codes`.
    :param scales: float16 or float32[V, planes * D / block].
    :param bits: 8, 4, 2 or 1.
    :param block: elements that share a scale; 0 for one scale per row.
    :param planes: residual planes, added up in order.
    :param bias: float32[V] that is added to each result.
    :param variant: a name of `edgeemb.native.kernels.variants`, or None for the fastest.
    :param out: float32[N, V] that is written and returned.
    :param memory: uint8[`logits_memory`] for the quantised vectors; None makes one.
    :return: float32[N, V].
    :raises InputError: if the arrays do not fit each other.
    :raises NativeError: if the kernel library is missing, cannot run the variant here, or refuses the sizes.
    """
    (count, dim), rows = hidden.shape, len(codes)
    if out is None:
        out = np.empty((count, rows), np.float32)
    if memory is None:
        memory = np.empty(logits_memory(bits, dim, block, count), np.uint8)
    table = packed_table(hidden, codes, scales, (bits, block, planes), bias)
    check_arrays(
        ("out", out, FLOATS, (count, rows)),
        ("memory", memory, BYTES, (logits_memory(bits, dim, block, count),)),
    )
    status = kernel_library().edgeemb_quantized_logits(
        variant.encode() if variant is not None else None,
        *table,
        *(hidden.ctypes.data, count),
        None if bias is None else bias.ctypes.data,
        *(0, rows, memory.ctypes.data, out.ctypes.data),
    )
    if status:
        raise refused(
            "logits", f"bits={bits} dim={dim} block={block} planes={planes} variant={variant}", status
        )
    return out


def codebook_logits(
    hidden: NDArray[np.float32],
    codes: NDArray[np.uint8],
    codebooks: NDArray[Any],
    additive: bool = False,
    bias: NDArray[np.float32] | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Products of vectors with every row of a table of codebooks by the native kernel (runtimes/kernels/codebook_logits.h).

    :param hidden: float32[N, D]; need not be aligned, as all that follow.
    :param codes: uint8[V, M], each below K.
    :param codebooks: float16 or float32[M, K, D / M] (additive: [M, K, D]).
    :param additive: whether the entries of a row are added up, rather than put side by side.
    :param bias: float32[V] that is added to each result.
    :param out: float32[N, V] that is written and returned.
    :return: float32[N, V].
    :raises InputError: if a code is out of range, or the arrays do not fit each other.
    :raises NativeError: if the kernel library is missing, or refuses the sizes.
    """
    check_codebooks(codebooks)
    count, rows = len(hidden), len(codes)
    books, entries, part = codebooks.shape
    if out is None:
        out = np.empty((count, rows), np.float32)
    check_arrays(
        ("hidden", hidden, FLOATS, (count, part if additive else books * part)),
        ("codes", codes, BYTES, (rows, books)),
        ("codebooks", codebooks, tuple(FLOAT_TYPES), (books, entries, part)),
        ("out", out, FLOATS, (count, rows)),
    )
    if bias is not None:
        check_arrays(("bias", bias, FLOATS, (rows,)))
    position = ctypes.c_int64(-1)
    status = kernel_library().edgeemb_codebook_logits(
        *(codes.ctypes.data, codebooks.ctypes.data, FLOAT_TYPES[codebooks.dtype], rows),
        *(books, entries, part, additive, hidden.ctypes.data, count),
        None if bias is None else bias.ctypes.data,
        *(0, rows, out.ctypes.data, ctypes.byref(position)),
    )
    if status == CODE_OUT_OF_RANGE:
        row = position.value
        raise InputError(
            f"row {row} holds code {codes[row].max()}, outside [0, {entries}), the entries of a codebook"
        )
    if status:
        raise refused("logits", f"books={books} entries={entries} part={part} additive={additive}", status)
    return out


def packed_table(
    hidden: NDArray[np.float32],
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    layout: tuple[int, int, int],
    bias: NDArray[np.float32] | None,
) -> tuple[Any, ...]:
    """What the kernels take for a table, after the arrays were checked against each other.

    :param hidden: float32[N, D].
    :param codes: uint8[V, planes * ceil(D / (8 / bits))].
    :param scales: float16 or float32[V, planes * D / block].
    :param layout: bits, block and planes.
    :param bias: float32[V], or None.
    :raises InputError: if the arrays do not fit each other.
    """
    bits, block, planes = layout
    (count, dim), rows = hidden.shape, len(codes)
    blocks = dim // block if block > 0 else 1
    check_arrays(
        ("hidden", hidden, FLOATS, (count, dim)),
        ("codes", codes, BYTES, (rows, planes * -(-dim * bits // 8))),
        ("scales", scales, tuple(FLOAT_TYPES), (rows, planes * blocks)),
    )
    if bias is not None:
        check_arrays(("bias", bias, FLOATS, (rows,)))
    addresses = (codes.ctypes.data, scales.ctypes.data, FLOAT_TYPES[scales.dtype])
    return (*addresses, rows, bits, dim, block, planes)


def logits_memory(bits: int, dim: int, block: int, count: int) -> int:
    """Bytes of working memory for the quantised vectors.

    :param bits: 8, 4, 2 or 1.
    :param dim: elements of a vector.
    :param block: elements that share a scale; 0 for one scale per row.
    :param count: vectors.
    :raises NativeError: if these do not fit together.
    """
    size = int(kernel_library().edgeemb_logits_memory(bits, dim, block, count))
    if size < 0:
        raise NativeError(
            f"the logits kernel refused bits={bits} dim={dim} block={block}: the sizes do not fit together"
        )
    return size

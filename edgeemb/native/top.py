"""A thin binding of the kernels for the best products of vectors with a table, for tests and benchmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import NativeError
from edgeemb.native.kernels import check_arrays, kernel_library, refused
from edgeemb.native.logits import BYTES, FLOATS, logits_memory, packed_table

Best = tuple[NDArray[np.float32], NDArray[np.int64]]


def quantized_top(
    hidden: NDArray[np.float32],
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    layout: tuple[int, int, int],
    top: int,
    *,
    bias: NDArray[np.float32] | None = None,
    variant: str | None = None,
    range_rows: int | None = None,
) -> Best:
    """The best products of vectors with the rows of a quantised table by the native kernel (runtimes/kernels/top.h).

    :param hidden: float32[N, D].
    :param codes: uint8[V, planes * ceil(D / (8 / bits))], planar as in `edgeemb.tables.program.unpack_codes`.
    :param scales: float16 or float32[V, planes * D / block].
    :param layout: bits, block and planes.
    :param top: how many are wanted, 1 to V.
    :param bias: float32[V] that is added to each product.
    :param variant: a name of `edgeemb.native.kernels.variants`, or None for the fastest.
    :param range_rows: rows that are searched by themselves before their best are joined; None for all.
    :return: values float32[N, top] and rows int64[N, top], the best first.
    :raises InputError: if the arrays do not fit each other.
    :raises NativeError: if the kernel library is missing, cannot run the variant here, or refuses the sizes.
    """
    count, rows = len(hidden), len(codes)
    table, memory = packed_table(hidden, codes, scales, layout, bias), _memory(hidden, layout)
    values, ids = _results(count, top)
    status = kernel_library().edgeemb_quantized_top(
        variant.encode() if variant is not None else None,
        *table,
        *(hidden.ctypes.data, count, None if bias is None else bias.ctypes.data, top),
        *(range_rows or max(rows, 1), memory.ctypes.data, values.ctypes.data, ids.ctypes.data),
    )
    if status:
        raise _refused(f"top={top}", layout, rows, variant, status)
    return values, ids


def shortlist_top(
    hidden: NDArray[np.float32],
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    layout: tuple[int, int, int],
    shortlist: tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]],
    candidates: int,
    top: int,
    *,
    bias: NDArray[np.float32] | None = None,
    variant: str | None = None,
    range_blocks: int | None = None,
) -> Best:
    """The best products among those rows that a scan of a shortlist takes for the best (runtimes/kernels/shortlist.h).

    The parameters that are not given here are those of `quantized_top`.

    :param shortlist: codes, scales and codebook, as in `edgeemb.tables.shortlist.Shortlist`.
    :param candidates: rows whose products are computed, `top` to V.
    :param range_blocks: blocks of 64 rows that are scanned by themselves; None for all.
    :return: values float32[N, top] and rows int64[N, top], the best first.
    :raises InputError: if the arrays do not fit each other.
    :raises NativeError: if the kernel library is missing, cannot run the variant here, or refuses the sizes.
    """
    count, rows = len(hidden), len(codes)
    table, memory = packed_table(hidden, codes, scales, layout, bias), _memory(hidden[:1], layout)
    listed, list_scales, codebook = shortlist
    part = codebook.shape[1]
    blocks = -(-rows // 64)
    parts = -(-(-(-hidden.shape[1] // 64) * 64) // part)
    check_arrays(
        ("codes of the shortlist", listed, BYTES, (blocks, (parts + 1) // 2, 64)),
        ("scales of the shortlist", list_scales, FLOATS, (blocks * 64,)),
        ("codebook", codebook, FLOATS, (16, part)),
    )
    values, ids = _results(count, top)
    for number in range(count):
        status = kernel_library().edgeemb_shortlist_top(
            variant.encode() if variant is not None else None,
            *table,
            *(hidden[number].ctypes.data, None if bias is None else bias.ctypes.data, top),
            *(listed.ctypes.data, list_scales.ctypes.data, codebook.ctypes.data, part),
            *(candidates, range_blocks or max(blocks, 1)),
            *(memory.ctypes.data, values[number].ctypes.data, ids[number].ctypes.data),
        )
        if status:
            raise _refused(f"candidates={candidates} top={top}", layout, rows, variant, status)
    return values, ids


def _memory(hidden: NDArray[np.float32], layout: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Working memory for the quantised vectors."""
    bits, block, _ = layout
    return np.empty(logits_memory(bits, hidden.shape[1], block, len(hidden)), np.uint8)


def _results(count: int, top: int) -> Best:
    """Room for the results; a `top` below 0 is the kernel's to refuse."""
    shape = (count, max(top, 0))
    return np.empty(shape, np.float32), np.empty(shape, np.int64)


def _refused(
    asked: str, layout: tuple[int, int, int], rows: int, variant: str | None, status: int
) -> NativeError:
    bits, block, planes = layout
    return refused(
        "logits",
        f"{asked} of {rows} rows, bits={bits} block={block} planes={planes} variant={variant}",
        status,
    )

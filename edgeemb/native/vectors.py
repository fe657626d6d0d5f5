"""Comparing stored vectors by the native kernels, where they are installed; numpy does it otherwise."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError, NativeError
from edgeemb.native.kernels import kernel_library

#: Rows that numpy compares at once.
_CHUNK = 4096
_NO_VARIANT = 4


def hamming(
    query: NDArray[np.uint8], store: NDArray[np.uint8], variant: str | None = None
) -> NDArray[np.uint32]:
    """How many bits of a vector differ from those of each stored one.

    :param query: uint8[B].
    :param store: uint8[N, B].
    :param variant: ``numpy``, a name of `edgeemb.native.kernels.variants`, or None for the fastest that there is.
    :return: uint32[N].
    :raises InputError: if the sizes differ.
    :raises NativeError: if the kernel library is missing, or cannot run a variant that was named.
    """
    if query.ndim != 1 or store.ndim != 2 or query.dtype != np.uint8 or store.dtype != np.uint8:
        raise InputError(
            f"bits of {query.dtype}{list(query.shape)} and {store.dtype}{list(store.shape)}: give uint8[B] and uint8[N, B]"
        )
    if len(query) != store.shape[1]:
        raise InputError(f"vectors of {len(query)} and {store.shape[1]} bytes cannot be compared")
    if variant == "numpy" or (variant is None and not has_kernels()):
        return _numpy(query, store)
    query = np.ascontiguousarray(query)
    if store.strides[1] != 1 or store.strides[0] < store.shape[1]:
        store = np.ascontiguousarray(store)
    differ = np.empty(len(store), np.uint32)
    status = kernel_library().edgeemb_vectors_hamming(
        None if variant is None else variant.encode(),
        query.ctypes.data,
        store.ctypes.data,
        len(store),
        max(store.strides[0], len(query)),
        len(query),
        differ.ctypes.data,
    )
    _raise_for(status, variant)
    return differ


def dots(
    query: NDArray[Any], store: NDArray[Any], bits: int, variant: str | None = None
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Inner products of a vector of codes with each stored one, and of each of these with itself.

    :param query: int8[D], or with 4 bits uint8[D/2].
    :param store: int8[N, D], or with 4 bits uint8[N, D/2].
    :param bits: 8 or 4.
    :param variant: a name of `edgeemb.native.kernels.variants`, or None for the fastest.
    :return: int32[N] and int32[N].
    :raises InputError: if the sizes differ.
    :raises NativeError: if the kernel library is missing, or cannot run the variant.
    """
    kind = np.dtype(np.int8 if bits == 8 else np.uint8)
    if query.dtype != kind or store.dtype != kind or query.shape != store.shape[1:] or query.ndim != 1:
        raise InputError(
            f"codes of {query.dtype}{list(query.shape)} and {store.dtype}{list(store.shape)}: give {kind}[B] and {kind}[N, B]"
        )
    query, store = np.ascontiguousarray(query), np.ascontiguousarray(store)
    products, squares = (np.empty(len(store), np.int32) for _ in range(2))
    status = kernel_library().edgeemb_vectors_dots(
        None if variant is None else variant.encode(),
        query.ctypes.data,
        store.ctypes.data,
        len(store),
        bits,
        len(query) * 8 // bits,
        products.ctypes.data,
        squares.ctypes.data,
    )
    _raise_for(status, variant)
    return products, squares


def _raise_for(status: int, variant: str | None) -> None:
    """Word the status of a kernel, unless it is success."""
    if status:
        reason = (
            f"this processor cannot run {variant}"
            if status == _NO_VARIANT
            else f"it refused with status {status}"
        )
        raise NativeError(f"the kernel that compares vectors: {reason}")


@cache
def has_kernels() -> bool:
    """Whether this installation has the kernel library."""
    try:
        kernel_library()
    except NativeError:
        return False
    return True


def _numpy(query: NDArray[np.uint8], store: NDArray[np.uint8]) -> NDArray[np.uint32]:
    differ = np.empty(len(store), np.uint32)
    for low in range(0, len(store), _CHUNK):
        part = store[low : low + _CHUNK] ^ query
        if hasattr(np, "bitwise_count"):  # numpy 2
            wide = part if part.shape[1] % 8 else part.view(np.uint64)
            ones = np.bitwise_count(wide)
        else:
            ones = _BITS[part]
        differ[low : low + len(part)] = ones.sum(axis=1, dtype=np.uint32)
    return differ


_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)

"""Hamming distances of binary vectors: by the native kernels where they are installed, else by numpy."""

from __future__ import annotations

from functools import cache

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
    if variant == "numpy" or (variant is None and not _has_kernels()):
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
    if status:
        reason = (
            f"this processor cannot run {variant}"
            if status == _NO_VARIANT
            else f"it refused with status {status}"
        )
        raise NativeError(f"the kernel of Hamming distances: {reason}")
    return differ


@cache
def _has_kernels() -> bool:
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

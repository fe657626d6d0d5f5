"""Arrays at odd addresses, and comparison to the bit, for the tests of native code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unaligned(array: NDArray[Any], offset: int) -> NDArray[Any]:
    """A copy whose data lies `offset` bytes past an aligned address."""
    raw = np.zeros(array.nbytes + offset + 64, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    view = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def same_bits(left: NDArray[np.float32], right: NDArray[np.float32]) -> bool:
    """Whether two arrays have one shape and the same bits."""
    return left.shape == right.shape and bool((left.view(np.uint32) == right.view(np.uint32)).all())


def finite_floats(rng: np.random.Generator, size: int, dtype: Any) -> NDArray[Any]:
    """Finite numbers of every kind: subnormal, negative, zero, large; float16 or float32[size]."""
    if dtype == np.float16:
        halves = rng.integers(0, 1 << 16, size, dtype=np.uint16)
        halves[(halves & 0x7C00) == 0x7C00] &= 0x83FF
        return halves.view(np.float16)
    return (rng.integers(0, 1 << 32, size, dtype=np.uint32) & np.uint32(0xBFFFFFFF)).view(np.float32)

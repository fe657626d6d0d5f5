"""Codes ``binary``: the sign of each dimension, and with two planes the sign of what the first leaves over.

The model turns its vectors by a rotation first: cosines stay as they are, and every dimension says about as much as any other. A bit is 1
where the element is above 0. Bits lie as `numpy.packbits` puts them, the first dimension in the highest bit of the first byte; a second plane
follows the first. A plane's scale is the mean size of what it stands for, over the vectors that were fitted on; one plane needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeemb.errors import SpecError
from edgeemb.native.vectors import hamming
from edgeemb.vectors.codes import CodesKind, Floats, Stored, chunks, unit
from edgeemb.vectors.rotation import ROTATIONS

_PLANES = {"1": 1, "2": 2}


@dataclass(frozen=True)
class Binary:
    """Vectors of bits.

    :param planes: 1 or 2.
    :param rotation: a key of `edgeemb.vectors.rotation.ROTATIONS`.
    """

    planes: int = 1
    rotation: str = "random"
    dtype: str = "uint8"

    @property
    def measure(self) -> str:
        """Hamming distances of single planes, cosines of two."""
        return "hamming" if self.planes == 1 else "cosine"

    @property
    def scales(self) -> int:
        """One for each of two planes."""
        return 0 if self.planes == 1 else self.planes

    def refuses(self, dim: int) -> str:
        """Bits come in bytes."""
        return f"binary stores eight dimensions in a byte, and {dim} is no multiple of 8" if dim % 8 else ""

    def width(self, dim: int) -> int:
        """Bytes of a vector."""
        return self.planes * dim // 8

    def fit(self, sample: Floats) -> tuple[float, ...]:
        """The mean size of what each plane stands for."""
        found: list[float] = []
        rest = sample
        while len(found) < self.scales:
            found.append(float(np.float32(max(float(np.abs(rest).mean()), 1e-9))))
            rest = rest - np.float32(found[-1]) * _signs(rest > 0)
        return tuple(found)

    def pack(self, vectors: Floats, scales: tuple[float, ...]) -> Stored:
        """uint8[N, planes * D/8]."""
        above = vectors > 0
        planes = [above]
        for scale in scales[: self.planes - 1]:
            vectors = vectors - np.float32(scale) * _signs(above)
            planes.append(vectors > 0)
        return np.concatenate([np.packbits(plane, axis=1) for plane in planes], axis=1)

    def unpack(self, stored: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """float32[N, D] of length 1."""
        bits = np.unpackbits(stored, axis=1).reshape(len(stored), self.planes, dim)
        if self.planes == 1:
            return _signs(bits[:, 0]) * np.float32(dim**-0.5)
        return unit(np.einsum("p,npd->nd", np.asarray(scales, np.float32), _signs(bits)))

    def scores(self, left: Stored, right: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """The cosines of what is stored, float32[len(left), len(right)]: of one plane 1 less twice the part of the bits that differ."""
        found = np.empty((len(left), len(right)), np.float32)
        if self.planes == 1:
            for row, query in enumerate(left):
                found[row] = np.float32(1) - hamming(query, right) * np.float32(2 / dim)
            return found
        lengths = self._lengths(right, dim, scales)
        own = self._lengths(left, dim, scales)
        half = dim // 8
        for row, query in enumerate(left):
            products = np.zeros(len(right), np.float32)
            for at in range(4):
                one, other = at // 2, at % 2
                differ = hamming(query[one * half :][:half], right[:, other * half :][:, :half])
                products += np.float32(scales[one] * scales[other]) * (dim - 2 * differ.astype(np.float32))
            found[row] = products / (lengths * own[row])
        return found

    def _lengths(self, stored: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """The length of what two planes stand for."""
        half = dim // 8
        differ, none = np.empty(len(stored), np.float32), np.zeros(half, np.uint8)
        for part in chunks(len(stored)):
            differ[part] = hamming(none, np.bitwise_xor(stored[part, :half], stored[part, half:]))
        first, second = scales
        squares = dim * (first**2 + second**2) + 2 * first * second * (dim - 2 * differ)
        return np.asarray(np.sqrt(np.maximum(squares, 1e-30)), np.float32)


def _signs(above: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Floats:
    """1 and -1 of truth values or bits."""
    return np.asarray(above, np.float32) * np.float32(2) - np.float32(1)


def _make(options: Mapping[str, str]) -> Binary:
    strange = set(options) - {"planes", "rotation"}
    if strange:
        raise SpecError(f"binary has no option '{min(strange)}': it takes planes and rotation")
    planes, rotation = options.get("planes", "1"), options.get("rotation", "random")
    if planes not in _PLANES:
        raise SpecError(f"planes={planes} is out of range: use 1 or 2")
    if rotation not in ROTATIONS:
        raise SpecError(f"rotation={rotation} is not known: use {', '.join(ROTATIONS)}")
    return Binary(_PLANES[planes], rotation)


BINARY = CodesKind("binary", "one bit a dimension; planes=2 adds one for what the first leaves over", _make)

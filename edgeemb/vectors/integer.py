"""Codes ``int8`` and ``int4``: whole numbers in proportion to the dimensions of a vector.

``int8`` has one scale for every vector, so that the stored vectors have almost the same length: an index may compare them by cosine, inner
product or distance. ``int4`` uses its few levels better with a scale for each vector, which is not stored: a cosine needs none. A code is
the nearest whole number, halves away from zero, in float32 arithmetic that Java, Swift and C repeat to the bit. The codes of ``int4`` lie
as those of an ``int4`` table do (`edgeemb.tables.program.unpack_codes`): 8 is added, and byte j holds dimensions j and j + D/2, the first in
its low four bits. So [1, 2, 3, 4] is stored as 0xb9 0xca.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeemb.errors import SpecError
from edgeemb.native.vectors import dots, has_kernels
from edgeemb.tables.program import pack_codes, unpack_codes
from edgeemb.vectors.codes import CodesKind, Floats, Stored, chunks, unit

_ZERO = 8
#: Queries up to which products of codes are faster than products of what is unpacked once for all queries.
_FEW = 4
#: How far beyond the largest element of the sample codes reach: other texts go further.
_ROOM = 1.25
#: A vector whose elements are no larger is zero.
_LEAST = np.float32(1e-30)


@dataclass(frozen=True)
class Integer:
    """Vectors of whole numbers.

    :param bits: 8 or 4.
    """

    bits: int
    measure: str = "cosine"
    rotation: str = ""

    @property
    def dtype(self) -> str:
        """int8, or uint8 with two codes in a byte."""
        return "int8" if self.bits == 8 else "uint8"

    @property
    def scales(self) -> int:
        """One for all vectors at 8 bits."""
        return 1 if self.bits == 8 else 0

    @property
    def largest(self) -> np.float32:
        """The largest code."""
        return np.float32(2 ** (self.bits - 1) - 1)

    def refuses(self, dim: int) -> str:
        """Odd dimensions do not fill bytes of two codes."""
        return f"int4 stores two dimensions in a byte, and {dim} is odd" if self.bits == 4 and dim % 2 else ""

    def width(self, dim: int) -> int:
        """Bytes of a vector."""
        return dim * self.bits // 8

    def fit(self, sample: Floats) -> tuple[float, ...]:
        """The scale that takes in the sample's largest element, with room for those of other texts."""
        if self.bits == 4:
            return ()
        return (float(np.float32(_ROOM * max(float(np.abs(sample).max()), 1e-6)) / self.largest),)

    def pack(self, vectors: Floats, scales: tuple[float, ...]) -> Stored:
        """int8[N, D], or uint8[N, D/2]."""
        if self.bits == 8:
            return _rounded(vectors * (np.float32(1) / np.float32(scales[0])), self.largest)
        most = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
        factors = np.divide(self.largest, most, out=np.zeros_like(most), where=most > _LEAST)
        codes = _rounded(vectors * factors, self.largest)
        return pack_codes((codes + np.int8(_ZERO)).astype(np.uint8), 4)

    def unpack(self, stored: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """float32[N, D]; at 4 bits of length 1."""
        if self.bits == 8:
            return stored.astype(np.float32) * np.float32(scales[0])
        return unit(self._codes(stored, dim))

    def scores(self, left: Stored, right: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """Cosines of the codes, float32[len(left), len(right)]."""
        found = np.empty((len(left), len(right)), np.float32)
        query = self._codes(left, dim)
        lengths = np.maximum(np.sqrt(np.einsum("nd,nd->n", query, query)), _LEAST)
        if len(left) <= _FEW and has_kernels():
            for row, codes in enumerate(left):
                products, squares = dots(codes, right, self.bits)
                found[row] = products / (lengths[row] * np.sqrt(np.maximum(squares, 1).astype(np.float32)))
            return found
        query /= lengths[:, None]
        for part in chunks(len(right)):
            codes = self._codes(right[part], dim)
            others = np.sqrt(np.einsum("nd,nd->n", codes, codes))
            found[:, part] = query @ codes.T / np.maximum(others, _LEAST)
        return found

    def _codes(self, stored: Stored, dim: int) -> Floats:
        if self.bits == 8:
            return stored.astype(np.float32)
        return unpack_codes(stored, 4, dim).astype(np.float32) - np.float32(_ZERO)


def _rounded(values: Floats, largest: np.float32) -> Stored:
    """The nearest whole numbers in [-largest, largest], halves away from zero."""
    within = np.clip(values, -largest, largest)
    return np.trunc(within + np.copysign(np.float32(0.5), within)).astype(np.int8)


def _kind(bits: int, about: str) -> CodesKind:
    def make(options: Mapping[str, str]) -> Integer:
        if options:
            raise SpecError(f"int{bits} takes no options")
        return Integer(bits)

    return CodesKind(f"int{bits}", about, make)


INT8 = _kind(8, "one byte a dimension, one scale for every vector")
INT4 = _kind(4, "two dimensions a byte")

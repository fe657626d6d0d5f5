"""Codes ``float32``: vectors as the model gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeemb.errors import SpecError
from edgeemb.vectors.codes import CodesKind, Floats, Stored, cosines


@dataclass(frozen=True)
class Dense:
    """Vectors of floats."""

    dtype: str = "float32"
    measure: str = "cosine"
    rotation: str = ""
    scales: int = 0

    def refuses(self, dim: int) -> str:
        """Nothing: any vector can stay as it is."""
        return ""

    def width(self, dim: int) -> int:
        """As many elements as dimensions."""
        return dim

    def fit(self, sample: Floats) -> tuple[float, ...]:
        """No scale."""
        return ()

    def pack(self, vectors: Floats, scales: tuple[float, ...]) -> Stored:
        """The vectors themselves."""
        return vectors

    def unpack(self, stored: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """The vectors themselves."""
        return np.asarray(stored, np.float32)

    def scores(self, left: Stored, right: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """Cosines, float32[len(left), len(right)]."""
        return cosines(left, right)


def _make(options: Mapping[str, str]) -> Dense:
    if options:
        raise SpecError("float32 takes no options")
    return Dense()


FLOAT32 = CodesKind("float32", "four bytes a dimension", _make)

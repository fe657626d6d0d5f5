"""What kinds of codes share. Each kind is one file, and one line of `edgeemb.vectors.registry`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
#: Vectors as they are stored: float32[N, D], int8[N, D], or uint8[N, bytes].
Stored = NDArray[Any]

#: Rows that are scored at once: floats of so many fit the cache of a processor's core.
CHUNK = 4096


class Codes(Protocol):
    """How vectors of length 1 are stored, for one choice of options."""

    @property
    def dtype(self) -> str:
        """numpy type of what is stored."""
        ...

    @property
    def measure(self) -> str:
        """How two stored vectors are compared: ``cosine`` or ``hamming``."""
        ...

    @property
    def rotation(self) -> str:
        """By which rotation the model turns its vectors first (`edgeemb.vectors.rotation.ROTATIONS`); empty for none."""
        ...

    @property
    def scales(self) -> int:
        """How many scales `fit` gives."""
        ...

    def refuses(self, dim: int) -> str:
        """Why vectors of that many dimensions cannot be stored so; empty if they can."""
        ...

    def width(self, dim: int) -> int:
        """Elements of a stored vector."""
        ...

    def fit(self, sample: Floats) -> tuple[float, ...]:
        """The scales for vectors like these, float32[N, D]."""
        ...

    def pack(self, vectors: Floats, scales: tuple[float, ...]) -> Stored:
        """Vectors float32[N, D] as they are stored."""
        ...

    def unpack(self, stored: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """What stored vectors stand for, float32[N, D]; of any length where only directions are stored."""
        ...

    def scores(self, left: Stored, right: Stored, dim: int, scales: tuple[float, ...]) -> Floats:
        """The similarity of each stored vector of one side with each of the other, float32[len(left), len(right)]."""
        ...


@dataclass(frozen=True)
class CodesKind:
    """A kind of codes.

    :param name: in specs.
    :param about: what it is, for people.
    :param make: the codes for some options as they were written; `SpecError` with the reason if one is not possible.
    """

    name: str
    about: str
    make: Callable[[Mapping[str, str]], Codes]


def chunks(rows: int) -> Iterator[slice]:
    """Slices of at most `CHUNK` rows that cover all of them.

    :param rows: how many there are.
    """
    for low in range(0, rows, CHUNK):
        yield slice(low, min(low + CHUNK, rows))


def unit(vectors: Floats) -> Floats:
    """Vectors scaled to length 1; zeros stay zeros.

    :param vectors: float32[N, D].
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.float32(1e-12)), np.float32)


def cosines(left: Floats, right: Floats) -> Floats:
    """The cosine of each vector of one side with each of the other; 0 where one is zero.

    :param left: float32[N, D].
    :param right: float32[M, D].
    :return: float32[N, M].
    """
    return np.asarray(unit(left) @ unit(right).T, np.float32)

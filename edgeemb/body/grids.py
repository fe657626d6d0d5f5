"""The grids of a model's matrices, found by their content: every writer has the matrices, but each under names of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeemb.body.grid import Grid


@dataclass
class Grids:
    """Grids by the values of their matrix.

    :param found: by digest; None for a matrix that stays in float.
    """

    found: dict[bytes, Grid | None] = field(default_factory=dict)

    def add(self, grid: Grid) -> NDArray[np.float32]:
        """Note a grid; gives the matrix, float32[outputs, inputs], that it is found by."""
        values = grid.values()
        self.found[_digest(values)] = grid
        return values

    def keep(self, matrix: NDArray[np.float32]) -> None:
        """Note that a matrix stays in float.

        :param matrix: float32[outputs, inputs].
        """
        self.found[_digest(matrix)] = None

    def known(self, matrix: NDArray[np.float32]) -> bool:
        """Whether anything is noted of a matrix.

        :param matrix: float32[outputs, inputs].
        """
        return bool(self.found) and _digest(matrix) in self.found

    def of(self, matrix: NDArray[np.float32]) -> Grid | None:
        """The grid of a matrix; None if it stays in float, or nothing is known of it.

        :param matrix: float32[outputs, inputs].
        """
        return self.found.get(_digest(matrix)) if self.found else None


def _digest(matrix: NDArray[np.float32]) -> bytes:
    rows = np.ascontiguousarray(matrix, np.float32)
    return hashlib.blake2b(f"{rows.shape}".encode() + rows.tobytes(), digest_size=16).digest()

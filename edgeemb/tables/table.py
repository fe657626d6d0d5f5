"""What a codec returns: the stored arrays and the program that turns ids into rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeemb.errors import InputError
from edgeemb.tables.program import BatchMatMul, MatMul, Rows, run, walk
from edgeemb.tables.spec import Spec

#: How `Table.reconstruct` and the error figures bound their memory.
CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Table:
    """A compressed embedding table.

    :param spec: the spec it was fitted for.
    :param shape: (V, D) of the table that it stands for.
    :param arrays: what is stored, by name.
    :param program: how rows are computed from the arrays.
    """

    spec: Spec
    shape: tuple[int, int]
    arrays: dict[str, NDArray[Any]]
    program: Rows

    @property
    def nbytes(self) -> int:
        """Stored bytes, scales and codebooks included."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def exact(self) -> bool:
        """Whether rows have the same bits in every runtime: the program contains no sum that a runtime may compute in another order."""
        return not any(isinstance(node, MatMul | BatchMatMul) for node in walk(self.program))

    def rows(self, ids: ArrayLike) -> NDArray[np.float32]:
        """The rows of some ids, computed by the numpy reference.

        :param ids: int[...] of any shape, each in [0, V).
        :return: float32[..., D].
        :raises InputError: if an id is outside the table.
        """
        index = check_ids(ids, self.shape[0])
        rows = run(self.program, self.arrays, index.reshape(-1))
        return np.asarray(rows.reshape(*index.shape, self.shape[1]), np.float32)

    def reconstruct(self) -> NDArray[np.float32]:
        """The whole table as float32[V, D]."""
        chunks = [
            self.rows(np.arange(low, min(low + CHUNK_ROWS, self.shape[0])))
            for low in range(0, self.shape[0], CHUNK_ROWS)
        ]
        return np.concatenate(chunks)


def check_ids(ids: ArrayLike, rows: int, what: str = "table") -> NDArray[np.int64]:
    """Ids as int64, checked against a table's bounds.

    :param ids: int[...] of any shape.
    :param rows: V, the number of rows.
    :param what: name of the table for the message.
    :return: int64[...] of the same shape.
    :raises InputError: if they are not integers, or one is outside [0, V).
    """
    index = np.asarray(ids)
    if index.size == 0:
        return index.astype(np.int64)
    if not np.issubdtype(index.dtype, np.integer):
        raise InputError(f"ids for the {what} have dtype {index.dtype}: pass int32 or int64")
    bad = (index < 0) | (index >= rows)
    if bad.any():
        raise InputError(
            f"id {index[bad].flat[0]} is outside the {what}'s [0, {rows}): check the tokenizer that made it"
        )
    return index.astype(np.int64)

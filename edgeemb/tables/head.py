"""The way out of a model: the products of vectors with every row of a table, over the very arrays that its lookup reads.

`head_of` turns the program of a table's rows (`edgeemb.tables.program`) into one of logits. `run_head` evaluates that with numpy, and is the
definition that every runtime is held against. Two kinds of value flow through a tree:

- *vectors*, float32[N, d]: `Hidden`, `Project`, `Part`;
- *logits*, float32[N, R]: everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Union

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.logits import codebook_products, quantized_products
from edgeemb.tables.program import (
    Add,
    Arrays,
    Clip,
    CodebookLookup,
    Concat,
    Gather,
    Ids,
    Index,
    MatMul,
    Multiply,
    NgramLookup,
    QuantizedLookup,
    Rows,
    Select,
    Take,
    nodes_of,
    width,
)

if TYPE_CHECKING:
    from edgeemb.tables.table import Table


@dataclass(frozen=True)
class Hidden:
    """The vectors that come in, float32[N, D]."""


@dataclass(frozen=True)
class Project:
    """Vectors times the transpose of a stored float16 or float32 matrix [k, d]."""

    vectors: Vectors
    array: str


@dataclass(frozen=True)
class Part:
    """The elements ``start`` to ``stop - 1`` of each vector."""

    vectors: Vectors
    start: int
    stop: int


@dataclass(frozen=True)
class DenseLogits:
    """Products with the rows of a stored float16 or float32 array [R, d]."""

    vectors: Vectors
    array: str


@dataclass(frozen=True)
class QuantizedLogits:
    """Products with the rows of a packed table; see `edgeemb.tables.logits.quantized_products`.

    The fields are those of `edgeemb.tables.program.QuantizedLookup`.
    """

    vectors: Vectors
    codes: str
    scales: str
    bits: int
    dim: int
    block: int
    planes: int = 1


@dataclass(frozen=True)
class CodebookLogits:
    """Products with rows assembled from codebooks; see `edgeemb.tables.logits.codebook_products`.

    The fields are those of `edgeemb.tables.program.CodebookLookup`.
    """

    vectors: Vectors
    codes: str
    codebooks: str
    additive: bool = False


@dataclass(frozen=True)
class Sum:
    """The sum of two logits."""

    left: Logits
    right: Logits


@dataclass(frozen=True)
class Scaled:
    """Logits times a stored float16 or float32 array [R, 1], a factor for each row of the table."""

    logits: Logits
    array: str


@dataclass(frozen=True)
class Bands:
    """The logits of bands of ids, one after another."""

    parts: tuple[Logits, ...]


@dataclass(frozen=True)
class Picked:
    """The logits of the ids: those that a stored uint8, int16 or int32 array [V] names."""

    logits: Logits
    array: str


Vectors = Union[Hidden, Project, Part]
Logits = Union[DenseLogits, QuantizedLogits, CodebookLogits, Sum, Scaled, Bands, Picked]
HeadNode = Union[Vectors, Logits]


def head_of(table: Table) -> Logits:
    """How the logits over a table are computed from the arrays that it stores.

    :param table: the table.
    :return: root of the tree.
    :raises SpecError: if its rows are computed in a way that has no such form, with what the way is.
    """
    return _logits(table.program, Hidden(), table.arrays, _Range(Ids(), 0, table.shape[0]))


def why_no_head(table: Table) -> str:
    """Why a table cannot serve as an output layer; empty if it can.

    :param table: the table.
    """
    try:
        head_of(table)
    except SpecError as error:
        return str(error)
    return ""


def walk_head(node: HeadNode) -> Iterator[HeadNode]:
    """Every node of a tree, children before parents.

    :param node: root of the tree.
    """
    return nodes_of(node)


@dataclass(frozen=True)
class _Range:
    """The rows that are multiplied: those of the values low to high - 1 of an index."""

    index: Index
    low: int
    high: int

    def holds(self, index: Index, rows: int) -> bool:
        """Whether an array of so many rows, read by an index, has these rows in order."""
        whole = index == self.index and self.low == 0
        size = self.high - self.low
        return rows == size and (whole or index == Clip(self.index, self.low, size))


def _logits(node: Rows, vectors: Vectors, arrays: Arrays, ids: _Range) -> Logits:
    """The products of vectors with rows."""
    match node:
        case Gather(array, index):
            return _over(DenseLogits(vectors, array), index, len(arrays[array]), ids)
        case QuantizedLookup(index, codes, scales, bits, dim, block, planes):
            found = QuantizedLogits(vectors, codes, scales, bits, dim, block, planes)
            return _over(found, index, len(arrays[codes]), ids)
        case CodebookLookup(index, codes, codebooks, additive):
            return _over(CodebookLogits(vectors, codes, codebooks, additive), index, len(arrays[codes]), ids)
        case Multiply(left, Gather(array, index)) if arrays[array].shape[1] == 1:
            if ids.holds(index, len(arrays[array])):
                return Scaled(_logits(left, vectors, arrays, ids), array)
        case Add(left, right):
            return Sum(_logits(left, vectors, arrays, ids), _logits(right, vectors, arrays, ids))
        case MatMul(rows, array):
            return _logits(rows, Project(vectors, array), arrays, ids)
        case Concat(parts):
            return _concatenated(parts, vectors, arrays, ids)
        case Select(index, bound, below, other) if index == ids.index and ids.low < bound < ids.high:
            first = _logits(below, vectors, arrays, replace(ids, high=bound))
            rest = _logits(other, vectors, arrays, replace(ids, low=bound))
            return Bands((first, *(rest.parts if isinstance(rest, Bands) else (rest,))))
        case Select(Take(array, Ids()), _, _, _) if ids.index == Ids() and ids.low == 0:
            # Bands of ranks: the ids are put back in their order.
            return Picked(_logits(node, vectors, arrays, replace(ids, index=Take(array, Ids()))), array)
        case NgramLookup():
            raise SpecError("its rows are computed from the bytes of tokens, and no array stores them")
    raise SpecError(_SHARED)


#: Why the rows of most codecs that share parts cannot be multiplied one after another.
_SHARED = "its rows share what is stored, so that no array has a row for each id"


def _over(found: Logits, index: Index, rows: int, ids: _Range) -> Logits:
    """Logits over the rows of an array, if these are those of the ids, or the ids name them."""
    if ids.holds(index, rows):
        return found
    if isinstance(index, Take) and index.index == Ids() == ids.index and ids.low == 0:
        return Picked(found, index.array)
    raise SpecError(_SHARED)


def _concatenated(parts: tuple[Rows, ...], vectors: Vectors, arrays: Arrays, ids: _Range) -> Logits:
    total: Logits | None = None
    start = 0
    for part in parts:
        stop = start + width(part, arrays)
        found = _logits(part, Part(vectors, start, stop), arrays, ids)
        total, start = found if total is None else Sum(total, found), stop
    assert total is not None
    return total


def run_head(node: HeadNode, arrays: Arrays, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
    """Evaluate a tree with numpy.

    :param node: root of the tree.
    :param arrays: the stored arrays by name.
    :param hidden: float32[N, D].
    :return: float32[N, R] for logits, float32[N, d] for vectors.
    """
    match node:
        case Hidden():
            found = hidden
        case Project(vectors, array) | DenseLogits(vectors, array):
            found = run_head(vectors, arrays, hidden) @ arrays[array].astype(np.float32).T
        case Part(vectors, start, stop):
            found = run_head(vectors, arrays, hidden)[:, start:stop]
        case QuantizedLogits(vectors, codes, scales, bits, _, block, planes):
            found = quantized_products(
                run_head(vectors, arrays, hidden), arrays[codes], arrays[scales], bits, block, planes
            )
        case CodebookLogits(vectors, codes, codebooks, additive):
            found = codebook_products(
                run_head(vectors, arrays, hidden), arrays[codes], arrays[codebooks], additive
            )
        case Sum(left, right):
            found = run_head(left, arrays, hidden) + run_head(right, arrays, hidden)
        case Scaled(logits, array):
            found = run_head(logits, arrays, hidden) * arrays[array].astype(np.float32)[:, 0]
        case Picked(logits, array):
            found = run_head(logits, arrays, hidden)[:, arrays[array].astype(np.int64)]
        case Bands(parts):
            found = np.concatenate([run_head(part, arrays, hidden) for part in parts], axis=1)
    return np.asarray(found, np.float32)

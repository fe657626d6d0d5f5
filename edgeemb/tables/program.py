"""How a row is computed from the stored arrays: a small expression tree that every writer translates.

A codec describes its lookup once, as a tree of these nodes. `run` evaluates it with numpy and is the definition of a correct row; the
writers of the runtimes translate the same nodes, so that a new codec works in each of them. Two kinds of value flow through a tree:

- an *index*, int64[N]: `Ids`, `Take`, `Modulo`, `Divide`, `Clip`;
- *rows*, float32[N, d]: everything else.

All arithmetic is float32, evaluated in the order of the tree, so that integer-exact programs agree to the last bit everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from edgeemb.tables.ngrams import rows_of_tokens

Arrays = Mapping[str, NDArray[Any]]
#: Code that stands for zero, by bit width: levels are symmetric for 1 and 2 bits, and reach one step further down for 4 and 8.
ZERO_POINT: dict[int, float] = {8: 128.0, 4: 8.0, 2: 1.5, 1: 0.5}


@dataclass(frozen=True)
class Ids:
    """The requested ids, int64[N], already checked to be in [0, V)."""


@dataclass(frozen=True)
class Take:
    """An index looked up in a stored uint8, int16 or int32 array [V]."""

    array: str
    index: Index


@dataclass(frozen=True)
class Modulo:
    """The index modulo a positive constant."""

    index: Index
    divisor: int


@dataclass(frozen=True)
class Divide:
    """The index divided by a positive constant, rounded down."""

    index: Index
    divisor: int


@dataclass(frozen=True)
class Clip:
    """The index minus `offset`, then clipped to [0, rows - 1]: a band's own index."""

    index: Index
    offset: int
    rows: int


@dataclass(frozen=True)
class Gather:
    """Rows of a stored float16 or float32 array [R, d], as float32."""

    array: str
    index: Index


@dataclass(frozen=True)
class QuantizedLookup:
    """Rows of a packed table: ``sum over planes of (code - zero) * scale``. The layout is that of `unpack_codes`.

    :param codes: name of a uint8[R, planes * ceil(dim / (8 / bits))] array.
    :param scales: name of a float16 or float32 [R, planes * dim / block] array.
    :param bits: 8, 4, 2 or 1.
    :param dim: elements in a row, d.
    :param block: elements that share a scale; equal to `dim` for one scale per row.
    :param planes: number of residual planes that are added up, in order.
    """

    index: Index
    codes: str
    scales: str
    bits: int
    dim: int
    block: int
    planes: int = 1


@dataclass(frozen=True)
class CodebookLookup:
    """Rows assembled from codebooks.

    With `additive` false, part m of the row is ``codebooks[m, codes[id, m]]`` and the parts are concatenated (product quantisation);
    with `additive` true they are added up in order (residual codebooks). A scale per row is a `Multiply` around it.

    :param codes: name of a uint8[R, M] array.
    :param codebooks: name of a float16 or float32 [M, K, d / M] array (additive: [M, K, d]).
    """

    index: Index
    codes: str
    codebooks: str
    additive: bool = False


@dataclass(frozen=True)
class NgramLookup:
    """Rows computed from the bytes of tokens; see `edgeemb.tables.ngrams.ngram_rows`.

    :param tokens: name of a uint8[total] array, the tokens end to end.
    :param starts: name of an int32[R + 1] array: token i is ``tokens[starts[i]:starts[i + 1]]``.
    :param seeds: name of an int16[d] array.
    :param bases: name of an int16[lanes] array.
    :param n: longest n-gram.
    :param longest: bytes of the longest token, at least 1.
    """

    index: Index
    tokens: str
    starts: str
    seeds: str
    bases: str
    n: int
    longest: int


@dataclass(frozen=True)
class Add:
    """Elementwise sum of two row values."""

    left: Rows
    right: Rows


@dataclass(frozen=True)
class Multiply:
    """Elementwise product of two row values; a [N, 1] value scales whole rows."""

    left: Rows
    right: Rows


@dataclass(frozen=True)
class MatMul:
    """Row values times a stored float16 or float32 matrix [k, d]."""

    rows: Rows
    array: str


@dataclass(frozen=True)
class BatchMatMul:
    """A small matrix product per row: [N, a * inner] as N matrices [a, inner], times [N, inner * b] as [inner, b], to [N, a * b].

    :param inner: the dimension that is summed over; the others follow from the widths of the operands.
    """

    left: Rows
    right: Rows
    inner: int


@dataclass(frozen=True)
class Concat:
    """Row values side by side."""

    parts: tuple[Rows, ...]


@dataclass(frozen=True)
class Select:
    """`below` where the index is smaller than `bound`, else `other`."""

    index: Index
    bound: int
    below: Rows
    other: Rows


Index = Union[Ids, Take, Modulo, Divide, Clip]
Rows = Union[
    Gather, QuantizedLookup, CodebookLookup, NgramLookup, Add, Multiply, MatMul, BatchMatMul, Concat, Select
]
Node = Union[Index, Rows]
#: A lookup that one op of ours can serve.
Lookup = QuantizedLookup | CodebookLookup | NgramLookup


def walk(node: Node) -> Iterator[Node]:
    """Every node of a tree, children before parents.

    :param node: root of the tree.
    """
    return nodes_of(node)


def nodes_of(root: Any) -> Iterator[Any]:
    """Every node of a tree of dataclasses, children before parents.

    :param root: its fields hold its children, alone or in tuples.
    """
    for field in fields(root):
        value = getattr(root, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if hasattr(child, "__dataclass_fields__"):
                yield from nodes_of(child)
    yield root


def array_names(node: Node) -> list[str]:
    """Names of the stored arrays that a tree reads, in the order of first use.

    :param node: root of the tree.
    """
    names: dict[str, None] = {}
    for part in walk(node):
        match part:
            case Take(array=array) | Gather(array=array) | MatMul(array=array):
                names[array] = None
            case QuantizedLookup(codes=codes, scales=scales):
                names.update({codes: None, scales: None})
            case CodebookLookup(codes=codes, codebooks=books):
                names.update({codes: None, books: None})
            case NgramLookup(_, tokens, starts, seeds, bases):
                names.update(dict.fromkeys((tokens, starts, seeds, bases)))
            case _:
                pass
    return list(names)


def width(node: Rows, arrays: Arrays) -> int:
    """Elements in a row of a row value.

    :param node: root of the tree.
    :param arrays: the stored arrays by name.
    """
    match node:
        case QuantizedLookup(dim=dim):
            return dim
        case CodebookLookup(codebooks=books, additive=additive):
            count, _, part = arrays[books].shape
            return int(part if additive else count * part)
        case NgramLookup(seeds=seeds):
            return len(arrays[seeds])
        case Gather(array=array) | MatMul(array=array):
            return int(arrays[array].shape[1])
        case Add(left, right) | Multiply(left, right):
            return max(width(left, arrays), width(right, arrays))
        case BatchMatMul(left, right, inner):
            return width(left, arrays) * width(right, arrays) // inner**2
        case Concat(parts):
            return sum(width(part, arrays) for part in parts)
        case Select(below=below):
            return width(below, arrays)
    raise TypeError(f"not a row value: {node!r}")


def unpack_codes(packed: NDArray[np.uint8], bits: int, dim: int) -> NDArray[np.uint8]:
    """Codes of packed planar rows.

    With p = 8 / bits, byte j holds elements j, j + B, j + 2B ... from the low bits up, where B = ceil(dim / p) is the number of bytes: at
    4 bits the codes [1, 2, 3, 4] are stored as 0x31 0x42.

    :param packed: uint8[..., ceil(dim / p)].
    :param bits: 8, 4, 2 or 1.
    :param dim: elements in a row.
    :return: uint8[..., dim].
    """
    mask = np.uint8(2**bits - 1)
    parts = [(packed >> np.uint8(shift)) & mask for shift in range(0, 8, bits)]
    return np.concatenate(parts, axis=-1)[..., :dim]


def pack_codes(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """The inverse of `unpack_codes`; the padding elements of the last byte columns are zero codes.

    :param codes: uint8[..., D] with values below 2**bits.
    :param bits: 8, 4, 2 or 1.
    :return: uint8[..., ceil(D / (8 / bits))].
    """
    per_byte = 8 // bits
    width = -(-codes.shape[-1] // per_byte)
    padded = np.zeros((*codes.shape[:-1], width * per_byte), np.uint8)
    padded[..., : codes.shape[-1]] = codes
    packed = np.zeros((*codes.shape[:-1], width), np.uint8)
    for plane in range(per_byte):
        packed |= padded[..., plane * width : (plane + 1) * width] << np.uint8(plane * bits)
    return packed


def run(node: Node, arrays: Arrays, ids: NDArray[np.int64]) -> NDArray[Any]:
    """Evaluate a tree with numpy.

    :param node: root of the tree.
    :param arrays: the stored arrays by name.
    :param ids: int64[N], each in [0, V).
    :return: float32[N, d] for rows, int64[N] for an index.
    """
    match node:
        case Ids():
            return ids
        case Take(array, index):
            return np.asarray(arrays[array][run(index, arrays, ids)], np.int64)
        case Modulo(index, divisor):
            return run(index, arrays, ids) % divisor
        case Divide(index, divisor):
            return run(index, arrays, ids) // divisor
        case Clip(index, offset, rows):
            return np.asarray(np.clip(run(index, arrays, ids) - offset, 0, rows - 1), np.int64)
        case Gather(array, index):
            return np.asarray(arrays[array][run(index, arrays, ids)], np.float32)
        case QuantizedLookup():
            return _quantized(node, arrays, run(node.index, arrays, ids))
        case CodebookLookup():
            return _codebook(node, arrays, run(node.index, arrays, ids))
        case NgramLookup(index, tokens, starts, seeds, bases, n):
            constants = (
                arrays[tokens],
                arrays[starts],
                run(index, arrays, ids),
                arrays[seeds],
                arrays[bases],
            )
            return rows_of_tokens(*constants, n)
        case Add(left, right):
            return np.asarray(run(left, arrays, ids) + run(right, arrays, ids), np.float32)
        case Multiply(left, right):
            return np.asarray(run(left, arrays, ids) * run(right, arrays, ids), np.float32)
        case MatMul(rows, array):
            return np.asarray(run(rows, arrays, ids) @ arrays[array].astype(np.float32), np.float32)
        case BatchMatMul(left, right, inner):
            return _batch_matmul(run(left, arrays, ids), run(right, arrays, ids), inner)
        case Concat(parts):
            return np.concatenate([run(part, arrays, ids) for part in parts], axis=1)
        case Select(index, bound, below, other):
            chosen = run(index, arrays, ids) < bound
            return np.where(chosen[:, None], run(below, arrays, ids), run(other, arrays, ids))
    raise TypeError(f"not a node of a lookup program: {node!r}")


def _batch_matmul(left: NDArray[np.float32], right: NDArray[np.float32], inner: int) -> NDArray[np.float32]:
    tall = left.reshape(len(left), left.shape[1] // inner, inner)
    wide = right.reshape(len(right), inner, right.shape[1] // inner)
    return np.asarray((tall @ wide).reshape(len(left), tall.shape[1] * wide.shape[2]), np.float32)


def _quantized(node: QuantizedLookup, arrays: Arrays, index: NDArray[np.int64]) -> NDArray[np.float32]:
    width = -(-node.dim // (8 // node.bits))
    packed = arrays[node.codes][index].reshape(len(index), node.planes, width)
    scales = (
        arrays[node.scales][index]
        .astype(np.float32)
        .reshape(len(index), node.planes, node.dim // node.block, 1)
    )
    codes = unpack_codes(packed, node.bits, node.dim).astype(np.float32) - np.float32(ZERO_POINT[node.bits])
    values = codes.reshape(len(index), node.planes, node.dim // node.block, node.block) * scales
    rows = values[:, 0]
    for plane in range(1, node.planes):
        rows = rows + values[:, plane]
    return np.asarray(rows.reshape(len(index), node.dim), np.float32)


def _codebook(node: CodebookLookup, arrays: Arrays, index: NDArray[np.int64]) -> NDArray[np.float32]:
    codes = arrays[node.codes][index]
    books = arrays[node.codebooks]
    parts = [books[m, codes[:, m]].astype(np.float32) for m in range(len(books))]
    if node.additive:
        rows = parts[0]
        for part in parts[1:]:
            rows = rows + part
    else:
        rows = np.concatenate(parts, axis=1)
    return np.asarray(rows, np.float32)


def fused_by_custom_ops(lookup: Lookup, ops: str) -> bool:
    """Whether one of our kernels serves a lookup in a runtime that has an op of ours for each.

    :param lookup: the lookup.
    :param ops: ``builtin`` or ``custom``.
    """
    return ops == "custom"


def always_fused(lookup: Lookup, ops: str) -> bool:
    """Whether one of our kernels serves a lookup in a runtime that is our own code throughout.

    :param lookup: the lookup.
    :param ops: ``builtin``.
    """
    return True

"""The ways in which a graph looks up rows of a stored matrix.

- **plain**: a `Gather` over a float constant, or over one that is computed from constants (`Cast`, `Mul`, `DequantizeLinear` ... before it);
- **quantised**: a `Gather` over integers, followed by nodes that dequantise them, with constants or with scales gathered by the same ids;
  or the fused `GatherBlockQuantized` of ONNX Runtime;
- **one-hot**: a product of a one-hot matrix of the ids with the table.

What the nodes compute is not taken from their names: rows are what ONNX Runtime gives for the ids, and a lookup counts only if it does the
same for ids in any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edgeemb.errors import ModelError
from edgeemb.models.onnx.graph import Graph
from edgeemb.native.onnxruntime import RUNTIME_ERRORS

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_INTEGERS = tuple(
    getattr(TensorProto, name)
    for name in (
        "INT8",
        "UINT8",
        "INT16",
        "UINT16",
        "INT4",
        "UINT4",
        "INT2",
        "UINT2",
        "FLOAT8E4M3FN",
        "FLOAT8E5M2",
    )
    if hasattr(TensorProto, name)
)
#: What a trial may end in.
REFUSED: tuple[type[Exception], ...] = (ModelError, *RUNTIME_ERRORS)
# What makes numbers of gathered integers, element by element.
_DECODING = ("Cast", "DequantizeLinear", "Sub", "Mul", "Add", "Div", "Identity")
# What scales that were gathered by the same ids may pass on their way there.
_SHAPING = (*_DECODING, "Unsqueeze", "Squeeze", "Reshape")
#: Rows that are decoded at once.
_CHUNK = 4096
#: Rows over which a lookup is tried.
_TRIED = 64
#: Rows of the largest table that an identity matrix may pick rows of.
_LARGEST_IDENTITY = 4096


@dataclass(frozen=True)
class Lookup:
    """A place in a graph where rows are looked up.

    :param ids: value that holds the ids.
    :param output: value that holds the rows; what computes it can go.
    :param stored: name of the constant that holds the rows, as numbers or as codes of them.
    :param matrix: value whose rows they are; None where they are decoded after they are picked.
    :param rows: number of rows.
    :param elem_type: type of the rows, of `onnx.TensorProto`.
    """

    ids: str
    output: str
    stored: str
    matrix: str | None
    rows: int
    elem_type: int

    @property
    def plain(self) -> bool:
        """Whether it picks rows of the constant itself."""
        return self.matrix == self.stored


def find_lookups(graph: Graph) -> list[Lookup]:
    """The lookups of a graph that pass a trial run, in its order.

    :param graph: the graph.
    """
    found = []
    for node in graph.graph.node:
        for candidate in _candidates(graph, node):
            if row_lookup(node) and candidate.matrix is not None:
                found.append(candidate)
                continue
            kind = _tried(graph, candidate)
            if kind is not None:
                found.append(replace(candidate, elem_type=kind))
    return _outermost(graph, found)


def _outermost(graph: Graph, found: list[Lookup]) -> list[Lookup]:
    """Without the lookups of scales, zero points and rows of an identity that belong to another lookup."""
    inner: set[str] = set()
    for lookup in found:
        if lookup.matrix is None or not row_lookup(graph.producer[lookup.output]):
            nodes = graph.upstream(lookup.output, {lookup.ids})
            inner |= {name for node in nodes for name in node.output} - {lookup.output}
    largest: dict[str, Lookup] = {}
    for lookup in found:
        other = largest.get(lookup.output)
        if lookup.output not in inner and (other is None or _size(graph, lookup) > _size(graph, other)):
            largest[lookup.output] = lookup
    return list(largest.values())


def _size(graph: Graph, lookup: Lookup) -> int:
    return math.prod(graph.shape(lookup.stored))


def rows_of(graph: Graph, found: Lookup) -> NDArray[np.float32]:
    """All rows that a lookup gives, float32[rows, dim].

    :param graph: its graph.
    :param found: the lookup.
    :raises ModelError: if ONNX Runtime cannot compute them.
    """
    if found.matrix is not None:
        return np.array(graph.value(found.matrix), np.float32)
    run = _runner(graph, found)
    chunks = [
        run(np.arange(low, min(low + _CHUNK, found.rows))).astype(np.float32)
        for low in range(0, found.rows, _CHUNK)
    ]
    return np.concatenate(chunks)


def columns_of(graph: Graph, found: Lookup) -> int:
    """Elements of a row.

    :param graph: its graph.
    :param found: the lookup.
    """
    if found.matrix is not None:
        return graph.shape(found.matrix)[1]
    return int(_runner(graph, found)(np.zeros(1, np.int64)).shape[1])


def row_lookup(node: onnx.NodeProto) -> bool:
    """Whether a node picks rows of a matrix.

    :param node: any node.
    """
    return node.op_type == "Gather" and not node.domain and _attribute(node, "axis", 0) in (0, -2)


def _candidates(graph: Graph, node: onnx.NodeProto) -> Iterator[Lookup]:
    if row_lookup(node) and graph.is_constant(node.input[0]):
        yield from _gathers(graph, node)
    elif node.op_type == "GatherBlockQuantized" and all(
        graph.is_constant(name) for name in (node.input[0], *node.input[2:]) if name
    ):
        stored = graph.constants.get(graph.root(node.input[0]))
        if stored is not None and len(stored.dims) == 2 and _attribute(node, "gather_axis", 0) in (0, -2):
            yield Lookup(
                node.input[1], node.output[0], stored.name, None, stored.dims[0], TensorProto.UNDEFINED
            )
    elif node.op_type == "MatMul" and not node.domain and graph.is_constant(node.input[1]):
        matrix = graph.root(node.input[1])
        if graph.elem_type(matrix) in FLOATS and _is_matrix(graph, matrix):
            rows = graph.shape(matrix)[0]
            ids = _one_hot_ids(graph, node.input[0], rows)
            if ids is not None:
                yield Lookup(ids, node.output[0], graph.source(matrix), matrix, rows, TensorProto.UNDEFINED)


def _gathers(graph: Graph, node: onnx.NodeProto) -> Iterator[Lookup]:
    matrix = graph.root(node.input[0])
    if not _is_matrix(graph, matrix):
        return
    kind, rows = graph.elem_type(matrix), graph.shape(matrix)[0]
    if kind in FLOATS:
        yield Lookup(node.input[1], node.output[0], graph.source(matrix), matrix, rows, kind)
    elif kind in _INTEGERS and matrix in graph.constants:
        for output in _numbers(graph, node.output[0], node.input[1]):
            yield Lookup(node.input[1], output, matrix, None, rows, TensorProto.UNDEFINED)


def _is_matrix(graph: Graph, name: str) -> bool:
    return graph.rank(name) == 2 and min(graph.shape(name)) > 0


def _numbers(graph: Graph, codes: str, ids: str) -> list[str]:
    """The values that decoding gathered codes ends in."""
    ends: list[str] = []
    waiting = [codes]
    while waiting:
        value = waiting.pop()
        further = [
            node.output[0]
            for node in graph.consumers.get(value, ())
            if node.op_type in _DECODING and all(_is_decoding(graph, item, value, ids) for item in node.input)
        ]
        if (
            graph.elem_type(value) in _INTEGERS
            or value == codes
            or (len(further) == 1 and len(graph.consumers[value]) == 1 and _is_made_by_cast(graph, value))
        ):
            waiting += further
        elif not ends or value not in ends:
            ends.append(value)
    return ends


def _is_made_by_cast(graph: Graph, value: str) -> bool:
    """Whether a value still holds codes, as floats, or is an intermediate step of dequantising them."""
    maker = graph.producer.get(value)
    return maker is not None and maker.op_type in ("Cast", "Sub", "Identity", "Add")


def _is_decoding(graph: Graph, item: str, value: str, ids: str) -> bool:
    return not item or item == value or graph.is_constant(item) or _follows(graph, item, ids)


def _follows(graph: Graph, name: str, ids: str) -> bool:
    """Whether a value follows from the ids by lookups of constants, such as the scale of each row."""
    waiting, seen = [name], set()
    while waiting:
        value = waiting.pop()
        node = graph.producer.get(value)
        if value in seen or graph.is_constant(value):
            continue
        seen.add(value)
        if node is None:
            return False
        if row_lookup(node) and node.input[1] == ids and graph.is_constant(node.input[0]):
            continue
        if node.op_type not in _SHAPING:
            return False
        waiting += [item for item in node.input if item]
    return True


def _one_hot_ids(graph: Graph, name: str, rows: int) -> str | None:
    """The ids of which a matrix is the one-hot form, judging by the graph; a trial run confirms it."""
    node = graph.producer.get(name)
    while node is not None and node.op_type in ("Cast", "CastLike", "Identity", "Where"):
        node = graph.producer.get(node.input[0])
    if node is None:
        return None
    if node.op_type == "OneHot":
        return str(node.input[0])
    if row_lookup(node) and graph.is_constant(node.input[0]) and rows <= _LARGEST_IDENTITY:
        return str(node.input[1])
    if node.op_type != "Equal":
        return None
    given = [item for item in node.input if not graph.is_constant(item)]
    if len(given) != 1:
        return None
    ids = given[0]
    while ids in graph.producer and graph.producer[ids].op_type in ("Unsqueeze", "Reshape", "Cast", "Expand"):
        ids = graph.producer[ids].input[0]
    return str(ids)


def _tried(graph: Graph, found: Lookup) -> int | None:
    """Type of the rows, if the nodes of a lookup give for each id, wherever it stands, the same row of floats; else None."""
    ids = np.unique(np.linspace(0, found.rows - 1, min(_TRIED, found.rows)).astype(np.int64))
    order = np.random.default_rng(0).permutation(np.resize(ids, max(2, len(ids) // 2 * 2)))
    try:
        run = _runner(graph, found)
        one, other = run(ids), run(order)
        known = one if found.matrix is None else graph.value(found.matrix)[ids]
    except REFUSED:
        return None
    if one.dtype.kind not in "fV" or not one.shape[1] or not np.array_equal(one, known):
        return None
    if not np.array_equal(one[np.searchsorted(ids, order)], other):
        return None
    return int(helper.np_dtype_to_tensor_dtype(one.dtype))


Runner = Callable[[NDArray[np.int64]], NDArray[Any]]


def _runner(graph: Graph, found: Lookup) -> Runner:
    """What gives the rows of a list of ids, in the type of the graph, as [ids, dim]."""
    kind = graph.elem_type(found.ids)
    dtype = np.dtype(np.int64 if kind == TensorProto.UNDEFINED else helper.tensor_dtype_to_np_dtype(kind))
    rank = max(1, graph.rank(found.ids) or 2)
    session = graph.session(found.output, {found.ids: np.zeros((1,) * rank, dtype)})

    def run(ids: NDArray[np.int64]) -> NDArray[Any]:
        shaped = ids.astype(dtype).reshape((1,) * (rank - 1) + (-1,))
        rows = np.asarray(session.run([found.output], {found.ids: shaped})[0])
        if rows.shape[:-1] != shaped.shape:
            raise ModelError(f"'{found.output}' holds no row for each id")
        return rows.reshape(len(ids), -1)

    return run


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), default)

"""Translate a lookup program into TFLite operators.

Integers travel as float32, exact below 2^24: TensorFlow Lite Micro has no integer FLOOR_MOD, LESS or gather of anything but int8 and
float32, and the float forms cost the same elsewhere. A GATHER refuses ids beyond its table in all three runtimes; programs that never
gather by the ids themselves get a guard.
"""

from __future__ import annotations

import struct

import numpy as np

from edgeemb.errors import ExportError
from edgeemb.exporters.tflite.arrays import Arrays
from edgeemb.exporters.tflite.graph import Graph
from edgeemb.exporters.tflite.ngrams import Ngrams
from edgeemb.exporters.tflite.policy import FUSED, MAX_ROWS, TfliteRuntime
from edgeemb.exporters.tflite.row_ops import RowOps
from edgeemb.tables import Table
from edgeemb.tables.program import (
    Add,
    BatchMatMul,
    Clip,
    CodebookLookup,
    Concat,
    Divide,
    Gather,
    Ids,
    Index,
    Lookup,
    MatMul,
    Modulo,
    Multiply,
    NgramLookup,
    QuantizedLookup,
    Rows,
    Select,
    Take,
    walk,
)

#: Version of the custom ops and of their options (runtimes/tflite/lookup_op.h).
CUSTOM_VERSION = 1


def custom_options(*values: int) -> bytes:
    """The options of a custom op: little-endian int32, the version first.

    :param values: what follows it.
    """
    return struct.pack(f"<{1 + len(values)}i", CUSTOM_VERSION, *values)


class Lowering:
    """Writes one table's program into a subgraph.

    :param graph: where the operators go.
    :param arrays: the table's arrays.
    :param ids: index of the tensor of ids, int32[count].
    :param count: number of ids; -1 where it is known at run time only.
    :param runtime: what the operators must suit.
    :param custom: whether lookups that our kernels compute become custom ops.
    :raises ExportError: if the table has too many rows.
    """

    def __init__(
        self, graph: Graph, arrays: Arrays, ids: int, count: int, runtime: TfliteRuntime, *, custom: bool
    ) -> None:
        if arrays.table.shape[0] > MAX_ROWS:
            raise ExportError(
                f"{graph.prefix} has {arrays.table.shape[0]} rows: TFLite lookups take at most {MAX_ROWS}"
            )
        self.graph = graph
        self.arrays = arrays
        self.row_ops = RowOps(graph, arrays, count, runtime)
        self.ids = ids
        self.count = count
        self.runtime = runtime
        self.custom = custom
        self._indices: dict[tuple[Index, str], int] = {}
        self._guarded = _gathers_by_ids(arrays.table)

    def rows(self, node: Rows) -> tuple[int, int]:
        """Write a node of rows.

        :param node: the node.
        :return: index of the tensor float32[count, d] that holds its value, and d.
        """
        match node:
            case Gather(array, index):
                return self.row_ops.gathered(array, self.index(index)), self.row_ops.width(array)
            case QuantizedLookup():
                return (self._fused_quantized(node) if self.custom else self._quantized(node)), node.dim
            case CodebookLookup():
                return self._fused_codebook(node) if self.custom else self._codebook(node)
            case NgramLookup():
                dim = len(self.arrays.table.arrays[node.seeds])
                if self.custom:
                    return self._fused_ngram(node, dim), dim
                return Ngrams(self.row_ops, node).rows(self.index(node.index)), dim
            case Add(left, right):
                return self._binary("ADD", left, right)
            case Multiply(left, right):
                return self._binary("MUL", left, right)
            case MatMul(inner, array):
                return self._matmul(inner, array)
            case BatchMatMul(left, right, inner):
                return self._batch_matmul(left, right, inner)
            case Concat(parts):
                lowered = [self.rows(part) for part in parts]
                width = sum(dim for _, dim in lowered)
                return self.row_ops.op(
                    "CONCATENATION", [part for part, _ in lowered], width, axis=1, fusedActivationFunction=0
                ), width
            case Select(index, bound, below, other):
                column = self.row_ops.shaped(self._float_index(index), 1)
                chosen = self.row_ops.op("LESS", [column, self.row_ops.number(bound)], 1, "bool")
                (first, width), (second, _) = self.rows(below), self.rows(other)
                return self.row_ops.op("SELECT_V2", [chosen, first, second], width), width
        raise ExportError(
            f"{self.graph.prefix}: TFLite cannot express '{type(node).__name__}'; use another codec"
        )

    def index(self, node: Index) -> int:
        """Write a node that is an index.

        :param node: the node.
        :return: index of a tensor int32[count].
        """
        if isinstance(node, Ids) and not self.runtime.wraps_ids:
            return self.ids
        if (node, "int32") not in self._indices:
            value = self._float_index(node)
            if not self._guarded or isinstance(node, Ids):
                self._guarded = True
                value = self._guard(value)
            self._indices[node, "int32"] = self.graph.cast(value, "float32", "int32", (self.count,))
        return self._indices[node, "int32"]

    def _float_index(self, node: Index) -> int:
        if (node, "float32") not in self._indices:
            self._indices[node, "float32"] = self._float_value(node)
        return self._indices[node, "float32"]

    def _float_value(self, node: Index) -> int:
        match node:
            case Ids():
                return self.graph.cast(self.ids, "int32", "float32", (self.count,))
            case Take(array, index):
                return self.row_ops.taken(array, self.index(index))
            case Modulo(index, divisor):
                return self.row_ops.op(
                    "FLOOR_MOD", [self._float_index(index), self.row_ops.number(divisor)], ()
                )
            case Divide(index, divisor):
                value, step = self._float_index(index), self.row_ops.number(divisor)
                whole = self.row_ops.op(
                    "SUB",
                    [value, self.row_ops.op("FLOOR_MOD", [value, step], ())],
                    (),
                    fusedActivationFunction=0,
                )
                return self.row_ops.op("DIV", [whole, step], (), fusedActivationFunction=0)
            case Clip(index, offset, rows):
                moved = self._float_index(index)
                if offset:
                    moved = self.row_ops.op(
                        "SUB", [moved, self.row_ops.number(offset)], (), fusedActivationFunction=0
                    )
                low = self.row_ops.op("MAXIMUM", [moved, self.row_ops.number(0)], ())
                return self.row_ops.op("MINIMUM", [low, self.row_ops.number(rows - 1)], ())

    def _guard(self, value: int) -> int:
        """The value, or -1 where an id is out of bounds: the GATHER that follows refuses it."""
        ids = self._float_index(Ids())
        low = self.row_ops.op("MAXIMUM", [ids, self.row_ops.number(0)], ())
        inside = self.row_ops.op("MINIMUM", [low, self.row_ops.number(self.arrays.table.shape[0] - 1)], ())
        beyond = self.row_ops.op("NOT_EQUAL", [ids, inside], (), "bool")
        return self.row_ops.op("SELECT_V2", [beyond, self.row_ops.number(-1), value], ())

    def _fused_quantized(self, node: QuantizedLookup) -> int:
        options = (node.bits, node.dim, node.block, node.planes)
        return self._fused(node, (node.codes, node.scales), options, node.dim)

    def _fused_codebook(self, node: CodebookLookup) -> tuple[int, int]:
        count, _, part = self.arrays.table.arrays[node.codebooks].shape
        dim = part if node.additive else count * part
        return self._fused(node, (node.codes, node.codebooks), (dim, int(node.additive)), dim), dim

    def _fused_ngram(self, node: NgramLookup, dim: int) -> int:
        return self._fused(node, (node.tokens, node.starts, node.seeds, node.bases), (node.n, dim), dim)

    def _fused(
        self,
        node: Lookup,
        arrays: tuple[str, ...],
        options: tuple[int, ...],
        dim: int,
    ) -> int:
        """The custom op of a node. It checks ids itself, and names the one that is wrong."""
        ids = self.ids if isinstance(node.index, Ids) else self.index(node.index)
        inputs = [ids, *(self.row_ops.constant(name, "stored") for name in arrays)]
        packed = custom_options(*options)
        return self.row_ops.op(FUSED[type(node)], inputs, dim, custom=packed, version=CUSTOM_VERSION)

    def _quantized(self, node: QuantizedLookup) -> int:
        index = self.index(node.index)
        values = self._levels(node, index)
        scales = self.row_ops.gathered(node.scales, index)
        blocks = node.dim // node.block
        if node.planes == 1 and blocks == 1:
            return self.row_ops.op("MUL", [values, scales], node.dim, fusedActivationFunction=0)
        fine = (node.planes * blocks, node.block)
        by_block, column = (
            self.row_ops.shaped(values, fine),
            self.row_ops.shaped(scales, (node.planes * blocks, 1)),
        )
        scaled = self.row_ops.op("MUL", [by_block, column], fine, fusedActivationFunction=0)
        flat = self.row_ops.shaped(scaled, node.planes * node.dim)
        return flat if node.planes == 1 else self.row_ops.summed(flat, node.planes, node.dim)

    def _levels(self, node: QuantizedLookup, index: int) -> int:
        """Centred codes float32[count, planes * dim], exact."""
        width = -(-node.dim // (8 // node.bits)) * node.planes
        if node.bits == 1:
            return self._binary_levels(node, index, width)
        packed = self.row_ops.op(
            "GATHER", [self.row_ops.constant(node.codes, "int8"), index], width, "int8", axis=0, batchDims=0
        )
        rest = self.graph.cast(packed, "int8", "float32", (self.count, width))
        if node.bits == 8:
            return rest
        # The byte minus 128: its floor by the weight of the top code is that code, centred at 4 bits.
        parts: list[int] = []
        for shift in range(8 - node.bits, 0, -node.bits):
            top = self.row_ops.op(
                "FLOOR",
                [
                    self.row_ops.op(
                        "MUL", [rest, self.row_ops.number(2.0**-shift)], width, fusedActivationFunction=0
                    )
                ],
                width,
            )
            weighted = self.row_ops.op(
                "MUL", [top, self.row_ops.number(2**shift)], width, fusedActivationFunction=0
            )
            rest = self.row_ops.op("SUB", [rest, weighted], width, fusedActivationFunction=0)
            parts.insert(0, top)
        parts.insert(0, rest)
        zero = 8.0 if node.bits == 4 else 1.5
        # The top code of a byte minus 128 lies 128 / 2^shift below the code itself: 8 at 4 bits, 2 at 2 bits.
        offsets = [zero] * (len(parts) - 1) + [zero - 128 / 2 ** (8 - node.bits)]
        centred = [
            self.row_ops.op("SUB", [part, self.row_ops.number(offset)], width, fusedActivationFunction=0)
            if offset
            else part
            for part, offset in zip(parts, offsets, strict=True)
        ]
        if node.planes > 1:
            per_plane = width // node.planes
            split = [
                self.row_ops.slice(part, plane * per_plane, per_plane)
                for plane in range(node.planes)
                for part in centred
            ]
            return self._cut(split, node, per_plane)
        return self._cut(centred, node, width)

    def _cut(self, parts: list[int], node: QuantizedLookup, width: int) -> int:
        """Parts side by side, without the padding that odd dimensions leave at the end of each plane."""
        per_plane = len(parts) // node.planes
        planes = []
        for plane in range(node.planes):
            own = parts[plane * per_plane : (plane + 1) * per_plane]
            joined = self.row_ops.op(
                "CONCATENATION", own, width * per_plane, axis=1, fusedActivationFunction=0
            )
            planes.append(
                joined if width * per_plane == node.dim else self.row_ops.slice(joined, 0, node.dim)
            )
        if len(planes) == 1:
            return planes[0]
        return self.row_ops.op(
            "CONCATENATION", planes, node.planes * node.dim, axis=1, fusedActivationFunction=0
        )

    def _binary_levels(self, node: QuantizedLookup, index: int, width: int) -> int:
        codes = self.graph.constant(self.arrays.get(node.codes, "consecutive", (node.planes, node.dim)))
        packed = self.row_ops.op("GATHER", [codes, index], width, "int8", axis=0, batchDims=0)
        wide = self.graph.cast(packed, "int8", "int32", (self.count, width))
        offset = self.graph.constant(np.array([128], np.int32))
        unsigned = self.row_ops.op("ADD", [wide, offset], width, "int32", fusedActivationFunction=0)
        bits = np.arange(256)[:, None] >> np.arange(8)[None] & 1
        levels = self.graph.constant((bits - 0.5).astype(np.float32))
        found = self.row_ops.op("GATHER", [levels, unsigned], (width, 8), axis=0, batchDims=0)
        per_plane = width // node.planes * 8
        if per_plane == node.dim:
            return self.row_ops.shaped(found, node.planes * node.dim)
        by_plane = self.row_ops.shaped(found, (node.planes, per_plane))
        sizes = self.row_ops.axes([-1, node.planes, node.dim])
        cut = self.row_ops.op(
            "SLICE", [by_plane, self.row_ops.axes([0, 0, 0]), sizes], (node.planes, node.dim)
        )
        return self.row_ops.shaped(cut, node.planes * node.dim)

    def _codebook(self, node: CodebookLookup) -> tuple[int, int]:
        books = self.arrays.table.arrays[node.codebooks]
        count, size, part = books.shape
        index = self.index(node.index)
        packed = self.row_ops.op(
            "GATHER", [self.row_ops.constant(node.codes, "int8"), index], count, "int8", axis=0, batchDims=0
        )
        wide = self.graph.cast(packed, "int8", "int32", (self.count, count))
        starts = self.graph.constant((np.arange(count) * size + 128).astype(np.int32))
        entries = self.row_ops.op("ADD", [wide, starts], count, "int32", fusedActivationFunction=0)
        found = self.row_ops.codewords(node.codebooks, entries, (count, part))
        flat = self.row_ops.shaped(found, count * part)
        return (self.row_ops.summed(flat, count, part), part) if node.additive else (flat, count * part)

    def _binary(self, name: str, left: Rows, right: Rows) -> tuple[int, int]:
        (first, wide), (second, narrow) = self.rows(left), self.rows(right)
        width = max(wide, narrow)
        return self.row_ops.op(name, [first, second], width, fusedActivationFunction=0), width

    def _matmul(self, rows: Rows, array: str) -> tuple[int, int]:
        inner, _ = self.rows(rows)
        matrix = self.arrays.table.arrays[array]
        width = matrix.shape[1]
        if matrix.dtype == np.float16 and self.runtime.half_weights:
            half = self.graph.constant(self.arrays.get(array, "transposed"))
            weights = self.graph.op("DEQUANTIZE", [half], (width, matrix.shape[0]), version=3)
        else:
            weights = self.graph.constant(np.ascontiguousarray(self.arrays.get(array, "float32").T))
        return self.row_ops.op(
            "FULLY_CONNECTED", [inner, weights, -1], width, fusedActivationFunction=0, keepNumDims=False
        ), width

    def _batch_matmul(self, left: Rows, right: Rows, inner: int) -> tuple[int, int]:
        (first, tall), (second, wide) = self.rows(left), self.rows(right)
        tall, wide = tall // inner, wide // inner
        product = self.row_ops.op(
            "BATCH_MATMUL",
            [self.row_ops.shaped(first, (tall, inner)), self.row_ops.shaped(second, (inner, wide))],
            (tall, wide),
        )
        return self.row_ops.shaped(product, tall * wide), tall * wide


def _gathers_by_ids(table: Table) -> bool:
    """Whether something of V rows is looked up by the ids themselves, which refuses those out of bounds."""
    for node in walk(table.program):
        match node:
            case (
                Take(array, Ids())
                | Gather(array, Ids())
                | QuantizedLookup(Ids(), array)
                | CodebookLookup(Ids(), array)
            ):
                if len(table.arrays[array]) == table.shape[0]:
                    return True
            case NgramLookup(Ids(), starts=starts):
                if len(table.arrays[starts]) == table.shape[0] + 1:
                    return True
            case _:
                pass
    return False

"""Translate a lookup program into TFLite operators.

Integers travel as float32, exact below 2^24: TensorFlow Lite Micro has no integer FLOOR_MOD, LESS or gather of anything but int8 and
float32, and the float forms cost the same elsewhere. A GATHER refuses ids beyond its table in all three runtimes; programs that never
gather by the ids themselves get a guard.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import ExportError
from edgeemb.export.tflite_graph import TENSOR_TYPES, Graph
from edgeemb.export.tflite_policy import CUSTOM_OP, MAX_ROWS, TfliteRuntime
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
    MatMul,
    Modulo,
    Multiply,
    QuantizedLookup,
    Rows,
    Select,
    Take,
    unpack_codes,
    walk,
)

#: Version of the custom op and of its options.
CUSTOM_VERSION = 1


class Arrays:
    """A table's arrays in the layouts that the forms want, each made once and shared by all subgraphs.

    :param table: the table.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._made: dict[tuple[str, str], NDArray[Any]] = {}

    def get(self, name: str, layout: str, extra: tuple[int, ...] = ()) -> NDArray[Any]:
        """An array in a layout.

        :param name: name of the stored array.
        :param layout: ``stored``; ``float32``; ``transposed`` (float32 and float16 matrices, as FULLY_CONNECTED wants them); ``int8``
            (bytes with 128 taken off); ``int16`` (the same bits); ``bytes`` (int8 planes of the bytes, the lowest first, side by side);
            ``consecutive`` (1-bit codes with a byte holding 8 successive elements, as int8).
        :param extra: for ``consecutive``: planes and dim.
        """
        key = (name, layout)
        if key not in self._made:
            self._made[key] = np.ascontiguousarray(_arranged(self.table.arrays[name], layout, extra))
        return self._made[key]


def _arranged(array: NDArray[Any], layout: str, extra: tuple[int, ...]) -> NDArray[Any]:
    match layout:
        case "stored":
            return array
        case "float32":
            return array.astype(np.float32)
        case "transposed":
            return array.T
        case "int8":
            return (array ^ np.uint8(128)).view(np.int8)
        case "int16":
            return array.view(np.int16)
        case "bytes":
            flat = np.ascontiguousarray(array.reshape(len(array), -1))
            planes = flat.view(np.uint8).reshape(*flat.shape, array.itemsize)
            return (planes.transpose(0, 2, 1).reshape(len(flat), -1) ^ np.uint8(128)).view(np.int8)
        case "consecutive":
            planes, dim = extra
            codes = unpack_codes(array.reshape(len(array), planes, -1), 1, dim)
            return (
                np.packbits(codes, axis=-1, bitorder="little").reshape(len(array), -1) ^ np.uint8(128)
            ).view(np.int8)
    raise ValueError(f"no layout {layout}")


class Lowering:
    """Writes one table's program into a subgraph.

    :param graph: where the operators go.
    :param arrays: the table's arrays.
    :param ids: index of the tensor of ids, int32[count].
    :param count: number of ids; -1 where it is known at run time only.
    :param runtime: what the operators must suit.
    :param custom: whether quantised lookups become the custom op.
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
                return self._gathered(array, self.index(index)), self._width(array)
            case QuantizedLookup():
                return (self._fused(node) if self.custom else self._quantized(node)), node.dim
            case CodebookLookup():
                return self._codebook(node)
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
                return self.op(
                    "CONCATENATION", [part for part, _ in lowered], width, axis=1, fusedActivationFunction=0
                ), width
            case Select(index, bound, below, other):
                column = self._shaped(self._float_index(index), 1)
                chosen = self.op("LESS", [column, self._number(bound)], 1, "bool")
                (first, width), (second, _) = self.rows(below), self.rows(other)
                return self.op("SELECT_V2", [chosen, first, second], width), width
        raise ExportError(
            f"{self.graph.prefix}: TFLite cannot express '{type(node).__name__}'; use another codec"
        )

    def index(self, node: Index) -> int:
        """Write a node that is an index.

        :param node: the node.
        :return: index of a tensor int32[count].
        """
        if isinstance(node, Ids):
            return self.ids
        if (node, "int32") not in self._indices:
            value = self._float_index(node)
            if not self._guarded:
                self._guarded = True
                value = self._guard(value)
            self._indices[node, "int32"] = self._cast(value, "float32", "int32", (self.count,))
        return self._indices[node, "int32"]

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        width: int | Sequence[int],
        dtype: str = "float32",
        **options: Any,
    ) -> int:
        """Add an operator whose output has a row per id.

        :param width: the axes of the output behind the first.
        """
        axes = (width,) if isinstance(width, int) else tuple(width)
        return self.graph.op(name, inputs, (self.count, *axes), dtype, **options)

    def _float_index(self, node: Index) -> int:
        if (node, "float32") not in self._indices:
            self._indices[node, "float32"] = self._float_value(node)
        return self._indices[node, "float32"]

    def _float_value(self, node: Index) -> int:
        match node:
            case Ids():
                return self._cast(self.ids, "int32", "float32", (self.count,))
            case Take(array, index):
                return self._taken(array, self.index(index))
            case Modulo(index, divisor):
                return self.op("FLOOR_MOD", [self._float_index(index), self._number(divisor)], ())
            case Divide(index, divisor):
                value, step = self._float_index(index), self._number(divisor)
                whole = self.op(
                    "SUB", [value, self.op("FLOOR_MOD", [value, step], ())], (), fusedActivationFunction=0
                )
                return self.op("DIV", [whole, step], (), fusedActivationFunction=0)
            case Clip(index, offset, rows):
                moved = self._float_index(index)
                if offset:
                    moved = self.op("SUB", [moved, self._number(offset)], (), fusedActivationFunction=0)
                low = self.op("MAXIMUM", [moved, self._number(0)], ())
                return self.op("MINIMUM", [low, self._number(rows - 1)], ())

    def _guard(self, value: int) -> int:
        """The value, or -1 where an id is out of bounds: the GATHER that follows refuses it."""
        ids = self._float_index(Ids())
        low = self.op("MAXIMUM", [ids, self._number(0)], ())
        inside = self.op("MINIMUM", [low, self._number(self.arrays.table.shape[0] - 1)], ())
        beyond = self.op("NOT_EQUAL", [ids, inside], (), "bool")
        return self.op("SELECT_V2", [beyond, self._number(-1), value], ())

    def _taken(self, array: str, index: int) -> int:
        """A stored integer per id, float32[count]."""
        stored = self.arrays.table.arrays[array]
        if stored.dtype == np.int16 and self.runtime.wide == "bitcast":
            found = self.op(
                "GATHER", [self._constant(array, "int16"), index], (), "int16", axis=0, batchDims=0
            )
            return self._cast(found, "int16", "float32", (self.count,))
        if stored.dtype == np.int32 and self.runtime.wide == "bitcast":
            found = self.op(
                "GATHER", [self._constant(array, "stored"), index], (), "int32", axis=0, batchDims=0
            )
            return self._cast(found, "int32", "float32", (self.count,))
        return self._shaped(self._from_bytes(array, index, 1), ())

    def _from_bytes(self, array: str, index: int, width: int) -> int:
        """Unsigned integers float32[count, width] from their bytes; at most three of them count."""
        itemsize = self.arrays.table.arrays[array].itemsize
        constant = self._constant(array, "bytes")
        found = self.op("GATHER", [constant, index], itemsize * width, "int8", axis=0, batchDims=0)
        signed = self._cast(found, "int8", "float32", (self.count, itemsize * width))
        planes = self.op("ADD", [signed, self._number(128)], itemsize * width, fusedActivationFunction=0)
        total = self._slice(planes, 0, width) if itemsize > 1 else planes
        for plane in range(1, min(itemsize, 3)):
            part = self.op(
                "MUL",
                [self._slice(planes, plane * width, width), self._number(256**plane)],
                width,
                fusedActivationFunction=0,
            )
            total = self.op("ADD", [total, part], width, fusedActivationFunction=0)
        return total

    def _gathered(self, array: str, index: int) -> int:
        """Rows of a stored float array, float32[count, d]."""
        stored, width = self.arrays.table.arrays[array], self._width(array)
        if stored.dtype == np.float32:
            return self.op("GATHER", [self._constant(array, "stored"), index], width, axis=0, batchDims=0)
        if self.runtime.wide == "bitcast":
            found = self.op(
                "GATHER", [self._constant(array, "int16"), index], width, "int16", axis=0, batchDims=0
            )
            return self.op("DEQUANTIZE", [self.op("BITCAST", [found], width, "float16")], width, version=3)
        return self._half(self._from_bytes(array, index, width), width)

    def _half(self, bits: int, width: int) -> int:
        """float16 from its bits: 6 bits of sign and exponent choose a power and the leading one, 10 bits are the fraction."""
        tenth = self.op("MUL", [bits, self._number(2.0**-10)], width, fusedActivationFunction=0)
        high = self.op("FLOOR", [tenth], width)
        taken_off = self.op("MUL", [high, self._number(1024)], width, fusedActivationFunction=0)
        fraction = self.op("SUB", [bits, taken_off], width, fusedActivationFunction=0)
        chosen = self._cast(high, "float32", "int32", (self.count, width))
        exponents = np.arange(64) % 32
        powers = np.ldexp(np.where(np.arange(64) < 32, 1.0, -1.0), np.maximum(exponents, 1) - 25).astype(
            np.float32
        )
        leading = np.where(exponents > 0, 1024.0, 0.0).astype(np.float32)
        power = self.op("GATHER", [self.graph.constant(powers), chosen], width, axis=0, batchDims=0)
        one = self.op("GATHER", [self.graph.constant(leading), chosen], width, axis=0, batchDims=0)
        whole = self.op("ADD", [fraction, one], width, fusedActivationFunction=0)
        return self.op("MUL", [whole, power], width, fusedActivationFunction=0)

    def _fused(self, node: QuantizedLookup) -> int:
        options = struct.pack("<5i", CUSTOM_VERSION, node.bits, node.dim, node.block, node.planes)
        inputs = [
            self.index(node.index),
            self._constant(node.codes, "stored"),
            self._constant(node.scales, "stored"),
        ]
        return self.op(CUSTOM_OP, inputs, node.dim, custom=options, version=CUSTOM_VERSION)

    def _quantized(self, node: QuantizedLookup) -> int:
        index = self.index(node.index)
        values = self._levels(node, index)
        scales = self._gathered(node.scales, index)
        blocks = node.dim // node.block
        if node.planes == 1 and blocks == 1:
            return self.op("MUL", [values, scales], node.dim, fusedActivationFunction=0)
        fine = (node.planes * blocks, node.block)
        by_block, column = self._shaped(values, fine), self._shaped(scales, (node.planes * blocks, 1))
        scaled = self.op("MUL", [by_block, column], fine, fusedActivationFunction=0)
        if node.planes == 1:
            return self._shaped(scaled, node.dim)
        by_plane = self._shaped(scaled, (node.planes, node.dim))
        return self.op("SUM", [by_plane, self._axes([1])], node.dim, keepDims=False)

    def _levels(self, node: QuantizedLookup, index: int) -> int:
        """Centred codes float32[count, planes * dim], exact."""
        width = -(-node.dim // (8 // node.bits)) * node.planes
        if node.bits == 1:
            return self._binary_levels(node, index, width)
        packed = self.op(
            "GATHER", [self._constant(node.codes, "int8"), index], width, "int8", axis=0, batchDims=0
        )
        rest = self._cast(packed, "int8", "float32", (self.count, width))
        if node.bits == 8:
            return rest
        # The byte minus 128: its floor by the weight of the top code is that code, centred at 4 bits.
        parts: list[int] = []
        for shift in range(8 - node.bits, 0, -node.bits):
            top = self.op(
                "FLOOR",
                [self.op("MUL", [rest, self._number(2.0**-shift)], width, fusedActivationFunction=0)],
                width,
            )
            weighted = self.op("MUL", [top, self._number(2**shift)], width, fusedActivationFunction=0)
            rest = self.op("SUB", [rest, weighted], width, fusedActivationFunction=0)
            parts.insert(0, top)
        parts.insert(0, rest)
        zero = 8.0 if node.bits == 4 else 1.5
        # The top code of a byte minus 128 lies 128 / 2^shift below the code itself: 8 at 4 bits, 2 at 2 bits.
        offsets = [zero] * (len(parts) - 1) + [zero - 128 / 2 ** (8 - node.bits)]
        centred = [
            self.op("SUB", [part, self._number(offset)], width, fusedActivationFunction=0) if offset else part
            for part, offset in zip(parts, offsets, strict=True)
        ]
        if node.planes > 1:
            per_plane = width // node.planes
            split = [
                self._slice(part, plane * per_plane, per_plane)
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
            joined = self.op("CONCATENATION", own, width * per_plane, axis=1, fusedActivationFunction=0)
            planes.append(joined if width * per_plane == node.dim else self._slice(joined, 0, node.dim))
        if len(planes) == 1:
            return planes[0]
        return self.op("CONCATENATION", planes, node.planes * node.dim, axis=1, fusedActivationFunction=0)

    def _binary_levels(self, node: QuantizedLookup, index: int, width: int) -> int:
        codes = self.graph.constant(self.arrays.get(node.codes, "consecutive", (node.planes, node.dim)))
        packed = self.op("GATHER", [codes, index], width, "int8", axis=0, batchDims=0)
        wide = self._cast(packed, "int8", "int32", (self.count, width))
        offset = self.graph.constant(np.array([128], np.int32))
        unsigned = self.op("ADD", [wide, offset], width, "int32", fusedActivationFunction=0)
        bits = np.arange(256)[:, None] >> np.arange(8)[None] & 1
        levels = self.graph.constant((bits - 0.5).astype(np.float32))
        found = self.op("GATHER", [levels, unsigned], (width, 8), axis=0, batchDims=0)
        per_plane = width // node.planes * 8
        if per_plane == node.dim:
            return self._shaped(found, node.planes * node.dim)
        by_plane = self._shaped(found, (node.planes, per_plane))
        sizes = self._axes([-1, node.planes, node.dim])
        cut = self.op("SLICE", [by_plane, self._axes([0, 0, 0]), sizes], (node.planes, node.dim))
        return self._shaped(cut, node.planes * node.dim)

    def _codebook(self, node: CodebookLookup) -> tuple[int, int]:
        books = self.arrays.table.arrays[node.codebooks]
        count, size, part = books.shape
        index = self.index(node.index)
        packed = self.op(
            "GATHER", [self._constant(node.codes, "int8"), index], count, "int8", axis=0, batchDims=0
        )
        wide = self._cast(packed, "int8", "int32", (self.count, count))
        starts = self.graph.constant((np.arange(count) * size + 128).astype(np.int32))
        entries = self.op("ADD", [wide, starts], count, "int32", fusedActivationFunction=0)
        found = self._codewords(node.codebooks, entries, (count, part))
        if node.additive:
            return self.op("SUM", [found, self._axes([1])], part, keepDims=False), part
        return self._shaped(found, count * part), count * part

    def _codewords(self, name: str, entries: int, axes: tuple[int, int]) -> int:
        """Codewords float32[count, M, part]; stored in float32 where float16 cannot be reinterpreted (they are few)."""
        books = self.arrays.table.arrays[name]
        if books.dtype == np.float16 and self.runtime.wide == "bitcast":
            flat = self.arrays.get(name, "int16").reshape(-1, books.shape[2])
            found = self.op(
                "GATHER", [self.graph.constant(flat), entries], axes, "int16", axis=0, batchDims=0
            )
            return self.op("DEQUANTIZE", [self.op("BITCAST", [found], axes, "float16")], axes, version=3)
        flat = self.arrays.get(name, "float32").reshape(-1, books.shape[2])
        return self.op("GATHER", [self.graph.constant(flat), entries], axes, axis=0, batchDims=0)

    def _binary(self, name: str, left: Rows, right: Rows) -> tuple[int, int]:
        (first, wide), (second, narrow) = self.rows(left), self.rows(right)
        width = max(wide, narrow)
        return self.op(name, [first, second], width, fusedActivationFunction=0), width

    def _matmul(self, rows: Rows, array: str) -> tuple[int, int]:
        inner, _ = self.rows(rows)
        matrix = self.arrays.table.arrays[array]
        width = matrix.shape[1]
        if matrix.dtype == np.float16 and self.runtime.half_weights:
            half = self.graph.constant(self.arrays.get(array, "transposed"))
            weights = self.graph.op("DEQUANTIZE", [half], (width, matrix.shape[0]), version=3)
        else:
            weights = self.graph.constant(np.ascontiguousarray(self.arrays.get(array, "float32").T))
        return self.op(
            "FULLY_CONNECTED", [inner, weights, -1], width, fusedActivationFunction=0, keepNumDims=False
        ), width

    def _batch_matmul(self, left: Rows, right: Rows, inner: int) -> tuple[int, int]:
        (first, tall), (second, wide) = self.rows(left), self.rows(right)
        tall, wide = tall // inner, wide // inner
        product = self.op(
            "BATCH_MATMUL",
            [self._shaped(first, (tall, inner)), self._shaped(second, (inner, wide))],
            (tall, wide),
        )
        return self._shaped(product, tall * wide), tall * wide

    def _width(self, array: str) -> int:
        return int(self.arrays.table.arrays[array].shape[1])

    def _constant(self, array: str, layout: str) -> int:
        return self.graph.constant(self.arrays.get(array, layout), f"{array}.{layout}")

    def _number(self, value: float) -> int:
        return self.graph.constant(np.array([value], np.float32))

    def _axes(self, values: Sequence[int]) -> int:
        return self.graph.constant(np.array(values, np.int32))

    def _slice(self, rows: int, first: int, width: int) -> int:
        return self.op("SLICE", [rows, self._axes([0, first]), self._axes([-1, width])], width)

    def _shaped(self, rows: int, axes: int | Sequence[int]) -> int:
        shape = (self.count, axes) if isinstance(axes, int) else (self.count, *axes)
        return self.op("RESHAPE", [rows, self._axes(shape)], shape[1:], newShape=list(shape))

    def _cast(self, tensor: int, source: str, target: str, shape: Sequence[int]) -> int:
        return self.graph.op(
            "CAST", [tensor], shape, target, inDataType=TENSOR_TYPES[source], outDataType=TENSOR_TYPES[target]
        )


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
            case _:
                pass
    return False

"""How stored arrays are read and values are shaped with TFLite ops: the words that `edgeemb.exporters.tflite.lowering` writes programs in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeemb.exporters.tflite.arrays import Arrays
from edgeemb.exporters.tflite.graph import Graph
from edgeemb.exporters.tflite.policy import TfliteRuntime


class RowOps:
    """Adds operators whose outputs have a row per id.

    :param graph: where the operators go.
    :param arrays: the table's arrays.
    :param count: number of ids; -1 where it is known at run time only.
    :param runtime: what the operators must suit.
    """

    def __init__(self, graph: Graph, arrays: Arrays, count: int, runtime: TfliteRuntime) -> None:
        self.graph = graph
        self.arrays = arrays
        self.count = count
        self.runtime = runtime

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        width: int | Sequence[int],
        dtype: str = "float32",
        **options: Any,
    ) -> int:
        """Add an operator whose output has a row per id.

        :param width: the axes of the output after the first.
        """
        axes = (width,) if isinstance(width, int) else tuple(width)
        return self.graph.op(name, inputs, (self.count, *axes), dtype, **options)

    def _from_bytes(self, array: str, index: int, width: int) -> int:
        """Unsigned integers float32[count, width] from their bytes; at most three of them count."""
        itemsize = self.arrays.table.arrays[array].itemsize
        constant = self.constant(array, "bytes")
        found = self.op("GATHER", [constant, index], itemsize * width, "int8", axis=0, batchDims=0)
        signed = self.graph.cast(found, "int8", "float32", (self.count, itemsize * width))
        planes = self.op("ADD", [signed, self.number(128)], itemsize * width, fusedActivationFunction=0)
        total = self.slice(planes, 0, width) if itemsize > 1 else planes
        for plane in range(1, min(itemsize, 3)):
            part = self.op(
                "MUL",
                [self.slice(planes, plane * width, width), self.number(256**plane)],
                width,
                fusedActivationFunction=0,
            )
            total = self.op("ADD", [total, part], width, fusedActivationFunction=0)
        return total

    def gathered(self, array: str, index: int) -> int:
        """Rows of a stored float array, float32[count, d]."""
        stored, width = self.arrays.table.arrays[array], self.width(array)
        if stored.dtype == np.float32:
            return self.op("GATHER", [self.constant(array, "stored"), index], width, axis=0, batchDims=0)
        if self.runtime.wide == "bitcast":
            found = self.op(
                "GATHER", [self.constant(array, "int16"), index], width, "int16", axis=0, batchDims=0
            )
            return self.op("DEQUANTIZE", [self.op("BITCAST", [found], width, "float16")], width, version=3)
        return self._half(self._from_bytes(array, index, width), width)

    def _half(self, bits: int, width: int) -> int:
        """float16 from its bits: 6 bits of sign and exponent choose a power and the leading one, 10 bits are the fraction."""
        tenth = self.op("MUL", [bits, self.number(2.0**-10)], width, fusedActivationFunction=0)
        high = self.op("FLOOR", [tenth], width)
        taken_off = self.op("MUL", [high, self.number(1024)], width, fusedActivationFunction=0)
        fraction = self.op("SUB", [bits, taken_off], width, fusedActivationFunction=0)
        chosen = self.graph.cast(high, "float32", "int32", (self.count, width))
        exponents = np.arange(64) % 32
        powers = np.ldexp(np.where(np.arange(64) < 32, 1.0, -1.0), np.maximum(exponents, 1) - 25).astype(
            np.float32
        )
        leading = np.where(exponents > 0, 1024.0, 0.0).astype(np.float32)
        power = self.op("GATHER", [self.graph.constant(powers), chosen], width, axis=0, batchDims=0)
        one = self.op("GATHER", [self.graph.constant(leading), chosen], width, axis=0, batchDims=0)
        whole = self.op("ADD", [fraction, one], width, fusedActivationFunction=0)
        return self.op("MUL", [whole, power], width, fusedActivationFunction=0)

    def taken(self, array: str, index: int) -> int:
        """A stored integer per id, float32[count]."""
        stored = self.arrays.table.arrays[array]
        if stored.dtype == np.int16 and self.runtime.wide == "bitcast":
            found = self.op(
                "GATHER", [self.constant(array, "int16"), index], (), "int16", axis=0, batchDims=0
            )
            return self.graph.cast(found, "int16", "float32", (self.count,))
        if stored.dtype == np.int32 and self.runtime.wide == "bitcast":
            found = self.op(
                "GATHER", [self.constant(array, "stored"), index], (), "int32", axis=0, batchDims=0
            )
            return self.graph.cast(found, "int32", "float32", (self.count,))
        return self.shaped(self._from_bytes(array, index, 1), ())

    def width(self, array: str) -> int:
        return int(self.arrays.table.arrays[array].shape[1])

    def constant(self, array: str, layout: str) -> int:
        return self.graph.constant(self.arrays.get(array, layout), f"{array}.{layout}")

    def number(self, value: float) -> int:
        return self.graph.constant(np.array([value], np.float32))

    def axes(self, values: Sequence[int]) -> int:
        return self.graph.constant(np.array(values, np.int32))

    def slice(self, rows: int, first: int, width: int) -> int:
        return self.op("SLICE", [rows, self.axes([0, first]), self.axes([-1, width])], width)

    def shaped(self, rows: int, axes: int | Sequence[int]) -> int:
        shape = (self.count, axes) if isinstance(axes, int) else (self.count, *axes)
        return self.graph.reshape(rows, shape)

    def codewords(self, name: str, entries: int, axes: tuple[int, int]) -> int:
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

    def summed(self, rows: int, parts: int, width: int) -> int:
        """The parts of rows added up in order, float32[count, width]: SUM would leave the order to the runtime.

        :param rows: float32[count, parts * width].
        :param parts: how many.
        :param width: elements of each.
        """
        total = self.slice(rows, 0, width)
        for part in range(1, parts):
            total = self.op(
                "ADD", [total, self.slice(rows, part * width, width)], width, fusedActivationFunction=0
            )
        return total

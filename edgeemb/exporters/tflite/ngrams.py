"""Rows computed from the bytes of tokens, as TFLite operators: the arithmetic of `edgeemb.tables.ngrams.ngram_rows` in float32.

Every value is an integer below 2**24 until the last product, so that it is exact in any order of addition. The hashes of a token lie side by
side, float32[count, longest, lanes]; a mask of zeros and ones says which of them are n-grams of the current size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import ExportError
from edgeemb.exporters.tflite.policy import MAX_ROWS
from edgeemb.exporters.tflite.row_ops import RowOps
from edgeemb.tables.ngrams import CENTRE, MODULUS, parts_of
from edgeemb.tables.program import NgramLookup

# What an int8 that had 128 taken off lacks to be the byte plus one, which is what a byte adds to a hash.
_CODE = 129


class Ngrams:
    """Writes one lookup.

    :param row_ops: where the operators go.
    :param node: the lookup.
    :raises ExportError: if the tokens have too many bytes.
    """

    def __init__(self, row_ops: RowOps, node: NgramLookup) -> None:
        arrays = row_ops.arrays.table.arrays
        self.row_ops = row_ops
        self.node = node
        self.total = len(arrays[node.tokens])
        if self.total > MAX_ROWS:
            raise ExportError(
                f"{row_ops.graph.prefix}: its tokens have {self.total} bytes, TFLite lookups take at most {MAX_ROWS}; use ops='custom'"
            )
        self.bases = arrays[node.bases].astype(np.float32)
        self.seeds = arrays[node.seeds].astype(np.float32)

    def rows(self, index: int) -> int:
        """Add the operators.

        :param index: index of the tensor of token numbers, int32[count]; a GATHER refuses those out of bounds.
        :return: index of the tensor float32[count, dim].
        """
        longest, lanes = self.node.longest, len(self.bases)
        first, length = self._extent(index)
        codes = self._codes(first)
        left = self._binary("SUB", length, self._row(np.arange(longest)), longest)
        filled = self._clipped(length, 1)
        start = self._binary("MUL", filled, self._row(np.arange(longest) == 0), longest)
        shape = (longest, lanes)
        hashes = self.row_ops.shaped(self.row_ops.slice(codes, 0, longest), (longest, 1))
        parts = []
        for size, (low, high) in enumerate(parts_of(self.node.n, lanes, len(self.seeds)), start=1):
            inside = self._clipped(self._minus(left, size - 1, longest), longest)
            if size == 1:
                # Of one byte, the hash is the byte's code in every lane.
                hashes = self._binary("MUL", hashes, self._row(np.ones((1, lanes))), shape)
            else:
                following = self.row_ops.shaped(self.row_ops.slice(codes, size - 1, longest), (longest, 1))
                spread = self._binary("MUL", hashes, self._row(self.bases.reshape(1, lanes)), shape)
                mixed = self._modulo(self._binary("ADD", spread, following, shape), shape)
                # Past the token's end a shorter n-gram stays as it is.
                step = self._binary("SUB", mixed, hashes, shape)
                gate = self.row_ops.shaped(inside, (longest, 1))
                hashes = self._binary("ADD", hashes, self._binary("MUL", step, gate, shape), shape)
            counted = self.row_ops.op("MAXIMUM", [inside, start], longest)
            grams = self.row_ops.op("MAXIMUM", [self._minus(length, size - 1, 1), filled], 1)
            parts.append(self._part(hashes, counted, grams, self.seeds[low:high]))
        if len(parts) == 1:
            return parts[0]
        return self.row_ops.op("CONCATENATION", parts, len(self.seeds), axis=1, fusedActivationFunction=0)

    def _extent(self, index: int) -> tuple[int, int]:
        """Where the bytes of a token begin and how many there are, float32[count, 1] each."""
        starts = self.row_ops.constant(self.node.starts, "float32")
        one = self.row_ops.graph.constant(np.array([1], np.int32))
        following = self.row_ops.op("ADD", [index, one], (), "int32", fusedActivationFunction=0)
        first, end = (
            self.row_ops.shaped(self.row_ops.op("GATHER", [starts, place], (), axis=0, batchDims=0), 1)
            for place in (index, following)
        )
        return first, self._binary("SUB", end, first, 1)

    def _codes(self, first: int) -> int:
        """The bytes from the first on, each plus one, float32[count, longest + n - 1]; what follows a token does not count."""
        width = self.node.longest + self.node.n - 1
        places = self._binary("ADD", first, self._row(np.arange(width)), width)
        within = self.row_ops.op("MINIMUM", [places, self.row_ops.number(self.total - 1)], width)
        at = self.row_ops.graph.cast(within, "float32", "int32", (self.row_ops.count, width))
        tokens = self.row_ops.constant(self.node.tokens, "int8")
        found = self.row_ops.op("GATHER", [tokens, at], width, "int8", axis=0, batchDims=0)
        signed = self.row_ops.graph.cast(found, "int8", "float32", (self.row_ops.count, width))
        return self._binary("ADD", signed, self.row_ops.number(_CODE), width)

    def _part(self, hashes: int, counted: int, grams: int, seeds: NDArray[np.float32]) -> int:
        """The elements of one size of n-gram: the mean over those that count, float32[count, len(seeds)]."""
        longest, lanes, width = self.node.longest, len(self.bases), len(seeds)
        spread = (longest, width // lanes, lanes)
        products = self._binary(
            "MUL",
            self.row_ops.shaped(hashes, (longest, 1, lanes)),
            self._row(seeds.reshape(1, 1, -1, lanes)),
            spread,
        )
        remainders = self.row_ops.shaped(self._modulo(products, spread), (longest, width))
        gate = self.row_ops.shaped(counted, (1, longest))
        total = self.row_ops.shaped(self.row_ops.op("BATCH_MATMUL", [gate, remainders], (1, width)), width)
        centres = self._binary("MUL", grams, self.row_ops.number(CENTRE), 1)
        least = self.row_ops.op("MAXIMUM", [centres, self.row_ops.number(CENTRE)], 1)
        scale = self._binary("DIV", self.row_ops.number(1), least, 1)
        return self._binary("MUL", self._binary("SUB", total, centres, width), scale, width)

    def _modulo(self, values: int, shape: tuple[int, ...]) -> int:
        """The remainder by B of integers below 2**24: a quotient is at least 1 / B below the next integer, which no rounding bridges."""
        modulus = self.row_ops.number(MODULUS)
        whole = self.row_ops.op("FLOOR", [self._binary("DIV", values, modulus, shape)], shape)
        return self._binary("SUB", values, self._binary("MUL", whole, modulus, shape), shape)

    def _clipped(self, values: int, width: int) -> int:
        """Values clipped to [0, 1]."""
        low = self.row_ops.op("MAXIMUM", [values, self.row_ops.number(0)], width)
        return self.row_ops.op("MINIMUM", [low, self.row_ops.number(1)], width)

    def _minus(self, values: int, number: int, width: int) -> int:
        return self._binary("SUB", values, self.row_ops.number(number), width) if number else values

    def _row(self, values: NDArray[Any]) -> int:
        row = np.asarray(values, np.float32)
        return self.row_ops.graph.constant(row if row.ndim > 1 else row.reshape(1, -1))

    def _binary(self, name: str, left: int, right: int, width: int | tuple[int, ...]) -> int:
        return self.row_ops.op(name, [left, right], width, fusedActivationFunction=0)

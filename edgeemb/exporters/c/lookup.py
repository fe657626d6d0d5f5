"""Translate a lookup program into a C function that writes one row of a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeemb.errors import ExportError
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
    NgramLookup,
    QuantizedLookup,
    Rows,
    Select,
    Take,
)

_INTEGERS = {"uint8": "eem_uint8_at", "int16": "eem_int16_at", "int32": "eem_int32_at"}
#: Enumerators of the kernels for types of floats.
FLOATS = {"float16": "EEB_FLOAT16", "float32": "EEB_FLOAT32"}


class Lowering:
    """Writes the body of a table's function, one statement per node.

    Every intermediate row has its own place in `scratch`, a float array in the arena; the last one is written to `row`.

    :param table: the table to write.
    :param name: its alias, for messages.
    :param addresses: C expression of the first byte of each stored array.
    """

    def __init__(self, table: Table, name: str, addresses: Mapping[str, str]) -> None:
        self.table = table
        self.name = name
        self.addresses = addresses
        self.lines: list[str] = []
        self.scratch = 0

    def function(self, symbol: str) -> str:
        """The C function.

        :param symbol: its name.
        """
        self.rows(self.table.program, "row")
        unused = [] if self.scratch else ["    (void)scratch;"]
        body = "\n".join([*unused, *(f"    {line}" for line in self.lines)])
        return f"static void {symbol}(int32_t id, float *row, float *scratch)\n{{\n{body}\n}}\n"

    def index(self, node: Index) -> str:
        """C expression of an index, of type int32_t."""
        match node:
            case Ids():
                return "id"
            case Take(array, inner):
                return f"{_INTEGERS[str(self.table.arrays[array].dtype)]}({self.addresses[array]}, {self.index(inner)})"
            case Modulo(inner, divisor):
                return f"({self.index(inner)} % {divisor})"
            case Divide(inner, divisor):
                return f"({self.index(inner)} / {divisor})"
            case Clip(inner, offset, rows):
                return f"eem_clip({self.index(inner)} - {offset}, {rows})"
        raise self._refused(node)

    def rows(self, node: Rows, to: str) -> int:
        """Write a node.

        :param node: the node.
        :param to: C expression of where its row goes.
        :return: elements of the row.
        """
        arrays = self.table.arrays
        match node:
            case Gather(array, index):
                width = int(arrays[array].shape[1])
                self._line(
                    f"eem_gather({self.addresses[array]}, {FLOATS[str(arrays[array].dtype)]}, {self.index(index)}, {width}, {to});"
                )
                return width
            case QuantizedLookup():
                self._quantized(node, to)
                return node.dim
            case CodebookLookup():
                return self._codebook(node, to)
            case NgramLookup():
                return self._ngram(node, to)
            case Add(left, right) | Multiply(left, right):
                return self._pairwise(
                    "eem_rows_add" if isinstance(node, Add) else "eem_rows_multiply", left, right, to
                )
            case MatMul(inner, array):
                inputs, width = (int(size) for size in arrays[array].shape)
                at = self._place(inputs)
                self.rows(inner, at)
                self._line(
                    f"eem_rows_matmul({at}, {self.addresses[array]}, {FLOATS[str(arrays[array].dtype)]}, {inputs}, {width}, {to});"
                )
                return width
            case BatchMatMul(left, right, inner_size):
                left_at, left_width = self._temporary(left)
                right_at, right_width = self._temporary(right)
                tall, wide = left_width // inner_size, right_width // inner_size
                self._line(f"eem_rows_batch({left_at}, {right_at}, {tall}, {inner_size}, {wide}, {to});")
                return tall * wide
            case Concat(parts):
                width = 0
                for part in parts:
                    width += self.rows(part, f"{to} + {width}")
                return width
            case Select(index, bound, below, other):
                self._line(f"if ({self.index(index)} < {bound}) {{")
                width = self.rows(below, to)
                self._line("} else {")
                self.rows(other, to)
                self._line("}")
                return width
        raise self._refused(node)

    def _quantized(self, node: QuantizedLookup, to: str) -> None:
        codes, scales = self.table.arrays[node.codes], self.table.arrays[node.scales]
        block = 0 if node.block == node.dim else node.block
        self._line("{")
        self._line(
            f"    const eeb_quantized_table table = {{{self.addresses[node.codes]}, {self.addresses[node.scales]}, {len(codes)}, "
            f"{node.bits}, {node.dim}, {block}, {node.planes}, {FLOATS[str(scales.dtype)]}}};"
        )
        self._line(
            f"    eem_quantized_row(EEM_QUANTIZED({node.bits}), &table, {self.index(node.index)}, {to});"
        )
        self._line("}")

    def _codebook(self, node: CodebookLookup, to: str) -> int:
        books = self.table.arrays[node.codebooks]
        parts, entries, width = (int(size) for size in books.shape)
        kind = FLOATS[str(books.dtype)]
        self._line(
            f"eem_codebook({self.addresses[node.codes]}, {self.addresses[node.codebooks]}, {kind}, {self.index(node.index)}, "
            f"{parts}, {entries}, {width}, {int(node.additive)}, {to});"
        )
        return width if node.additive else parts * width

    def _ngram(self, node: NgramLookup, to: str) -> int:
        arrays, at = self.table.arrays, self.addresses
        rows, total = len(arrays[node.starts]) - 1, len(arrays[node.tokens])
        lanes, dim = len(arrays[node.bases]), len(arrays[node.seeds])
        self._line("{")
        self._line(
            f"    const eeb_ngram_table table = {{{at[node.tokens]}, {at[node.starts]}, {at[node.seeds]}, {at[node.bases]}, {rows}, "
            f"{total}, {node.n}, {lanes}, {dim}}};"
        )
        self._line(f"    eem_ngram_row(&table, {self.index(node.index)}, {to});")
        self._line("}")
        return dim

    def _pairwise(self, function: str, left: Rows, right: Rows, to: str) -> int:
        first, first_width = self._temporary(left)
        second, second_width = self._temporary(right)
        self._line(f"{function}({first}, {first_width}, {second}, {second_width}, {to});")
        return max(first_width, second_width)

    def _temporary(self, node: Rows) -> tuple[str, int]:
        """A node's row in a separate buffer; its width is found by a trial run whose lines are dropped."""
        trial = Lowering(self.table, self.name, self.addresses)
        width = trial.rows(node, "row")
        at = self._place(width)
        self.rows(node, at)
        return at, width

    def _place(self, width: int) -> str:
        at = f"scratch + {self.scratch}"
        self.scratch += width
        return at

    def _line(self, text: str) -> None:
        self.lines.append(text)

    def _refused(self, node: object) -> ExportError:
        return ExportError(
            f"table {self.name}: the C writer cannot express '{type(node).__name__}'; use another codec"
        )


def array_bytes(table: Table, name: str) -> bytes:
    """A stored array as it is laid out in flash: little-endian, row by row.

    :param table: the table.
    :param name: name of the array.
    """
    array = np.ascontiguousarray(table.arrays[name])
    return array.astype(array.dtype.newbyteorder("<")).tobytes()

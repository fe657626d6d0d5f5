"""Translate a lookup program into ONNX nodes, and put it in place of a table's Gather nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.errors import ExportError
from edgeemb.exporters.onnx.functions import (
    DOMAIN,
    Fused,
    bytes_function,
    bytes_op_size,
    function_for,
    import_ops,
    op_name,
    top_function,
    top_op_name,
)
from edgeemb.exporters.onnx.heads import HeadLowering, marks_of
from edgeemb.exporters.onnx.nodes import NodeWriter, gathers_of
from edgeemb.exporters.onnx.products import multiply, quantize_columns, quantize_rows
from edgeemb.exporters.onnx.tops import fuse_top
from edgeemb.models.onnx.plain import is_used, put_in_place
from edgeemb.tables import Table
from edgeemb.tables.head import QuantizedLogits, head_of, walk_head, why_no_head
from edgeemb.tables.program import (
    Add,
    BatchMatMul,
    Clip,
    CodebookLookup,
    Concat,
    Divide,
    Gather,
    Ids,
    MatMul,
    Modulo,
    Multiply,
    NgramLookup,
    Node,
    QuantizedLookup,
    Rows,
    Select,
    Take,
    walk,
    width,
)
from edgeemb.tables.top import HeadSpec

# Of 128 ids, 97 of them distinct, in a table of 384 columns: at 384 rows it took 14% less time, at 128 about the same, at 64 more.
_COSTLY_ROWS = 256


class Lowering:
    """Writes one table's program as nodes.

    :param table: the table to write.
    :param name: unique prefix of every tensor and node that is written.
    :param ids: name of the tensor of ids, int32 or int64 of any shape.
    :param ids_type: element type of that tensor, of `onnx.TensorProto`.
    :param arrays: names of the initializers that hold the table's arrays.
    :param int8: quantise matrix products, as an int8 body has its own.
    """

    def __init__(
        self, table: Table, name: str, ids: str, ids_type: int, arrays: dict[str, str], int8: bool = False
    ) -> None:
        self.table = table
        self.name = name
        self.ids_type = ids_type
        self.arrays = arrays
        self.int8 = int8
        self.written = NodeWriter(name)
        self.ids = ids

    def write(self) -> str:
        """Write the whole program. Where it has a large matrix product, rows are computed once for each of the distinct ids.

        :return: name of the tensor of rows.
        """
        asked, once = self.ids, _is_costly(self.table)
        if once:
            wide = self._op("Cast", [asked], to=TensorProto.INT64)
            flat = self._op("Reshape", [wide, self._constant(np.array([-1], np.int64))])
            self.ids, place = self._distinct(flat)
            self.ids_type = TensorProto.INT64
        if not _checks_ids(self.table):
            self.ids = self._checked(self.ids)
        rows = self.lower(self.table.program)
        if once:
            place = self._op("Reshape", [place, self._op("Shape", [asked])], allowzero=1)
            rows = self._op("Gather", [rows, place], axis=0)
        return rows

    def lower(self, node: Node) -> str:
        """Write a node and what it needs.

        :param node: a node of the program.
        :return: name of the tensor that holds its value.
        """
        match node:
            case Ids():
                return self.ids
            case Take(array, index):
                taken = self._op("Gather", [self.arrays[array], self.lower(index)], axis=0)
                return self._op("Cast", [taken], to=self.ids_type)
            case Modulo(index, divisor):
                return self._op("Mod", [self.lower(index), self._index_constant(divisor)])
            case Divide(index, divisor):
                return self._op("Div", [self.lower(index), self._index_constant(divisor)])
            case Clip(index, offset, rows):
                moved = self._op("Sub", [self.lower(index), self._index_constant(offset)])
                low, high = self._index_constant(0), self._index_constant(rows - 1)
                return self._op("Min", [self._op("Max", [moved, low]), high])
            case Gather(array, index):
                stored = self._op("Gather", [self.arrays[array], self.lower(index)], axis=0)
                return self._float(stored, array)
            case QuantizedLookup():
                inputs = [self.lower(node.index), self.arrays[node.codes], self.arrays[node.scales]]
                attributes = {"bits": node.bits, "dim": node.dim, "block": node.block, "planes": node.planes}
                return self._op(op_name(node), inputs, domain=DOMAIN, **attributes)
            case CodebookLookup():
                books = self.table.arrays[node.codebooks].shape
                dim = books[2] if node.additive else books[0] * books[2]
                inputs = [self.lower(node.index), self.arrays[node.codes], self.arrays[node.codebooks]]
                return self._op(op_name(node), inputs, domain=DOMAIN, dim=dim)
            case NgramLookup():
                names = [node.tokens, node.starts, node.seeds, node.bases]
                inputs = [self.lower(node.index), *(self.arrays[name] for name in names)]
                return self._op(op_name(node), inputs, domain=DOMAIN, n=node.n)
            case Add(left, right):
                return self._op("Add", [self.lower(left), self.lower(right)])
            case Multiply(left, right):
                return self._op("Mul", [self.lower(left), self.lower(right)])
            case MatMul(rows_node, array):
                factor = self.lower(rows_node)
                if self.int8:
                    return self._int8_matmul(factor, array)
                return self._op("MatMul", [factor, self._float(self.arrays[array], array)])
            case BatchMatMul(left, right, inner):
                return self._batch_matmul(left, right, inner)
            case Concat(parts):
                return self._op("Concat", [self.lower(part) for part in parts], axis=-1)
            case Select(index, bound, below, other):
                chosen = self._op("Less", [self.lower(index), self._index_constant(bound)])
                axis = self._constant(np.array([-1], np.int64))
                wide = self._op("Unsqueeze", [chosen, axis])
                return self._op("Where", [wide, self.lower(below), self.lower(other)])
        raise ExportError(
            f"{self.name}: the ONNX writer cannot express '{type(node).__name__}'; use another codec"
        )

    def _checked(self, ids: str) -> str:
        """Ids that are refused if one is out of bounds, by a Gather over V zeros that are made at load time."""
        rows = self._constant(np.array([self.table.shape[0]], np.int64))
        zeros = helper.make_tensor("value", TensorProto.UINT8, [1], [0])
        zero_rows = self._op("ConstantOfShape", [rows], value=zeros)
        beyond = self._op(
            "Where", [self._op("Less", [ids, self._index_constant(0)]), self._index_constant(2**31 - 1), ids]
        )
        nothing = self._op("Cast", [self._op("Gather", [zero_rows, beyond], axis=0)], to=self.ids_type)
        return self._op("Add", [ids, nothing])

    def _distinct(self, flat: str) -> tuple[str, str]:
        """The distinct values of a list, and the place among them of each of its elements."""
        name = f"{self.name}/Unique_{len(self.written.nodes)}"
        outputs = [name, "", f"{name}/place"]
        self.written.nodes.append(helper.make_node("Unique", [flat], outputs, name=name))
        return outputs[0], outputs[2]

    def _int8_matmul(self, rows: str, array: str) -> str:
        """Rows times a matrix of int8 with a scale for each column, each row quantised by itself."""
        inputs, outputs = (self._constant(np.array([size])) for size in self.table.arrays[array].shape)
        names = _matrix_names(self.arrays[array])
        return multiply(self.written, quantize_rows(self.written, rows, inputs), names, outputs)

    def _batch_matmul(self, left: Rows, right: Rows, inner: int) -> str:
        height, breadth = (width(side, self.table.arrays) // inner for side in (left, right))
        tall, wide = self.lower(left), self.lower(right)
        leading = self._op("Shape", [tall], end=-1)
        tall = self._reshaped(tall, leading, [height, inner])
        wide = self._reshaped(wide, leading, [inner, breadth])
        return self._reshaped(self._op("MatMul", [tall, wide]), leading, [height * breadth])

    def _reshaped(self, tensor: str, leading: str, last: list[int]) -> str:
        shape = self._op("Concat", [leading, self._constant(np.array(last, np.int64))], axis=0)
        return self._op("Reshape", [tensor, shape], allowzero=1)

    def _float(self, tensor: str, array: str) -> str:
        if self.table.arrays[array].dtype == np.float32:
            return tensor
        return self._op("Cast", [tensor], to=TensorProto.FLOAT)

    def _index_constant(self, value: int) -> str:
        return self._constant(np.array(value, helper.tensor_dtype_to_np_dtype(self.ids_type)))

    def _constant(self, value: NDArray[np.generic]) -> str:
        return self.written.constant(value)

    def _op(self, op: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        return self.written.op(op, inputs, domain=domain, **attributes)


def _is_costly(table: Table) -> bool:
    """Whether a row takes a product with a matrix so large that finding the distinct ids first pays off."""
    return any(
        isinstance(node, MatMul) and len(table.arrays[node.array]) >= _COSTLY_ROWS
        for node in walk(table.program)
    )


def _checks_ids(table: Table) -> bool:
    """Whether the ids themselves enter a fused lookup over all V rows, which refuses those out of bounds."""
    rows = table.shape[0]
    for node in walk(table.program):
        match node:
            case QuantizedLookup(index=Ids(), codes=codes) | CodebookLookup(index=Ids(), codes=codes):
                if len(table.arrays[codes]) == rows:
                    return True
            case NgramLookup(index=Ids(), starts=starts):
                if len(table.arrays[starts]) == rows + 1:
                    return True
            case _:
                continue
    return False


def replace_table(
    model: onnx.ModelProto,
    initializer: str,
    table: Table,
    alias: str,
    ids_types: Mapping[str, int],
    *,
    int8: bool = False,
    head: HeadSpec | None = None,
) -> int:
    """Put a compressed table in place of the Gather nodes over an initializer, and of the products with it that are marked, in the model itself.

    The initializer goes when nothing else uses it. Call `add_functions` once all tables are in.

    :param model: the model to change.
    :param initializer: name of the float table.
    :param table: the compressed table of the same shape.
    :param alias: prefix of the new initializers and nodes, unique in the model.
    :param ids_types: element type of each ids tensor by name; int64 is assumed where it is missing.
    :param int8: quantise the table's own matrix products.
    :param head: what a product that is followed by a choice of the best is asked for.
    :return: bytes of the table in the model, with those of a shortlist.
    :raises ExportError: if no Gather looks up rows of the initializer.
    """
    graph = model.graph
    gathers = gathers_of(graph, initializer)
    if not gathers:
        raise ExportError(
            f"table '{initializer}': no Gather looks up its rows; choose another table (edgeemb inspect lists them)"
        )
    names = {array: f"{alias}.{array}" for array in table.arrays}
    stored = [
        numpy_helper.from_array(value, name) for name, value in _stored(table, names, int8=int8).items()
    ]
    graph.initializer.extend(stored)
    for number, gather in enumerate(gathers):
        prefix = alias if len(gathers) == 1 else f"{alias}_{number}"
        ids_type = ids_types.get(gather.input[1], TensorProto.INT64)
        lowering = Lowering(table, prefix, gather.input[1], ids_type, names, int8)
        lowering.write()
        lowering.written.nodes[-1].output[0] = gather.output[0]
        _put(graph, gather, lowering.written)
        _declare(graph, gather.output[0], gather.input[1], table.shape[1])
    for number, mark in enumerate(marks_of(graph, initializer)):
        if head is not None:
            listed = fuse_top(graph, mark, table, f"{alias}_top_{number}", names, head)
            if listed is not None:
                stored += listed
                continue
        steps = {array: _matrix_names(names[array])[1] for array in _quantized_matrices(table, int8=int8)}
        logits = HeadLowering(table, f"{alias}_head_{number}", mark.input[0], names, steps)
        logits.write()
        logits.written.nodes[-1].output[0] = mark.output[0]
        _put(graph, mark, logits.written)
    if not is_used(graph, initializer):
        graph.initializer.remove(next(item for item in graph.initializer if item.name == initializer))
    return sum(len(item.raw_data) for item in stored)


def _put(graph: onnx.GraphProto, old: onnx.NodeProto, written: NodeWriter) -> None:
    """Put what was written in the place of a node."""
    put_in_place(graph, old, written.nodes)
    graph.initializer.extend(written.initializers)


def _stored(table: Table, names: Mapping[str, str], *, int8: bool) -> dict[str, NDArray[Any]]:
    """The arrays of a table by the names of their initializers; with `int8`, matrices as codes, a step for each column and corrections."""
    stored = {names[array]: value for array, value in table.arrays.items()}
    for array in _quantized_matrices(table, int8=int8):
        columns = quantize_columns(table.arrays[array].astype(np.float32))
        values = (columns.codes, columns.steps, columns.corrections())
        stored |= zip(_matrix_names(names[array]), values, strict=True)
    return stored


def _quantized_matrices(table: Table, *, int8: bool) -> list[str]:
    """The matrices of a table's products that are stored in int8."""
    return [node.array for node in walk(table.program) if isinstance(node, MatMul)] if int8 else []


def _matrix_names(codes: str) -> tuple[str, str, str]:
    """Names of a matrix in int8: its codes, their steps and its corrections."""
    return codes, f"{codes}.step", f"{codes}.corrections"


def _declare(graph: onnx.GraphProto, output: str, ids: str, dim: int) -> None:
    """Custom ops have no shape inference in the pinned ABI: declare the rows, where the shape of the ids is known."""
    known = {info.name: info for info in [*graph.input, *graph.value_info, *graph.output]}
    if output in known or ids not in known or not known[ids].type.tensor_type.HasField("shape"):
        return
    shape: list[str | int] = [
        axis.dim_param or axis.dim_value for axis in known[ids].type.tensor_type.shape.dim
    ]
    graph.value_info.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, [*shape, dim]))


def add_functions(model: onnx.ModelProto, tables: Iterable[Table]) -> None:
    """Add the portable bodies of the fused ops that a model uses, and the op sets that its tables need.

    :param model: the model, whose tables are already in place.
    :param tables: those tables.
    """
    ours = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
    by_name: dict[str, list[Fused]] = {}
    tops: dict[str, list[QuantizedLogits]] = {}
    for table in tables:
        head = () if why_no_head(table) else walk_head(head_of(table))
        for node in (*walk(table.program), *head):
            if isinstance(node, Fused) and op_name(node) in ours:
                by_name.setdefault(op_name(node), []).append(node)
            if isinstance(node, QuantizedLogits):
                for name in (top_op_name(node, shortlist=listed) for listed in (False, True)):
                    if name in ours:
                        tops.setdefault(name, []).append(node)
    model.functions.extend(function_for(nodes) for nodes in by_name.values())
    model.functions.extend(top_function(name, nodes) for name, nodes in tops.items())
    sizes = sorted(filter(None, map(bytes_op_size, ours)))
    model.functions.extend(bytes_function(size) for size in sizes)
    import_ops(model)

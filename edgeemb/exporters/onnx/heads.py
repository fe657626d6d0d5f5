"""Output layers that are a table used a second time: products with all of its rows, over the arrays that its lookups read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.exporters.onnx.functions import DOMAIN, op_name
from edgeemb.exporters.onnx.nodes import NodeWriter, gathers_of
from edgeemb.models.onnx.plain import put_in_place, remove_unread
from edgeemb.tables import Table
from edgeemb.tables.head import (
    Bands,
    CodebookLogits,
    DenseLogits,
    Hidden,
    Logits,
    Part,
    Picked,
    Project,
    QuantizedLogits,
    Scaled,
    Sum,
    Vectors,
    head_of,
)

#: Stands for a product with a table until the table is written: (hidden float32[..., D], table) to float32[..., V].
MARK = "TiedLogits"


@dataclass(frozen=True)
class _Product:
    """A product of vectors with all rows of a table.

    :param node: what computes it.
    :param hidden: name of the vectors.
    :param bias: name of what is added, or empty.
    """

    node: onnx.NodeProto
    hidden: str
    bias: str


def mark_heads(graph: onnx.GraphProto, initializer: str) -> int:
    """Put a `MARK` node in the place of each product with all rows of a table, so that nothing else converts it.

    Such a product is a MatMul or a Gemm with the table transposed, by a node, by an attribute or as a constant of its own.

    :param graph: the graph, which is changed; constants that nothing reads any more go.
    :param initializer: name of the table.
    :return: how many there are.
    """
    products = _products(graph, initializer)
    others = [product.node.input[1] for product in products]
    for number, product in enumerate(products):
        last = product.node
        name = f"{initializer}/{MARK}_{number}"
        output = f"{name}/products" if product.bias else last.output[0]
        nodes = [helper.make_node(MARK, [product.hidden, initializer], [output], name=name, domain=DOMAIN)]
        if product.bias:
            inputs = [output, product.bias]
            nodes.append(helper.make_node("Add", inputs, [last.output[0]], name=f"{name}/bias"))
        put_in_place(graph, last, nodes)
    remove_unread(graph, others)
    return len(products)


def _products(graph: onnx.GraphProto, initializer: str) -> list[_Product]:
    held = {item.name: item for item in graph.initializer}
    table = held.get(initializer)
    if table is None or len(table.dims) != 2 or table.data_type != TensorProto.FLOAT:
        return []
    makers = {node.output[0]: node for node in graph.node if node.output}
    same: dict[str, bool] = {}
    weight = numpy_helper.to_array(table)

    def transposed(name: str) -> bool:
        """Whether a constant is the table transposed."""
        item = held.get(name)
        if item is None or list(item.dims) != list(reversed(table.dims)) or item.data_type != table.data_type:
            return False
        if name not in same:
            same[name] = np.array_equal(numpy_helper.to_array(item).T, weight)
        return same[name]

    found = []
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in ("MatMul", "Gemm"):
            continue
        hidden, other = node.input[:2]
        options = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        maker = makers.get(other)
        turned = (
            maker is not None
            and maker.op_type == "Transpose"
            and maker.input[0] == initializer
            and [value for item in maker.attribute if item.name == "perm" for value in item.ints] == [1, 0]
        )
        by_attribute = other == initializer and options.get("transB", 0) == 1
        plain = not options.get("transB", 0) and (turned or transposed(other))
        if not (plain or by_attribute) or hidden == initializer:
            continue
        if options.get("transA", 0) or options.get("alpha", 1) != 1 or options.get("beta", 1) != 1:
            continue
        bias = node.input[2] if len(node.input) > 2 else ""
        found.append(_Product(node, hidden, bias))
    return found


def marks_of(graph: onnx.GraphProto, initializer: str) -> list[onnx.NodeProto]:
    """The marks that `mark_heads` has left for a table.

    :param graph: the graph.
    :param initializer: name of the table.
    """
    return [
        node
        for node in graph.node
        if node.domain == DOMAIN and node.op_type == MARK and node.input[1] == initializer
    ]


def used_otherwise(graph: onnx.GraphProto, initializer: str) -> bool:
    """Whether something reads a table that neither looks up its rows nor is marked as a product with it.

    :param graph: the graph.
    :param initializer: name of the table.
    """
    served = [*gathers_of(graph, initializer), *marks_of(graph, initializer)]
    return any(initializer in node.input and node not in served for node in graph.node)


def unmark(graph: onnx.GraphProto, initializer: str) -> None:
    """Products with a table that stays as it is: in the place of each mark a MatMul with the table transposed, which is stored once.

    :param graph: the graph, which is changed.
    :param initializer: name of the table.
    """
    for mark in marks_of(graph, initializer):
        turned = f"{mark.name}/transposed"
        nodes = [
            helper.make_node("Transpose", [initializer], [turned], name=turned, perm=[1, 0]),
            helper.make_node(
                "MatMul", [mark.input[0], turned], list(mark.output), name=f"{mark.name}/MatMul"
            ),
        ]
        put_in_place(graph, mark, nodes)


class HeadLowering:
    """Writes the logits over a table as nodes.

    :param table: the table.
    :param name: unique prefix of every tensor and node that is written.
    :param hidden: name of the vectors, float32[..., D].
    :param arrays: names of the initializers that hold the table's arrays.
    :param steps: names of the steps of those that are stored in int8, by array.
    """

    def __init__(
        self, table: Table, name: str, hidden: str, arrays: Mapping[str, str], steps: Mapping[str, str]
    ) -> None:
        self.table = table
        self.arrays = arrays
        self.steps = steps
        self.hidden = hidden
        self.written = NodeWriter(name)

    def write(self) -> str:
        """Write everything.

        :return: name of the logits, float32[..., V].
        :raises SpecError: if the table has no such form.
        """
        return self._logits(head_of(self.table))

    def _vectors(self, node: Vectors) -> str:
        match node:
            case Hidden():
                return self.hidden
            case Project(vectors, array):
                return self._product(self._vectors(vectors), array)
            case Part(vectors, start, stop):
                bounds = [self._constant(np.array([value])) for value in (start, stop, -1)]
                return self._op("Slice", [self._vectors(vectors), *bounds])

    def _logits(self, node: Logits) -> str:
        match node:
            case DenseLogits(vectors, array):
                return self._product(self._vectors(vectors), array)
            case QuantizedLogits():
                inputs = [self._vectors(node.vectors), self.arrays[node.codes], self.arrays[node.scales]]
                options = {"bits": node.bits, "dim": node.dim, "block": node.block, "planes": node.planes}
                return self._op(op_name(node), inputs, domain=DOMAIN, **options)
            case CodebookLogits():
                count, _, part = self.table.arrays[node.codebooks].shape
                dim = part if node.additive else count * part
                inputs = [self._vectors(node.vectors), self.arrays[node.codes], self.arrays[node.codebooks]]
                return self._op(op_name(node), inputs, domain=DOMAIN, dim=dim)
            case Sum(left, right):
                return self._op("Add", [self._logits(left), self._logits(right)])
            case Scaled(logits, array):
                flat = self._op("Reshape", [self._float(array), self._constant(np.array([-1]))])
                return self._op("Mul", [self._logits(logits), flat])
            case Picked(logits, array):
                index = self._op("Cast", [self.arrays[array]], to=TensorProto.INT32)
                return self._op("Gather", [self._logits(logits), index], axis=-1)
            case Bands(parts):
                return self._op("Concat", [self._logits(part) for part in parts], axis=-1)

    def _product(self, vectors: str, array: str) -> str:
        columns = self._op("Transpose", [self._float(array)], perm=[1, 0])
        return self._op("MatMul", [vectors, columns])

    def _float(self, array: str) -> str:
        """An array as float32."""
        name = self.arrays[array]
        if array in self.steps:
            wide = self._op("Cast", [name], to=TensorProto.FLOAT)
            return self._op("Mul", [wide, self.steps[array]])
        if self.table.arrays[array].dtype == np.float32:
            return name
        return self._op("Cast", [name], to=TensorProto.FLOAT)

    def _constant(self, value: NDArray[np.generic]) -> str:
        return self.written.constant(value)

    def _op(self, op: str, inputs: list[str], domain: str = "", **attributes: Any) -> str:
        return self.written.op(op, inputs, domain=domain, **attributes)

"""Writing nodes and constants into an ONNX graph under unique names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


class NodeWriter:
    """Nodes in the order in which they are written, and the constants that they read.

    :param name: prefix of every tensor and node that is written, unique in the graph.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._constants: dict[tuple[str, bytes, tuple[int, ...]], str] = {}

    def op(
        self,
        op: str,
        inputs: Sequence[str],
        *,
        output: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Write a node.

        :param op: its type.
        :param inputs: names of the tensors that it reads.
        :param output: name of the tensor that it writes; a new one by default.
        :param domain: the domain of the op.
        :param attributes: its attributes.
        :return: name of the tensor that it writes.
        """
        name = f"{self.name}/{op}_{len(self.nodes)}"
        result = output or name
        self.nodes.append(
            helper.make_node(op, list(inputs), [result], name=name, domain=domain, **attributes)
        )
        return result

    def constant(self, value: NDArray[np.generic]) -> str:
        """A constant; the same value is stored once.

        :param value: the array.
        :return: name of its tensor.
        """
        key = (str(value.dtype), value.tobytes(), value.shape)
        if key not in self._constants:
            name = f"{self.name}/constant_{len(self._constants)}"
            self._keep(numpy_helper.from_array(value, name))
            self._constants[key] = name
        return self._constants[key]

    def _keep(self, constant: onnx.TensorProto) -> None:
        self.initializers.append(constant)


class FunctionWriter(NodeWriter):
    """Nodes of a model-local function, whose constants are nodes too.

    :param name: prefix of every tensor and node that is written, unique in the function.
    """

    def _keep(self, constant: onnx.TensorProto) -> None:
        name = constant.name
        self.nodes.append(helper.make_node("Constant", [], [name], name=name, value=constant))


def free_prefix(graph: onnx.GraphProto, wanted: str) -> str:
    """A prefix with which no value and no node of a graph begins.

    :param graph: the graph.
    :param wanted: what it should be, or end in.
    """
    names = {name for node in graph.node for name in (*node.output, node.name)}
    names |= {item.name for item in (*graph.initializer, *graph.input)}
    prefix = wanted
    while any(name.startswith((f"{prefix}.", f"{prefix}/", f"{prefix}_")) for name in names):
        prefix = f"edgeemb.{prefix}"
    return prefix


def gathers_of(graph: onnx.GraphProto, initializer: str) -> list[onnx.NodeProto]:
    """The Gather nodes that look up rows of an initializer.

    :param graph: the graph to search.
    :param initializer: name of the table.
    """
    return [
        node
        for node in graph.node
        if node.op_type == "Gather" and node.input[0] == initializer and _axis(node) == 0
    ]


def _axis(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)

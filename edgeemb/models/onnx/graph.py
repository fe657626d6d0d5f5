"""How values in an ONNX graph are computed: producers, constants, and values that are computed from constants alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.errors import ModelError, first_line
from edgeemb.native.onnxruntime import RUNTIME_ERRORS, open_session

#: Ops that hand ids on unchanged by their first input.
_PASSING = ("Identity", "Cast", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Expand")
_ARITHMETIC = ("Add", "Sub", "Mul", "Mod", "Min", "Max", "Clip", "Where")
#: Ops whose result follows from constants, if all that they take are some.
_FOLDED = (
    *(
        "Identity",
        "Cast",
        "CastLike",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Slice",
        "Concat",
    ),
    *("Add", "Sub", "Mul", "Div", "Neg", "DequantizeLinear", "Range", "Pad"),
)
#: Elements of the largest value that is computed from constants: 4 GB in float32.
_MOST_ELEMENTS = 2**30


class Graph:
    """What computes what in a model's main graph.

    :param model: a valid model with its weights.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.producer = {name: node for node in self.graph.node for name in node.output if name}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in set(node.input):
                self.consumers.setdefault(name, []).append(node)
        self.constants = {item.name: item for item in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant" and not node.domain:
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self.constants[node.output[0]] = attribute.t
        self.inputs = [info.name for info in self.graph.input if info.name not in self.constants]
        self.types = {info.name: info.type.tensor_type for info in typed(model)}
        self._constant: dict[str, bool] = {}

    def root(self, name: str) -> str:
        """Where a value comes from, Identity nodes aside.

        :param name: any value.
        """
        while name in self.producer and self.producer[name].op_type == "Identity":
            name = self.producer[name].input[0]
        return name

    def origins(self, name: str) -> set[str]:
        """Inputs of the graph that ids are made of: through arithmetic, and through tables of ids.

        :param name: the ids of a lookup.
        """
        found, waiting, seen = set(), [name], set()
        while waiting:
            value = waiting.pop()
            node = self.producer.get(value)
            if value in seen:
                continue
            seen.add(value)
            if node is None:
                found.add(value)
            elif node.op_type in _PASSING:
                waiting.append(node.input[0])
            elif node.op_type in _ARITHMETIC:
                waiting.extend(node.input)
            elif node.op_type == "Gather" and self.root(node.input[0]) in self.constants:
                waiting.append(node.input[1])
        return found.intersection(self.inputs)

    def unchanged(self, name: str) -> str | None:
        """The input of the graph that the ids are; None if they were changed.

        :param name: the ids of a lookup.
        """
        while name in self.producer and self.producer[name].op_type in _PASSING:
            name = self.producer[name].input[0]
        return name if name in self.inputs else None

    def is_constant(self, name: str) -> bool:
        """Whether a value is a constant, or computed from constants alone and not too large for that.

        :param name: any value.
        """
        waiting = [name]
        while waiting:
            value = waiting[-1]
            node = self.producer.get(value)
            if value in self._constant:
                waiting.pop()
            elif value in self.constants or node is None:
                self._constant[value] = value in self.constants
            elif node.op_type == "Constant" and not node.domain:
                self._constant[value] = True
            elif node.op_type not in _FOLDED or not self._is_small(value):
                self._constant[value] = False
            else:
                unknown = [item for item in node.input if item and item not in self._constant]
                waiting += unknown
                if not unknown:
                    self._constant[value] = all(self._constant[item] for item in node.input if item)
        return self._constant[name]

    def value(self, name: str) -> NDArray[Any]:
        """A value that `is_constant`.

        :param name: the value.
        :raises ModelError: if ONNX Runtime cannot compute it.
        """
        name = self.root(name)
        if name in self.constants:
            return numpy_helper.to_array(self.constants[name])
        return self.compute(name, {})

    def compute(self, name: str, given: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """A value of the graph, computed by ONNX Runtime from some others and constants.

        :param name: the value.
        :param given: values by name that it follows from.
        :raises ModelError: if ONNX Runtime cannot compute it.
        """
        try:
            return np.asarray(self.session(name, given).run([name], dict(given))[0])
        except RUNTIME_ERRORS as error:
            raise ModelError(f"value '{name}' cannot be computed ({first_line(error)})") from error

    def session(self, name: str, given: Mapping[str, NDArray[Any]]) -> onnxruntime.InferenceSession:
        """A session that computes a value as `compute` does, for other arrays of the same types and ranks.

        :param name: the value.
        :param given: values by name that it follows from.
        """
        nodes = self.upstream(name, given)
        used = {item for node in nodes for item in node.input}
        held = [item for item in self.graph.initializer if item.name in used and item.name not in given]
        part = helper.make_graph(
            nodes,
            "part",
            [
                helper.make_tensor_value_info(
                    key, helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim
                )
                for key, array in given.items()
            ],
            [onnx.ValueInfoProto(name=name)],
            held,
        )
        model = helper.make_model(
            part,
            opset_imports=self.model.opset_import,
            ir_version=self.model.ir_version,
            functions=self.model.functions,
        )
        return open_session(model.SerializeToString())

    def upstream(self, name: str, stop: Iterable[str]) -> list[onnx.NodeProto]:
        """The nodes that a value follows from, in the order of the graph.

        :param name: the value.
        :param stop: values that are given.
        """
        seen, waiting = set(stop), [name]
        wanted: set[str] = set()
        while waiting:
            value = waiting.pop()
            if value in seen or value not in self.producer:
                continue
            seen.add(value)
            wanted.add(self.producer[value].output[0] or value)
            waiting.extend(self.producer[value].input)
        return [node for node in self.graph.node if any(item in wanted for item in node.output)]

    def elem_type(self, name: str) -> int:
        """Element type of a value, of `onnx.TensorProto`; ``UNDEFINED`` if it is not known.

        :param name: any value.
        """
        if name in self.constants:
            return int(self.constants[name].data_type)
        return int(self.types[name].elem_type) if name in self.types else TensorProto.UNDEFINED

    def rank(self, name: str) -> int | None:
        """Number of axes of a value; None where it cannot be told.

        :param name: any value.
        """
        if name in self.constants:
            return len(self.constants[name].dims)
        kind = self.types.get(name)
        return len(kind.shape.dim) if kind is not None and kind.HasField("shape") else None

    def shape(self, name: str) -> list[int]:
        """Sizes of a constant's axes.

        :param name: a value that `is_constant`.
        """
        if name in self.constants:
            return list(self.constants[name].dims)
        return [axis.dim_value for axis in self.types[name].shape.dim]

    def source(self, name: str) -> str:
        """The largest of the constants that a constant is computed from.

        :param name: a value that `is_constant`.
        """
        if name in self.constants:
            return name
        used = {item for node in self.upstream(name, ()) for item in node.input if item in self.constants}
        return max(sorted(used), key=lambda item: math.prod(self.constants[item].dims), default=name)

    def _is_small(self, name: str) -> bool:
        kind = self.types.get(name)
        if kind is None or not kind.HasField("shape"):
            return False
        sizes = [
            axis.dim_value if axis.HasField("dim_value") else _MOST_ELEMENTS + 1 for axis in kind.shape.dim
        ]
        return math.prod(sizes) <= _MOST_ELEMENTS


def typed(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Types and shapes of a model's values, as far as they can be inferred.

    :param model: a valid model.
    """
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        graph = model.graph  # what the file itself declares
    return [*graph.value_info, *graph.input, *graph.output]

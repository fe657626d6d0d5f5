"""Adding operators to a subgraph of a TFLite model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgeemb.models.tflite.flatbuffer import TENSOR_TYPES

#: Name of the options table of an op where it is not the op's own name in camel case; None for an op without options.
_OPTIONS: dict[str, str | None] = {
    "EMBEDDING_LOOKUP": None,
    "FLOOR": None,
    "BITCAST": "BitcastOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "SUM": "ReducerOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "QUANTIZE": "QuantizeOptions",
    "TANH": None,
    "TOPK_V2": "TopKV2Options",
}


class Constants:
    """The constants of a model: equal arrays are stored once, whichever subgraph they are used in.

    :param model: a ``ModelT``.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._buffers: dict[tuple[str, int, bytes], int] = {}
        self._kept: list[NDArray[Any]] = []
        #: Bytes of what was added.
        self.nbytes = 0

    def buffer(self, array: NDArray[Any]) -> int:
        """Index of a buffer that holds an array.

        :param array: its values; C order.
        """
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        # A large array is the same object in each subgraph; small ones are compared by content.
        key = (
            ("object", array.ctypes.data, b"")
            if data.nbytes > 4096
            else ("content", data.nbytes, data.tobytes())
        )
        if key not in self._buffers:
            made = schema.BufferT()
            made.data = data
            self._kept.append(array)
            self.nbytes += data.nbytes
            self.model.buffers.append(made)
            self._buffers[key] = len(self.model.buffers) - 1
        return self._buffers[key]


class Graph:
    """A subgraph to which operators are added.

    :param constants: the constants of its model.
    :param subgraph: the ``SubGraphT``.
    :param prefix: put before the name of every tensor that is added.
    """

    def __init__(self, constants: Constants, subgraph: Any, prefix: str) -> None:
        self.constants = constants
        self.subgraph = subgraph
        self.prefix = prefix
        #: Operators that were added, in order; whoever made the graph puts them in their place.
        self.operators: list[Any] = []
        self._tensors: dict[tuple[int, str, tuple[int, ...]], int] = {}

    def constant(self, array: NDArray[Any], name: str = "constant") -> int:
        """Index of a tensor that holds an array.

        :param array: its values.
        :param name: end of the tensor's name.
        """
        key = (self.constants.buffer(array), str(array.dtype), array.shape)
        if key not in self._tensors:
            self._tensors[key] = self.tensor(array.shape, str(array.dtype), name, key[0])
        return self._tensors[key]

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        version: int = 1,
        custom: bytes | None = None,
        **options: Any,
    ) -> int:
        """Add an operator.

        :param name: a name of the schema's ``BuiltinOperator``, or that of a custom op.
        :param inputs: indices of its inputs; -1 for one that is left out.
        :param shape: shape of its output; -1 for an axis that is known at run time.
        :param dtype: numpy name of its output's type.
        :param version: version of the op.
        :param custom: options of a custom op.
        :param options: fields of the op's options table.
        :return: index of its output.
        """
        output = self.tensor(shape, dtype, name.lower(), 0)
        operator = schema.OperatorT()
        operator.opcodeIndex = opcode_index(self.constants.model, name, version, custom is not None)
        operator.inputs = [int(index) for index in inputs]
        operator.outputs = [output]
        if custom is not None:
            operator.customOptions = np.frombuffer(custom, np.uint8)
        else:
            _set_options(operator, name, options)
        self.operators.append(operator)
        return output

    def cast(self, tensor: int, source: str, target: str, shape: Sequence[int]) -> int:
        """Add a conversion between types.

        :param tensor: index of its input.
        :param source: numpy name of the input's type.
        :param target: numpy name of the output's type.
        :param shape: as for `op`.
        :return: index of its output.
        """
        return self.op(
            "CAST", [tensor], shape, target, inDataType=TENSOR_TYPES[source], outDataType=TENSOR_TYPES[target]
        )

    def reshape(self, tensor: int, shape: Sequence[int], dtype: str = "float32") -> int:
        """Add a change of shape.

        :param tensor: index of its input.
        :param shape: as for `op`; one axis at most is known at run time.
        :param dtype: numpy name of its type.
        :return: index of its output.
        """
        axes = self.constant(np.array(shape, np.int32))
        return self.op("RESHAPE", [tensor, axes], shape, dtype, newShape=list(shape))

    def tensor(self, shape: Sequence[int], dtype: str, name: str, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.shape = [1 if size < 0 else int(size) for size in shape]
        if any(size < 0 for size in shape):
            tensor.shapeSignature = [int(size) for size in shape]
        tensor.type = TENSOR_TYPES[dtype]
        tensor.buffer = buffer
        tensor.name = f"{self.prefix}/{name}_{len(self.subgraph.tensors)}".encode()
        tensor.hasRank = True
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1


def add_signature(model: Any, key: str = "main") -> None:
    """Name the inputs and outputs of the first graph, where the model has no signature.

    :param model: a ``ModelT``.
    :param key: name of the signature.
    """
    if model.signatureDefs:
        return
    graph = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = key.encode(), 0
    signature.inputs = [_named(graph, int(place)) for place in graph.inputs]
    signature.outputs = [_named(graph, int(place)) for place in graph.outputs]
    model.signatureDefs = [signature]


def _named(graph: Any, place: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = graph.tensors[place].name, place
    return entry


def opcode_index(model: Any, name: str, version: int, custom: bool) -> int:
    """Index of an operator code, which is added if the model does not have it.

    :param model: a ``ModelT``.
    :param name: name of the op.
    :param version: its version.
    :param custom: whether it is a custom op.
    """
    number = schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, name)
    wanted = name.encode() if custom else None
    for index, code in enumerate(model.operatorCodes):
        if (
            max(code.builtinCode, code.deprecatedBuiltinCode) == number
            and code.version == version
            and code.customCode == wanted
        ):
            return index
    made = schema.OperatorCodeT()
    made.builtinCode = number
    # Readers older than the wide field look here; 127 sends them to it.
    made.deprecatedBuiltinCode = min(number, 127)
    made.version = version
    made.customCode = wanted
    model.operatorCodes.append(made)
    return len(model.operatorCodes) - 1


def _set_options(operator: Any, name: str, options: dict[str, Any]) -> None:
    kind = _OPTIONS.get(name, "".join(part.capitalize() for part in name.split("_")) + "Options")
    if kind is None:
        return
    table = getattr(schema, f"{kind}T")()
    for key, value in options.items():
        if not hasattr(table, key):
            raise AttributeError(f"{kind} has no field {key}")
        setattr(table, key, value)
    number = getattr(schema.BuiltinOptions, kind, None)
    if number is None:
        operator.builtinOptions2Type = getattr(schema.BuiltinOptions2, kind)
        operator.builtinOptions2 = table
    else:
        operator.builtinOptionsType = number
        operator.builtinOptions = table

"""Finding the embedding tables of a ``.tflite`` model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.models.tflite.flatbuffer import NUMPY_TYPES, opcode_name

_FLOATS = ("float32", "float16")
_FLOAT_TYPES = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16)
#: Types of codes that have a scale.
INTEGERS = ("int8", "uint8")
#: Two codes share a byte, the first in its low half: https://ai.google.dev/edge/litert/models/quantization_spec
_INT4 = schema.TensorType.INT4


@dataclass(frozen=True)
class Site:
    """An operator that looks up rows: its subgraph, the operator itself, and its inputs' places."""

    subgraph: int
    operator: Any
    ids: int
    output: int


@dataclass(frozen=True)
class FoundTable:
    """A constant table and the operators that look up its rows.

    :param name: name of its tensor.
    :param buffer: index of the buffer that holds it.
    :param weight: its rows as float32[V, D].
    :param sites: where its rows are looked up.
    :param stored: bytes that it takes in the file, scales included.
    """

    name: str
    buffer: int
    weight: NDArray[np.float32]
    sites: tuple[Site, ...]
    stored: int


def find_tables(model: Any) -> list[FoundTable]:
    """The tables of a model that can be replaced, largest first.

    Tables are constants of two axes, in float32 or float16, or in int8, uint8 or int4 with one scale, or one for each row or column.

    :param model: a ``ModelT``.
    """
    sites: dict[int, list[Site]] = {}
    tensors: dict[int, Any] = {}
    for number, graph in enumerate(model.subgraphs):
        producers = {
            int(output): operator for operator in graph.operators or [] for output in operator.outputs
        }
        for operator in graph.operators or []:
            found = _looked_up(model, graph, operator, producers)
            if found is not None and not _why_not(model, graph, operator, *found):
                table, ids = found
                sites.setdefault(table.buffer, []).append(
                    Site(number, operator, ids, int(operator.outputs[0]))
                )
                tensors[table.buffer] = table
    made = [
        FoundTable(
            _name(tensors[buffer]),
            buffer,
            _weight(model, tensors[buffer]),
            tuple(found),
            _stored_bytes(model, tensors[buffer]),
        )
        for buffer, found in sites.items()
    ]
    return sorted(made, key=lambda table: -table.weight.size)


def put_rows(model: Any, found: FoundTable, rows: NDArray[np.float32]) -> None:
    """Look other rows up where a table is looked up; what else reads the table keeps it.

    :param model: the ``ModelT``, which is changed.
    :param found: what `find_tables` gave of it.
    :param rows: float32[V, D].
    :raises SpecError: if the lookups give quantised rows, whose scale is that of the table.
    """
    buffer = schema.BufferT()
    buffer.data = np.ascontiguousarray(rows, np.float32).reshape(-1).view(np.uint8)
    model.buffers.append(buffer)
    for site in found.sites:
        graph = model.subgraphs[site.subgraph]
        if NUMPY_TYPES.get(graph.tensors[site.output].type) != "float32":
            raise SpecError(
                f"table {found.name} gives quantised rows, so others cannot be tried in its place"
            )
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.hasRank = list(rows.shape), schema.TensorType.FLOAT32, True
        tensor.buffer, tensor.name = len(model.buffers) - 1, f"{found.name}/rows".encode()
        graph.tensors.append(tensor)
        name = opcode_name(model.operatorCodes[site.operator.opcodeIndex])
        inputs = [int(index) for index in site.operator.inputs]
        inputs[int(name == "EMBEDDING_LOOKUP")] = len(graph.tensors) - 1
        site.operator.inputs = inputs


def near_tables(model: Any) -> dict[str, str]:
    """Constants whose rows are looked up, but that cannot be replaced, and why.

    :param model: a ``ModelT``.
    """
    found: dict[str, str] = {}
    for graph in model.subgraphs:
        producers = {
            int(output): operator for operator in graph.operators or [] for output in operator.outputs
        }
        for operator in graph.operators or []:
            looked_up = _looked_up(model, graph, operator, producers)
            if looked_up is not None and looked_up[0].buffer:
                reason = _why_not(model, graph, operator, *looked_up)
                if reason:
                    found[_name(looked_up[0])] = reason
    return found


def _looked_up(model: Any, graph: Any, operator: Any, producers: dict[int, Any]) -> tuple[Any, int] | None:
    """The table's tensor and the place of the ids, if an operator looks up rows."""
    name = opcode_name(model.operatorCodes[operator.opcodeIndex])
    if name == "GATHER" and not (
        operator.builtinOptions and (operator.builtinOptions.axis or operator.builtinOptions.batchDims)
    ):
        place, ids = int(operator.inputs[0]), int(operator.inputs[1])
    elif name == "EMBEDDING_LOOKUP":
        place, ids = int(operator.inputs[1]), int(operator.inputs[0])
    else:
        return None
    table = graph.tensors[place]
    source = producers.get(place)
    if source is not None and opcode_name(model.operatorCodes[source.opcodeIndex]) == "DEQUANTIZE":
        table = graph.tensors[int(source.inputs[0])]
    return table, ids


def _why_not(model: Any, graph: Any, operator: Any, table: Any, ids: int) -> str:
    """The reason why a tensor is not a table that can be replaced; empty if it is one."""
    data = model.buffers[table.buffer].data
    shape = [int(size) for size in table.shape] if table.shape is not None else []
    kind = NUMPY_TYPES.get(table.type, "int4" if table.type == _INT4 else "")
    output = NUMPY_TYPES.get(graph.tensors[int(operator.outputs[0])].type)
    if table.buffer == 0 or data is None:
        return "is no constant"
    if len(shape) != 2:
        return f"has {len(shape)} axes, not two"
    if kind not in (*_FLOATS, *INTEGERS, "int4"):
        return f"is of the type {kind or f'number {table.type}'}, of which rows are not read"
    if NUMPY_TYPES.get(graph.tensors[ids].type) not in ("int32", "int64"):
        return "is looked up by ids that are not int32 or int64"
    count = shape[0] * shape[1]
    if len(data) != (-(-count // 2) if kind == "int4" else count * np.dtype(kind).itemsize):
        return "has another number of bytes than its shape says"
    if kind not in _FLOATS and _steps(table) is None:
        return f"is {kind} with scales other than one for the whole table, or for each row or column"
    if output not in ("float32", "float16", *INTEGERS):
        return f"gives rows of the type {output or 'that is not read'}"
    if output in INTEGERS and len(table.quantization.scale) > 1:
        return f"gives rows of {output} that have a scale each"
    return ""


def _stored_bytes(model: Any, tensor: Any) -> int:
    steps = None if tensor.type in _FLOAT_TYPES else _steps(tensor)
    return len(model.buffers[tensor.buffer].data) + (0 if steps is None else steps[0].nbytes)


def _steps(tensor: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Scales and zero points of a quantised tensor of two axes, each as float32[1 or V, 1 or D]; None if it has them otherwise."""
    held = tensor.quantization
    if held is None or held.scale is None or held.details is not None:
        return None
    axis = int(held.quantizedDimension)
    scale = np.asarray(held.scale, np.float32)
    zero = np.zeros(1, np.float32) if held.zeroPoint is None else np.asarray(held.zeroPoint, np.float32)
    if len(scale) != 1 and (axis not in (0, 1) or len(scale) != int(tensor.shape[axis])):
        return None
    if len(zero) not in (0, 1, len(scale)):
        return None
    shaped = (-1, 1) if axis == 0 else (1, -1)
    return scale.reshape(shaped), (zero if len(zero) else np.zeros(1, np.float32)).reshape(shaped)


def _name(tensor: Any) -> str:
    return str(tensor.name.decode("utf-8", "replace")) if isinstance(tensor.name, bytes) else str(tensor.name)


def _weight(model: Any, tensor: Any) -> NDArray[np.float32]:
    shape = [int(size) for size in tensor.shape]
    data = np.ascontiguousarray(model.buffers[tensor.buffer].data).tobytes()
    if tensor.type == _INT4:
        packed = np.frombuffer(data, np.uint8)
        codes = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[: shape[0] * shape[1]]
        stored = (codes ^ 8).astype(np.int16) - 8
    else:
        stored = np.frombuffer(data, NUMPY_TYPES[tensor.type])
    weight = stored.reshape(shape).astype(np.float32)
    steps = None if tensor.type in _FLOAT_TYPES else _steps(tensor)
    if steps is not None:
        scale, zero = steps
        weight = (weight - zero) * scale
    return np.ascontiguousarray(weight, np.float32)


def shape_of(tensor: Any) -> list[int]:
    """Sizes of a tensor's axes, -1 for one that is free; empty where the file names none.

    :param tensor: a tensor of the flatbuffer's object form.
    """
    signature = tensor.shapeSignature
    shape = tensor.shape if signature is None or not len(signature) else signature
    return [] if shape is None else [int(size) for size in shape]

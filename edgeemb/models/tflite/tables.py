"""Finding the embedding tables of a ``.tflite`` model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.models.tflite.flatbuffer import NUMPY_TYPES, opcode_name

_FLOATS = ("float32", "float16")


_INTEGERS = ("int8", "uint8")


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
    """

    name: str
    buffer: int
    weight: NDArray[np.float32]
    sites: tuple[Site, ...]


def find_tables(model: Any) -> list[FoundTable]:
    """The tables of a model that can be replaced, largest first.

    Tables are constants of two axes, in float32, float16 behind a DEQUANTIZE, or quantised with one scale.

    :param model: a ``ModelT``.
    """
    sites: dict[int, list[Site]] = {}
    tensors: dict[int, Any] = {}
    for number, graph in enumerate(model.subgraphs):
        producers = {
            int(output): operator for operator in graph.operators or [] for output in operator.outputs
        }
        for operator in graph.operators or []:
            found = _lookup(model, graph, operator, producers)
            if found is not None:
                table, ids = found
                sites.setdefault(table.buffer, []).append(
                    Site(number, operator, ids, int(operator.outputs[0]))
                )
                tensors[table.buffer] = table
    made = [
        FoundTable(_name(tensors[buffer]), buffer, _weight(model, tensors[buffer]), tuple(found))
        for buffer, found in sites.items()
    ]
    return sorted(made, key=lambda table: -table.weight.size)


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
                reason = _why_not(model, graph, *looked_up)
                if reason:
                    found[_name(looked_up[0])] = reason
    return found


def _lookup(model: Any, graph: Any, operator: Any, producers: dict[int, Any]) -> tuple[Any, int] | None:
    """The table's tensor and the place of the ids, if an operator looks up rows of a constant that can be replaced."""
    found = _looked_up(model, graph, operator, producers)
    return None if found is None or _why_not(model, graph, *found) else found


def _looked_up(model: Any, graph: Any, operator: Any, producers: dict[int, Any]) -> tuple[Any, int] | None:
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


def _why_not(model: Any, graph: Any, table: Any, ids: int) -> str:
    """The reason why a tensor is not a table that can be replaced; empty if it is one."""
    data = model.buffers[table.buffer].data
    shape = [int(size) for size in table.shape] if table.shape is not None else []
    kind = NUMPY_TYPES.get(table.type, "")
    if table.buffer == 0 or data is None:
        return "is no constant"
    if len(shape) != 2:
        return f"has {len(shape)} axes, not two"
    if kind not in _FLOATS + _INTEGERS:
        return f"is of the type {kind or f'number {table.type}'}, of which rows are not read"
    if NUMPY_TYPES.get(graph.tensors[ids].type) not in ("int32", "int64"):
        return "is looked up by ids that are not int32 or int64"
    if len(data) != shape[0] * shape[1] * np.dtype(kind).itemsize:
        return "has another number of bytes than its shape says"
    if kind in _INTEGERS and not _scaled_once(table):
        return f"is {kind} with a scale for each row or none, where one for the whole table is read"
    return ""


def _scaled_once(tensor: Any) -> bool:
    scale = tensor.quantization.scale if tensor.quantization is not None else None
    return scale is not None and len(scale) == 1


def _name(tensor: Any) -> str:
    return str(tensor.name.decode("utf-8", "replace")) if isinstance(tensor.name, bytes) else str(tensor.name)


def _weight(model: Any, tensor: Any) -> NDArray[np.float32]:
    kind = NUMPY_TYPES[tensor.type]
    stored = np.frombuffer(np.ascontiguousarray(model.buffers[tensor.buffer].data).tobytes(), kind)
    weight = stored.reshape([int(size) for size in tensor.shape]).astype(np.float32)
    if kind in _INTEGERS:
        zero = tensor.quantization.zeroPoint
        weight = (weight - np.float32(0 if zero is None or not len(zero) else zero[0])) * np.float32(
            tensor.quantization.scale[0]
        )
    return np.ascontiguousarray(weight, np.float32)


def _shape(tensor: Any) -> list[int]:
    signature = tensor.shapeSignature
    shape = tensor.shape if signature is None or not len(signature) else signature
    return [] if shape is None else [int(size) for size in shape]

"""What the fields of a ``.tflite`` model may say: checked one by one when it is read, so that later code may rely on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_MOST_AXES = 16
#: Operators that are looked into: the inputs that they must have. Each has an output.
_INPUTS = {
    schema.BuiltinOperator.GATHER: 2,
    schema.BuiltinOperator.EMBEDDING_LOOKUP: 2,
    schema.BuiltinOperator.DEQUANTIZE: 1,
    schema.BuiltinOperator.RESHAPE: 1,
    schema.BuiltinOperator.CAST: 1,
    schema.BuiltinOperator.SQUEEZE: 1,
    schema.BuiltinOperator.EXPAND_DIMS: 1,
}


def check_fields(model: Any) -> None:
    """Check every index, size and list of a model; lists that are left out become empty ones.

    :param model: the schema's ``ModelT``.
    :raises ValueError: saying what is wrong.
    """
    if model.version != 3 or not model.subgraphs or not model.buffers or model.operatorCodes is None:
        raise ValueError("it holds no graph of schema version 3")
    for buffer in model.buffers:
        if isinstance(buffer.data, list):
            buffer.data = np.asarray(buffer.data, np.uint8)
    for graph in model.subgraphs:
        graph.tensors, graph.operators = graph.tensors or [], graph.operators or []
        graph.inputs, graph.outputs = _numbers(graph.inputs), _numbers(graph.outputs)
        _in_range((*graph.inputs, *graph.outputs), len(graph.tensors), "a graph names a tensor")
        for tensor in graph.tensors:
            _check_tensor(tensor, len(model.buffers))
        _check_operators(model, graph)
    _in_range(_numbers(model.metadataBuffer), len(model.buffers), "the metadata names a buffer")
    _in_range(
        [int(entry.buffer) for entry in model.metadata or []],
        len(model.buffers),
        "the metadata names a buffer",
    )
    for signature in model.signatureDefs or []:
        _in_range([int(signature.subgraphIndex)], len(model.subgraphs), "a signature names a graph")
        signature.inputs, signature.outputs = signature.inputs or [], signature.outputs or []
        tensors = model.subgraphs[signature.subgraphIndex].tensors
        for entry in (*signature.inputs, *signature.outputs):
            _in_range([int(entry.tensorIndex)], len(tensors), "a signature names a tensor")
            if entry.name is None:
                raise ValueError("a signature has an entry without a name")


def _check_tensor(tensor: Any, buffers: int) -> None:
    _in_range([int(tensor.buffer)], buffers, "a tensor names a buffer")
    shape, signature = _numbers(tensor.shape), _numbers(tensor.shapeSignature)
    if len(shape) > _MOST_AXES or min(shape, default=0) < 0:
        raise ValueError(f"a tensor has the shape {shape[:_MOST_AXES]}")
    if signature and (len(signature) != len(shape) or min(signature) < -1):
        raise ValueError(f"a tensor has the shape {shape}, and as its signature {signature[:_MOST_AXES]}")
    quantization = tensor.quantization
    if quantization is not None:
        scales = 0 if quantization.scale is None else len(quantization.scale)
        zeros = 0 if quantization.zeroPoint is None else len(quantization.zeroPoint)
        if zeros not in (0, scales):
            raise ValueError(f"a tensor has {scales} scales and {zeros} zero points")


def _check_operators(model: Any, graph: Any) -> None:
    """The operators of a graph stand in the order in which they run: what one reads, none writes later."""
    last = {}
    for number, operator in enumerate(graph.operators):
        operator.inputs, operator.outputs = _numbers(operator.inputs), _numbers(operator.outputs)
        _in_range([int(operator.opcodeIndex)], len(model.operatorCodes), "an operator is of a kind")
        _in_range(
            [at for at in operator.inputs if at != -1], len(graph.tensors), "an operator names a tensor"
        )
        _in_range(operator.outputs, len(graph.tensors), "an operator names a tensor")
        code = model.operatorCodes[operator.opcodeIndex]
        needed = _INPUTS.get(max(int(code.builtinCode), int(code.deprecatedBuiltinCode)), 0)
        if needed and (
            len(operator.inputs) < needed or -1 in operator.inputs[:needed] or not operator.outputs
        ):
            raise ValueError("an operator lacks inputs or outputs")
        last.update(dict.fromkeys(operator.outputs, number))
    for number, operator in enumerate(graph.operators):
        if any(last.get(at, -1) >= number for at in operator.inputs):
            raise ValueError("an operator reads what is written after it")


def _in_range(indices: Sequence[int], count: int, what: str) -> None:
    if any(not 0 <= index < count for index in indices):
        raise ValueError(f"{what} that does not exist")


def _numbers(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]

"""What TensorFlow Lite Micro is given to read.

TFLM trusts its model: it follows every offset and index of the file, and gives a constant the size that its shape says. So a file is read
and checked here, and written again: TFLM only sees a FlatBuffer of ours.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edgeemb.errors import ModelError
from edgeemb.models.tflite.flatbuffer import NUMPY_TYPES, pack_tflite, read_tflite

#: Elements of a tensor, and axes, that no model for a microcontroller has.
_MOST_ELEMENTS = 2**30
_MOST_AXES = 8
#: Index of an optional input that is left out.
_LEFT_OUT = -1


def trusted_model(path: Path) -> bytes:
    """A model that TFLM can read without care.

    :param path: the ``.tflite`` file.
    :return: the same model, packed again.
    :raises ModelError: if it is damaged, or its tensors and operators do not fit together.
    """
    model, _ = read_tflite(path)
    for graph in model.subgraphs:
        reason = _wrong(graph, model.buffers)
        if reason:
            raise ModelError(f"{path} is damaged: {reason}; copy it again")
    return pack_tflite(model)


def _wrong(graph: Any, buffers: Any) -> str:
    """What is wrong with a subgraph; empty if nothing is."""
    tensors = graph.tensors or []
    fixed = [buffers[tensor.buffer].data is not None for tensor in tensors]
    for number, tensor in enumerate(tensors):
        shape = _list(tensor.shape)
        if len(shape) > _MOST_AXES or any(size < 0 for size in shape) or prod(shape) > _MOST_ELEMENTS:
            return f"tensor {number} has the shape {shape}"
        if fixed[number] and (
            tensor.type not in NUMPY_TYPES or _bytes(tensor) != len(buffers[tensor.buffer].data)
        ):
            return f"tensor {number} does not have the size of its type and shape"
        if tensor.sparsity is not None:
            return f"tensor {number} is sparse, which TFLM does not support"
        if fixed[number] and tensor.isVariable:
            return f"tensor {number} is both a constant and a variable"
    written = _list(graph.inputs)
    known = {index for index, tensor in enumerate(tensors) if fixed[index] or tensor.isVariable} | set(
        written
    )
    for operator in graph.operators or []:
        if not known.issuperset(set(_list(operator.inputs)) - {_LEFT_OUT}):
            return "an operator reads a tensor that nothing has written"
        written += _list(operator.outputs)
        known.update(_list(operator.outputs))
    if any(index < 0 or fixed[index] for index in written):
        return "a constant would be overwritten"
    return ""


def _bytes(tensor: Any) -> int:
    return prod(_list(tensor.shape)) * np.dtype(NUMPY_TYPES[tensor.type]).itemsize


def _list(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]

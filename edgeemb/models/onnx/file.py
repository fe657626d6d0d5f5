"""Reading an ``.onnx`` file that may come from anywhere: checked before its weights are read, and these only inside its folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper
from onnx.external_data_helper import load_external_data_for_tensor

from edgeemb.errors import ModelError, first_line
from edgeemb.files import inside

# A protobuf message has at most 2 GiB: https://protobuf.dev/programming-guides/proto-limits/
_MAX_BYTES = 2**31


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read and check a model with its weights.

    :param path: the file; external data lies in its folder.
    :return: the model, all weights inside.
    :raises ModelError: if it is not ONNX, truncated, not valid (cyclic, unsorted, ...), or external data are missing, too short or
        outside the folder.
    """
    try:
        size = path.stat().st_size
        if not 0 < size < _MAX_BYTES:
            raise ModelError(
                f"{path} has {size} bytes, which is not possible for an ONNX file: copy it again"
            )
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except DecodeError as error:
        raise ModelError(
            f"{path} is truncated or not an ONNX file ({first_line(error)}): copy it again"
        ) from error
    held = [tensor for tensor in tensors(model) if tensor.data_location == TensorProto.EXTERNAL]
    for tensor in held:
        _check_external(path, tensor)
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{path} is not a valid ONNX model ({first_line(error)}): export it again"
        ) from error
    if not model.graph.output:
        raise ModelError(f"{path} has no output, so that nothing could be compared: export it again")
    for tensor in held:
        load_external_data_for_tensor(tensor, str(path.parent))
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
    return model


def tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every constant of a model: initializers and attributes of nodes, those of inner graphs and functions included.

    :param model: any model.
    """
    for graph in graphs(model.graph):
        yield from graph.initializer
        yield from _attributes(graph.node)
    for function in model.functions:
        yield from _attributes(function.node)
        for node in function.node:
            for graph in inner_graphs(node):
                for deeper in graphs(graph):
                    yield from deeper.initializer
                    yield from _attributes(deeper.node)


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and every graph inside its nodes.

    :param graph: any graph.
    """
    yield graph
    for node in graph.node:
        for inner in inner_graphs(node):
            yield from graphs(inner)


def inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that a node holds directly, such as the branches of an If.

    :param node: any node.
    """
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _attributes(nodes: Iterable[onnx.NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_external(path: Path, tensor: TensorProto) -> None:
    """Refuse incomplete external data before anything is read by its offsets."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    place = inside(path.parent, entries.get("location"), path)
    where = f"{path}: tensor {tensor.name}"
    if not place.is_file():
        raise ModelError(f"{where} lies in {place.name}, which is missing: copy that file next to the model")
    if not place.resolve().is_relative_to(path.parent.resolve()):
        raise ModelError(
            f"{where} lies in {place.name}, a link out of the model's folder: copy the file itself"
        )
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
        item = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{where} has damaged external data ({error}): export it again") from error
    size = place.stat().st_size
    if length < 0:
        length = size - offset
    wanted = item
    for axis in tensor.dims:
        wanted *= axis
    packed = tensor.data_type in _PACKED
    if (
        offset < 0
        or offset + length > size
        or min(tensor.dims, default=0) < 0
        or (length != wanted and not packed)
    ):
        raise ModelError(
            f"{where} needs {wanted} bytes at {offset} of {place.name}, which has {size}: copy it again"
        )


#: Types that share bytes, whose size in a file is less than that in memory.
_PACKED = tuple(
    getattr(TensorProto, name)
    for name in ("INT4", "UINT4", "INT2", "UINT2", "FLOAT4E2M1")
    if hasattr(TensorProto, name)
)

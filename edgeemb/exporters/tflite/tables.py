"""Finding the embedding tables of a TFLite model, and putting compressed ones in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import ExportError
from edgeemb.exporters.tflite.arrays import Arrays
from edgeemb.exporters.tflite.graph import NUMPY_TYPES, TENSOR_TYPES, Constants, Graph
from edgeemb.exporters.tflite.lowering import Lowering
from edgeemb.exporters.tflite.policy import TfliteRuntime
from edgeemb.models.tflite.flatbuffer import opcode_name
from edgeemb.tables import Table

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
    """The tables of a model that can be replaced, the largest first.

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


def _lookup(model: Any, graph: Any, operator: Any, producers: dict[int, Any]) -> tuple[Any, int] | None:
    """The table's tensor and the place of the ids, if an operator looks up rows of a constant."""
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
    data = model.buffers[table.buffer].data
    shape = [int(size) for size in table.shape] if table.shape is not None else []
    kind = NUMPY_TYPES.get(table.type, "")
    if (
        table.buffer == 0
        or data is None
        or len(shape) != 2
        or kind not in _FLOATS + _INTEGERS
        or NUMPY_TYPES.get(graph.tensors[ids].type) not in ("int32", "int64")
    ):
        return None
    if len(data) != shape[0] * shape[1] * np.dtype(kind).itemsize or (
        kind in _INTEGERS and not _scaled_once(table)
    ):
        return None
    return table, ids


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


def replace_table(
    model: Any,
    constants: Constants,
    found: FoundTable,
    table: Table,
    alias: str,
    runtime: TfliteRuntime,
    *,
    custom: bool,
) -> None:
    """Put a compressed table in the place of a found one, at every site.

    :param model: the ``ModelT`` to change.
    :param constants: its constants.
    :param found: what `find_tables` gave.
    :param table: the compressed table, of the same shape.
    :param alias: prefix of the new tensors.
    :param runtime: what the operators must suit.
    :param custom: whether lookups that our kernels compute become custom ops.
    :raises ExportError: if the shapes differ, or the runtime cannot express the table.
    """
    if table.shape != found.weight.shape:
        raise ExportError(
            f"table {found.name} is {found.weight.shape}, its replacement {table.shape}: fit it to this table"
        )
    arrays = Arrays(table)
    for site in found.sites:
        subgraph = model.subgraphs[site.subgraph]
        graph = Graph(constants, subgraph, alias)
        _write_site(graph, arrays, site, runtime, custom=custom)
        at = next(place for place, operator in enumerate(subgraph.operators) if operator is site.operator)
        subgraph.operators[at : at + 1] = graph.operators
        _drop_unused_dequantize(model, subgraph)


def _write_site(graph: Graph, arrays: Arrays, site: Site, runtime: TfliteRuntime, *, custom: bool) -> None:
    tensors = graph.subgraph.tensors
    ids, output = tensors[site.ids], tensors[site.output]
    shape = _shape(ids)
    count = int(np.prod(shape)) if -1 not in shape else -1
    index = site.ids
    if NUMPY_TYPES[ids.type] == "int64":
        # By way of float32, in which an id far out of range stays out of range.
        options: dict[str, Any] = {
            "inDataType": TENSOR_TYPES["int64"],
            "outDataType": TENSOR_TYPES["float32"],
        }
        index = graph.op("CAST", [index], shape, **options)
        index = graph.op(
            "CAST",
            [index],
            shape,
            "int32",
            inDataType=TENSOR_TYPES["float32"],
            outDataType=TENSOR_TYPES["int32"],
        )
    if len(shape) != 1:
        flat = graph.constant(np.array([count], np.int32))
        index = graph.op("RESHAPE", [index, flat], (count,), "int32", newShape=[count])
    rows, _ = Lowering(graph, arrays, index, count, runtime, custom=custom).rows(arrays.table.program)
    out_shape = _shape(output)
    quantised = NUMPY_TYPES[output.type] in _INTEGERS
    if len(shape) != 1:
        if out_shape.count(-1) > 1:
            raise ExportError(
                f"{graph.prefix}: the ids have several axes of unknown size; export the model with fixed shapes"
            )
        rows = graph.op(
            "RESHAPE", [rows, graph.constant(np.array(out_shape, np.int32))], out_shape, newShape=out_shape
        )
    if quantised:
        rows = graph.op("QUANTIZE", [rows], out_shape)
    graph.operators[-1].outputs = [site.output]


def _shape(tensor: Any) -> list[int]:
    signature = tensor.shapeSignature
    shape = tensor.shape if signature is None or not len(signature) else signature
    return [] if shape is None else [int(size) for size in shape]


def _drop_unused_dequantize(model: Any, subgraph: Any) -> None:
    """Remove a DEQUANTIZE of constants that nothing reads any more."""
    read = {int(index) for operator in subgraph.operators for index in operator.inputs} | {
        int(index) for index in subgraph.outputs
    }
    kept = []
    for operator in subgraph.operators:
        name = opcode_name(model.operatorCodes[operator.opcodeIndex])
        if name == "DEQUANTIZE" and int(operator.outputs[0]) not in read:
            continue
        kept.append(operator)
    subgraph.operators = kept


def tidy(model: Any) -> None:
    """Take out tensors, buffers and operator codes that nothing uses any more, so that a file holds no table twice.

    :param model: the ``ModelT`` to change.
    """
    for graph in model.subgraphs:
        used = {
            int(i)
            for operator in graph.operators
            for i in [*operator.inputs, *operator.outputs, *_optional(operator)]
            if i >= 0
        }
        used |= {int(i) for i in [*graph.inputs, *graph.outputs]}
        places = {old: new for new, old in enumerate(sorted(used))}
        graph.tensors = [graph.tensors[old] for old in sorted(used)]
        for operator in graph.operators:
            operator.inputs = [places.get(int(i), -1) for i in operator.inputs]
            operator.outputs = [places[int(i)] for i in operator.outputs]
            if operator.intermediates is not None:
                operator.intermediates = [places.get(int(i), -1) for i in operator.intermediates]
        graph.inputs, graph.outputs = (
            [places[int(i)] for i in graph.inputs],
            [places[int(i)] for i in graph.outputs],
        )
        for signature in model.signatureDefs or []:
            if model.subgraphs[signature.subgraphIndex] is graph:
                for entry in [*signature.inputs, *signature.outputs]:
                    entry.tensorIndex = places[int(entry.tensorIndex)]
    _tidy_buffers(model)
    codes = sorted({operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators})
    model.operatorCodes = [model.operatorCodes[old] for old in codes]
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = codes.index(operator.opcodeIndex)


def _optional(operator: Any) -> list[int]:
    return [] if operator.intermediates is None else [int(i) for i in operator.intermediates]


def _tidy_buffers(model: Any) -> None:
    used = {0} | {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    used |= {int(i) for i in (model.metadataBuffer if model.metadataBuffer is not None else [])}
    places = {old: new for new, old in enumerate(sorted(used))}
    model.buffers = [model.buffers[old] for old in sorted(used)]
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = places[tensor.buffer]
    for entry in model.metadata or []:
        entry.buffer = places[entry.buffer]
    if model.metadataBuffer is not None:
        model.metadataBuffer = [places[int(i)] for i in model.metadataBuffer]

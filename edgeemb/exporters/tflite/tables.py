"""Finding the embedding tables of a TFLite model, and replacing them by compressed ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeemb.errors import ExportError
from edgeemb.exporters.tflite.arrays import Arrays
from edgeemb.exporters.tflite.graph import Constants, Graph
from edgeemb.exporters.tflite.heads import replace_heads
from edgeemb.exporters.tflite.lowering import Lowering
from edgeemb.exporters.tflite.policy import MAX_ROWS, TfliteRuntime
from edgeemb.models.tflite.flatbuffer import NUMPY_TYPES, opcode_name
from edgeemb.models.tflite.tables import INTEGERS, FoundTable, Site, shape_of
from edgeemb.tables import Table


def unfit(model: Any, found: FoundTable, table: Table) -> str:
    """Why a found table cannot be replaced in this format; empty if it can.

    :param model: a ``ModelT``.
    :param found: what `find_tables` gave.
    :param table: what would take its place.
    """
    if table.shape[0] > MAX_ROWS:
        return f"it has {table.shape[0]} rows, and TFLite lookups take at most {MAX_ROWS}"
    for site in found.sites:
        output = shape_of(model.subgraphs[site.subgraph].tensors[site.output])
        if len(output) > 2 and output.count(-1) > 1:
            return "its ids have several axes of unknown size"
    return ""


def replace_table(
    model: Any,
    constants: Constants,
    found: FoundTable,
    table: Table,
    alias: str,
    runtime: TfliteRuntime,
    *,
    custom: bool,
) -> bool:
    """Replace a found table by a compressed one, at every place where it is looked up or an output layer multiplies with it.

    :param model: the ``ModelT`` to change.
    :param constants: its constants.
    :param found: what `find_tables` gave.
    :param table: the compressed table, of the same shape.
    :param alias: prefix of the new tensors.
    :param runtime: what the operators must suit.
    :param custom: whether lookups that our kernels compute become custom ops.
    :return: whether an output layer looks all rows up for each call.
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
    unpacks = replace_heads(model, constants, arrays, {found.buffer}, alias, runtime, custom=custom)
    for subgraph in model.subgraphs:
        _drop_unused_dequantize(model, subgraph)
    return unpacks


def _write_site(graph: Graph, arrays: Arrays, site: Site, runtime: TfliteRuntime, *, custom: bool) -> None:
    tensors = graph.subgraph.tensors
    ids, output = tensors[site.ids], tensors[site.output]
    shape = shape_of(ids)
    count = int(np.prod(shape)) if -1 not in shape else -1
    index = site.ids
    if NUMPY_TYPES[ids.type] == "int64":
        # By way of float32, in which an id far out of range stays out of range.
        index = graph.cast(index, "int64", "float32", shape)
        index = graph.cast(index, "float32", "int32", shape)
    if len(shape) != 1:
        index = graph.reshape(index, (count,), "int32")
    rows, _ = Lowering(graph, arrays, index, count, runtime, custom=custom).rows(arrays.table.program)
    out_shape = shape_of(output)
    quantised = NUMPY_TYPES[output.type] in INTEGERS
    if len(shape) != 1:
        rows = graph.reshape(rows, out_shape)
    if quantised:
        rows = graph.op("QUANTIZE", [rows], out_shape)
    elif NUMPY_TYPES[output.type] == "float16":
        rows = graph.cast(rows, "float32", "float16", out_shape)
    graph.operators[-1].outputs = [site.output]


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
    """Remove tensors, buffers and operator codes that nothing uses any more, so that a file holds no table twice.

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
        used |= {int(details.scales) for i in used if (details := _blocks(graph.tensors[i])) is not None}
        places = {old: new for new, old in enumerate(sorted(used))}
        graph.tensors = [graph.tensors[old] for old in sorted(used)]
        for tensor in graph.tensors:
            details = _blocks(tensor)
            if details is not None:
                details.scales = places[int(details.scales)]
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


def _blocks(tensor: Any) -> Any | None:
    """The scales of blocks of a tensor, which name another tensor; None for any other tensor."""
    details = None if tensor.quantization is None else tensor.quantization.details
    return details if hasattr(details, "blockSize") else None


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

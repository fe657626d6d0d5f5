"""Output layers that are a table used a second time: products with all of its rows, over the arrays of its lookups.

Where our kernels run, one custom op multiplies with a packed table as it is stored. TFLite itself has no such op: all rows are looked up, by the
ids 0 to V - 1, and then multiplied. So nothing is stored twice, and the rows take memory while the layer runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeemb.exporters.tflite.arrays import Arrays
from edgeemb.exporters.tflite.graph import Constants, Graph, opcode_index
from edgeemb.exporters.tflite.lowering import CUSTOM_VERSION, Lowering, custom_options
from edgeemb.exporters.tflite.policy import FUSED, TfliteRuntime
from edgeemb.models.tflite.flatbuffer import opcode_name
from edgeemb.models.tflite.tables import FoundTable, shape_of
from edgeemb.tables.head import CodebookLogits, Hidden, QuantizedLogits, head_of

#: Stands for a FULLY_CONNECTED with a table until the table is written: its options are the activation, whether axes are kept, and the version.
MARK = "edgeemb.TiedLogits"


def mark_heads(model: Any, found: Sequence[FoundTable]) -> None:
    """Put a custom op in the place of each FULLY_CONNECTED whose weights are a table, so that nothing converts its weights.

    :param model: a float32 ``ModelT``, which is changed.
    :param found: its tables.
    """
    buffers = {entry.buffer for entry in found}
    for graph in model.subgraphs:
        for operator in graph.operators:
            if opcode_name(model.operatorCodes[operator.opcodeIndex]) != "FULLY_CONNECTED":
                continue
            weights = graph.tensors[int(operator.inputs[1])]
            if weights.buffer not in buffers or weights.type != schema.TensorType.FLOAT32:
                continue
            options = operator.builtinOptions
            version = int(model.operatorCodes[operator.opcodeIndex].version)
            kept = [int(options.fusedActivationFunction), int(options.keepNumDims), version]
            operator.opcodeIndex = opcode_index(model, MARK, 1, True)
            operator.builtinOptions, operator.builtinOptionsType = None, 0
            operator.customOptions = np.array(kept, np.uint8)


def is_mark(model: Any, operator: Any) -> bool:
    """Whether an operator is one that `mark_heads` has put there.

    :param model: the ``ModelT``.
    :param operator: one of its operators.
    """
    code = model.operatorCodes[operator.opcodeIndex]
    return code.customCode is not None and bytes(code.customCode) == MARK.encode()


def marked_buffers(model: Any) -> set[int]:
    """The buffers of tables that `mark_heads` has found output layers of.

    :param model: a ``ModelT``.
    """
    return {
        int(subgraph.tensors[int(mark.inputs[1])].buffer)
        for subgraph in model.subgraphs
        for mark in _marks(model, subgraph, None)
    }


def replace_heads(
    model: Any,
    constants: Constants,
    arrays: Arrays,
    buffers: set[int],
    alias: str,
    runtime: TfliteRuntime,
    *,
    custom: bool,
) -> bool:
    """Multiply with the rows of a compressed table wherever a mark has a float one.

    :param model: the ``ModelT`` to change.
    :param constants: its constants.
    :param arrays: the arrays of the compressed table.
    :param buffers: the buffers of the float table.
    :param alias: prefix of the new tensors.
    :param runtime: what the operators must suit.
    :param custom: whether what our kernels compute becomes custom ops.
    :return: whether a layer looks all rows up for each call.
    """
    table = arrays.table
    unpacks = False
    for subgraph in model.subgraphs:
        for mark in _marks(model, subgraph, buffers):
            graph = Graph(constants, subgraph, f"{alias}_head")
            at = next(place for place, operator in enumerate(subgraph.operators) if operator is mark)
            if custom and _fused(graph, mark, arrays, runtime):
                subgraph.operators[at : at + 1] = graph.operators
                continue
            unpacks = True
            ids = _all_ids(graph, table.shape[0], runtime)
            rows, _ = Lowering(graph, arrays, ids, table.shape[0], runtime, custom=custom).rows(table.program)
            _restore(model, mark, rows)
            subgraph.operators[at:at] = graph.operators
    return unpacks


def _fused(graph: Graph, mark: Any, arrays: Arrays, runtime: TfliteRuntime) -> bool:
    """Write a marked layer as one custom op, and its bias as another, if its table and its shapes allow that."""
    head = head_of(arrays.table)
    options: tuple[int, ...]
    match head:
        case QuantizedLogits(Hidden()) if QuantizedLogits in runtime.products:
            names, dim = (head.codes, head.scales), head.dim
            options = (head.bits, head.dim, head.block, head.planes)
        case CodebookLogits(Hidden()) if CodebookLogits in runtime.products:
            names, dim = (head.codes, head.codebooks), arrays.table.shape[1]
            options = (dim, int(head.additive))
        case _:
            return False
    hidden, bias = int(mark.inputs[0]), int(mark.inputs[2]) if len(mark.inputs) > 2 else -1
    source, target = (graph.subgraph.tensors[place] for place in (hidden, int(mark.outputs[0])))
    shape, result = shape_of(source), shape_of(target)
    activation = int(mark.customOptions[0])
    floats = source.type == target.type == schema.TensorType.FLOAT32
    known = len(shape) > 0 and shape[-1] == dim and result.count(-1) < 2
    if not floats or not known or (activation and bias < 0):
        return False
    rows = arrays.table.shape[0]
    count = -1 if -1 in shape else int(np.prod(shape[:-1]))
    if len(shape) != 2:
        hidden = graph.reshape(hidden, (count, dim))
    stored = [graph.constant(arrays.get(name, "stored"), f"{name}.stored") for name in names]
    logits = graph.op(
        FUSED[type(head)],
        [hidden, *stored],
        (count, rows),
        version=CUSTOM_VERSION,
        custom=custom_options(*options),
    )
    if bias >= 0:
        logits = graph.op("ADD", [logits, bias], (count, rows), fusedActivationFunction=activation)
    if len(result) != 2:
        graph.reshape(logits, result)
    graph.operators[-1].outputs = [int(mark.outputs[0])]
    return True


def restore_heads(model: Any) -> None:
    """Make the marks that are left products with the float tables again, which are stored once for both uses.

    :param model: the ``ModelT`` to change.
    """
    for subgraph in model.subgraphs:
        for mark in _marks(model, subgraph, None):
            _restore(model, mark, int(mark.inputs[1]))


def _marks(model: Any, subgraph: Any, buffers: set[int] | None) -> list[Any]:
    """The marks of a subgraph, over tables in some buffers or over all."""
    return [
        operator
        for operator in subgraph.operators
        if is_mark(model, operator)
        and (buffers is None or subgraph.tensors[int(operator.inputs[1])].buffer in buffers)
    ]


def _restore(model: Any, mark: Any, weights: int) -> None:
    activation, keeps, version = (int(value) for value in mark.customOptions)
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction, options.keepNumDims = activation, bool(keeps)
    mark.opcodeIndex = opcode_index(model, "FULLY_CONNECTED", version, False)
    mark.builtinOptions, mark.builtinOptionsType = options, schema.BuiltinOptions.FullyConnectedOptions
    mark.customOptions = None
    inputs = [int(index) for index in mark.inputs]
    inputs[1] = weights
    mark.inputs = inputs


def _all_ids(graph: Graph, rows: int, runtime: TfliteRuntime) -> int:
    """The ids 0 to rows - 1, int32[rows]."""
    if runtime.op_versions and "RANGE" not in runtime.op_versions:
        return graph.constant(np.arange(rows, dtype=np.int32))
    bounds = [graph.constant(np.array(value, np.int32)) for value in (0, rows, 1)]
    return graph.op("RANGE", bounds, (rows,), "int32")

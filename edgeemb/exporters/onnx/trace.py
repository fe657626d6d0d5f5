"""A torch module as an ONNX graph, still in float32 and with its tables as plain Gather nodes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
import onnx_ir
import torch
from onnx.defs import OpSchema
from onnxscript.values import Op, Opset

from edgeemb.errors import ExportError
from edgeemb.exporters.onnx.functions import DOMAIN, VERSION, bytes_op_name
from edgeemb.models.torch.model import Model
from edgeemb.quiet import quiet
from edgeemb.torch_tables.ops import LIBRARY

#: IR 8 with opset 18 is read by every ONNX Runtime since 1.14.
OPSET = 18
IR_VERSION = 8
#: Keeps the names of outputs apart from those that the exporter gives to inner tensors, such as "embedding".
_OUTPUT = "edgeemb.output."


def _ngram_bytes(padded: object, seeds: object, bases: object, n: int) -> object:
    """The torch op of rows from bytes as one node; its portable body is added with those of the tables."""
    given = [("padded", "uint8"), ("seeds", "int16"), ("bases", "int16")]
    schema = OpSchema(
        bytes_op_name(n),
        DOMAIN,
        VERSION,
        inputs=[OpSchema.FormalParameter(name, f"tensor({dtype})") for name, dtype in given],
        outputs=[OpSchema.FormalParameter("rows", "tensor(float)")],
        attributes=[OpSchema.Attribute("n", OpSchema.AttrType.INT)],
    )
    return Op(Opset(DOMAIN, VERSION), schema.name, schema)(padded, seeds, bases, n=n)


#: What PyTorch's exporter has no translation for.
TRANSLATIONS = {getattr(torch.ops, LIBRARY.ns).ngram_bytes.default: _ngram_bytes}


def trace(model: Model, empty: Collection[str] = ()) -> onnx.ModelProto:
    """Export the model's module with PyTorch's own exporter.

    :param model: a loaded model.
    :param empty: names of tables that only lookups read and whose rows are not needed: in the graph each is a single row of zeros. The rows of
        a large table, which the module may have mapped from a file, are then never copied.
    :return: the graph with its weights; initializers carry the names of the module's parameters.
    :raises ExportError: if the module cannot be traced; the message carries the exporter's reason.
    """
    with quiet():
        try:
            program = torch.onnx.export(
                model.module,
                model.example_inputs,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                dynamic_shapes=model.dynamic_shapes(),
                input_names=[info.name for info in model.inputs],
                output_names=[f"{_OUTPUT}{info.name}" for info in model.outputs],
                custom_translation_table=TRANSLATIONS,
            )
        except torch.onnx.OnnxExporterError as error:
            raise ExportError(f"{model.name} cannot be exported to ONNX: {_reason(error)}") from error
        if program is None:
            raise ExportError(
                f"{model.name} cannot be exported to ONNX: PyTorch's exporter gave nothing back"
            )
        names = _table_names(model)
        for name, value in program.model.graph.initializers.items():
            if names.get(name) in empty:
                _empty(value)
        graph = program.model_proto
    _strip(graph)
    _name_outputs(graph.graph)
    _name_tables(graph.graph, names)
    graph.ir_version = IR_VERSION
    return graph


def _empty(value: onnx_ir.Value) -> None:
    """Let a table be one row of zeros."""
    rows = value.const_value
    assert rows is not None
    one = onnx_ir.tensor(np.zeros((1, *rows.shape.numpy()[1:]), np.float32), name=value.name)
    value.const_value, value.shape = one, onnx_ir.Shape(one.shape.numpy())


def _name_outputs(graph: onnx.GraphProto) -> None:
    """Give the outputs their own names, and inner tensors of the same name another."""
    names = {info.name: info.name.removeprefix(_OUTPUT) for info in graph.output}
    names |= {final: f"{final}.inner" for final in list(names.values())}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for info in (*graph.value_info, *graph.output):
        info.name = names.get(info.name, info.name)


def _table_names(model: Model) -> dict[str, str]:
    """The names that the model has for tables, by all names of their weights: the exporter picks any name of a shared weight."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {
        name: table.name
        for table in model.tables
        for name in names[id(model.module.get_parameter(table.name))]
    }


def _name_tables(graph: onnx.GraphProto, known: Mapping[str, str]) -> None:
    """Give tables the names that the model has for them."""
    for item in graph.initializer:
        item.name = known.get(item.name, item.name)
    for node in graph.node:
        node.input[:] = [known.get(name, name) for name in node.input]


def _reason(error: BaseException) -> str:
    """The innermost message of the exporter, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _strip(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes: they contain source paths of this machine."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for part in (
        *model.graph.node,
        *model.graph.initializer,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        del part.metadata_props[:]
        part.doc_string = ""

"""Compressed tables in a finished ONNX model, with everything else as it was.

Nodes, names, metadata and weights stay byte for byte. What changes: the Gather nodes over compressed tables; the op set, where it is below
that of the lookups' function bodies (onnx's own version converter raises it); the IR version, where it is below that of functions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx.version_converter
from onnx import TensorProto, helper

from edgeemb.errors import ExportError, first_line
from edgeemb.exporters.onnx.body import convert_body
from edgeemb.exporters.onnx.lowering import add_functions, is_used, replace_table
from edgeemb.exporters.writers import KEEP
from edgeemb.models.onnx.model import OnnxModel
from edgeemb.models.onnx.tables import Graph, OnnxTable, element_types, row_lookup
from edgeemb.tables import Table

#: The function bodies of the lookups are written in this op set, and functions came with this IR version.
MIN_OPSET = 18
MIN_IR = 8


def with_tables(
    model: OnnxModel, tables: Mapping[str, Table], body: str, folder: Path
) -> tuple[onnx.ModelProto, list[str], dict[str, int]]:
    """A copy of a finished model that looks its rows up in compressed tables.

    :param model: the model.
    :param tables: tables by alias.
    :param body: ``keep``, or a precision that ONNX Runtime's own tools convert the other weights to.
    :param folder: an existing folder for intermediate files.
    :return: the graph, remarks for the user, and bytes of the tables in it by alias.
    :raises ExportError: if the op set cannot be raised, or the body not converted.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    notes: list[str] = []
    stored: dict[str, int] = {}
    proto = _raised(proto, model.source, notes)
    found = {table.info.alias: table for table in model.found if table.info.alias in tables}
    types = element_types(proto)
    for table in found.values():
        _make_plain(proto.graph, table, types)
    if body != KEEP:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            proto = convert_body(proto, body, {table.info.name for table in found.values()}, Path(scratch))
    for alias, table in found.items():
        prefix = _free_prefix(proto.graph, alias)
        stored[alias] = replace_table(
            proto, table.info.name, tables[alias], prefix, types, int8=body == "int8"
        )
        notes.extend(_tied(proto.graph, table))
    add_functions(proto, [tables[alias] for alias in found])
    return proto, notes, stored


def _raised(proto: onnx.ModelProto, source: str, notes: list[str]) -> onnx.ModelProto:
    """The model in an op set and IR version that can hold the lookups; the same object where it is in one."""
    opset = next((item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")), None)
    if opset is None:
        proto.opset_import.append(helper.make_opsetid("", MIN_OPSET))
    elif opset < MIN_OPSET:
        notes.append(f"the model was raised from op set {opset} to {MIN_OPSET}, which the lookups need")
        try:
            raised = onnx.version_converter.convert_version(proto, MIN_OPSET)
        except (onnx.version_converter.ConvertError, RuntimeError, ValueError) as error:
            raise ExportError(
                f"{source} is in op set {opset} and cannot be raised to {MIN_OPSET} ({first_line(error)}): "
                f"export it again with opset {MIN_OPSET}"
            ) from error
        del raised.metadata_props[:]
        raised.metadata_props.extend(proto.metadata_props)
        proto = raised
    proto.ir_version = max(proto.ir_version, MIN_IR)
    return proto


def _make_plain(graph: onnx.GraphProto, table: OnnxTable, types: Mapping[str, int]) -> None:
    """Make a table an initializer of its name that float32 Gather nodes read directly."""
    name = table.info.name
    known = Graph(graph)
    maker = known.producer.get(name)
    if maker is not None:  # a Constant node
        held = TensorProto()
        held.CopyFrom(known.constants[name])
        held.name = name
        graph.initializer.append(held)
        graph.node.remove(maker)
    for info in [info for info in graph.input if info.name == name]:
        graph.input.remove(info)  # as a default that a caller might replace it could not be compressed
    passed = set()
    for node in [node for node in graph.node if row_lookup(node) and known.root(node.input[0]) == name]:
        if node.input[0] != name:
            passed.add(node.input[0])
            node.input[0] = name
        for attribute in node.attribute:
            if attribute.name == "axis":
                attribute.i = 0
        _with_known_ids(graph, node, types)
        _with_float_rows(graph, node, known.constants[name].data_type)
    for value in passed:
        while value != name and not is_used(graph, value):
            identity = known.producer[value]
            graph.node.remove(identity)
            value = identity.input[0]


def _with_known_ids(graph: onnx.GraphProto, gather: onnx.NodeProto, types: Mapping[str, int]) -> None:
    """Cast ids whose type cannot be told, such as those of an op that onnx does not know."""
    if types.get(gather.input[1]) in (TensorProto.INT32, TensorProto.INT64):
        return
    cast = helper.make_node(
        "Cast",
        [gather.input[1]],
        [f"{gather.output[0]}/ids"],
        name=f"{gather.output[0]}/ids",
        to=TensorProto.INT64,
    )
    graph.node.insert(list(graph.node).index(gather), cast)
    gather.input[1] = cast.output[0]


def _with_float_rows(graph: onnx.GraphProto, gather: onnx.NodeProto, stored: int) -> None:
    """Cast the rows, which lookups give in float32, to the type that the table had."""
    if stored == TensorProto.FLOAT:
        return
    rows = f"{gather.output[0]}/float32"
    cast = helper.make_node("Cast", [rows], [gather.output[0]], name=f"{rows}/cast", to=stored)
    graph.node.insert(list(graph.node).index(gather) + 1, cast)
    gather.output[0] = rows


def _free_prefix(graph: onnx.GraphProto, alias: str) -> str:
    """The alias, or a longer name where the model has values of its own that begin with it."""
    names = {name for node in graph.node for name in (*node.output, node.name)}
    names |= {item.name for item in (*graph.initializer, *graph.input)}
    prefix = alias
    while any(name.startswith((f"{prefix}.", f"{prefix}/", f"{prefix}_")) for name in names):
        prefix = f"edgeemb.{prefix}"
    return prefix


def _tied(graph: onnx.GraphProto, table: OnnxTable) -> list[str]:
    """What is said of layers that use the table in another way than by its rows."""
    notes = []
    if any(item.name == table.info.name for item in graph.initializer):
        notes.append(f"table {table.info.alias} also serves another layer, which keeps its own float copy")
    if table.copies:
        notes.append(
            f"table {table.info.alias} is there once more, transposed, for {', '.join(table.copies)}: left alone"
        )
    return notes

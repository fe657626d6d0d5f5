"""Compressed tables in a finished ONNX model; everything else stays unchanged.

Nodes, names, metadata and weights stay byte for byte. What changes: the Gather nodes over compressed tables; the op set, where it is below
that of the lookups' function bodies (onnx's own version converter raises it); the IR version, where it is below that of functions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

import onnx

from edgeemb.body.precision import KEEP, PRECISIONS
from edgeemb.exporters.onnx.body import convert_body
from edgeemb.exporters.onnx.functions import OPSET
from edgeemb.exporters.onnx.lowering import add_functions, replace_table
from edgeemb.exporters.onnx.nodes import free_prefix
from edgeemb.models.onnx.model import OnnxModel
from edgeemb.models.onnx.opsets import moved, opset_of
from edgeemb.models.onnx.plain import make_plain
from edgeemb.models.onnx.tables import OnnxTable, element_types, overlooked
from edgeemb.tables import Table

#: The function bodies of the lookups are written in this op set or newer, and functions came with this IR version.
MIN_OPSET = OPSET
MIN_IR = 8


def with_tables(
    model: OnnxModel, tables: Mapping[str, Table], body: str, folder: Path, kept: Collection[str] = ()
) -> tuple[onnx.ModelProto, list[str], dict[str, int]]:
    """A copy of a finished model that looks its rows up in compressed tables.

    :param model: the model.
    :param tables: tables by alias.
    :param body: ``keep``, or a precision that the other weights are converted to.
    :param folder: an existing folder for intermediate files.
    :param kept: tables by alias that stay as they are, whatever the body becomes.
    :return: the graph, remarks for the user, and bytes of the tables in it by alias.
    :raises ModelError: if the op set cannot be raised.
    :raises ExportError: if the body cannot be converted.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    notes = [*model.remarks, *overlooked(model.graph, model.found)]
    stored: dict[str, int] = {}
    proto = _raised(proto, model.source, notes)
    found = {table.info.alias: table for table in model.found if table.info.alias in tables}
    types = element_types(proto)
    names = {
        alias: make_plain(proto, table, partial(model.table_weight, alias), types)
        for alias, table in found.items()
    }
    if body != KEEP:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            untouched = {table.info.name for table in model.found if table.info.alias in kept}
            proto = convert_body(proto, body, {*names.values(), *untouched}, Path(scratch))
    for alias, table in found.items():
        prefix = free_prefix(proto.graph, alias)
        stored[alias] = replace_table(
            proto, names[alias], tables[alias], prefix, types, int8=PRECISIONS[body].integer
        )
        notes.extend(_tied(proto.graph, table))
    add_functions(proto, [tables[alias] for alias in found])
    return proto, notes, stored


def _raised(proto: onnx.ModelProto, source: str, notes: list[str]) -> onnx.ModelProto:
    """The model in an op set and IR version that can hold the lookups; the same object if it already is."""
    opset = opset_of(proto)
    if opset is None or opset < MIN_OPSET:
        proto = moved(proto, MIN_OPSET, source)
        if opset is not None:
            notes.append(f"the model was raised from op set {opset} to {MIN_OPSET}, which the lookups need")
    proto.ir_version = max(proto.ir_version, MIN_IR)
    return proto


def _tied(graph: onnx.GraphProto, table: OnnxTable) -> list[str]:
    """The note about layers that use the table in another way than by its rows."""
    notes = []
    if any(item.name == table.info.name for item in graph.initializer):
        notes.append(f"table {table.info.alias} also serves another layer, which keeps its own float copy")
    if table.copies:
        notes.append(
            f"table {table.info.alias} is also stored transposed, for {', '.join(table.copies)}: that copy was left alone"
        )
    return notes

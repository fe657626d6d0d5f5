"""Compressed tables in a finished ONNX model; everything else stays unchanged.

Nodes, names, metadata and weights stay byte for byte. What changes: the Gather nodes over compressed tables; the op set, where it is below
that of the lookups' function bodies (onnx's own version converter raises it); the IR version, where it is below that of functions.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import onnx

from edgeemb.body.precision import KEEP, PRECISIONS
from edgeemb.exporters.onnx.body import convert_body
from edgeemb.exporters.onnx.functions import OPSET
from edgeemb.exporters.onnx.heads import mark_heads, unmark, used_otherwise
from edgeemb.exporters.onnx.lowering import add_functions, replace_table
from edgeemb.exporters.onnx.nodes import free_prefix
from edgeemb.exporters.onnx.tops import add_top, head_notes
from edgeemb.exporters.writers import USED_WHOLE, Request, Written, headless, left_alone
from edgeemb.models.onnx.model import OnnxModel
from edgeemb.models.onnx.opsets import moved, opset_of
from edgeemb.models.onnx.plain import make_plain
from edgeemb.models.onnx.tables import element_types, overlooked

#: The function bodies of the lookups are written in this op set or newer, and functions came with this IR version.
MIN_OPSET = OPSET
MIN_IR = 8


def with_tables(model: OnnxModel, request: Request, folder: Path) -> tuple[onnx.ModelProto, Written]:
    """A copy of a finished model that looks its rows up in compressed tables.

    :param model: the model.
    :param request: what becomes of it.
    :param folder: an existing folder for intermediate files.
    :return: the graph, and what is to be said of it.
    :raises ModelError: if the op set cannot be raised.
    :raises ExportError: if the body cannot be converted, or a table that was asked for by name.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    notes = [*model.remarks, *overlooked(model.graph, model.found)]
    stored: dict[str, int] = {}
    proto = _raised(proto, model.source, notes)
    types = element_types(proto)
    tied = [table.info.alias for table in model.found if table.info.tied]
    left = headless(request.tables, tied)
    found = {
        table.info.alias: table for table in model.found if table.info.alias in request.tables.keys() - left
    }
    names = {
        alias: make_plain(proto, table, partial(model.table_weight, alias), types)
        for alias, table in found.items()
    }
    heads = {alias for alias, name in names.items() if mark_heads(proto.graph, name)}
    if request.head is not None:
        add_top(proto.graph, model.outputs[0].name, request.head)
    for alias in [alias for alias, name in names.items() if used_otherwise(proto.graph, name)]:
        left[alias] = USED_WHOLE
        unmark(proto.graph, names[alias])
        heads.discard(alias)
        del found[alias]
    if request.body != KEEP:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            kept = {*request.kept, *left}
            untouched = {table.info.name for table in model.found if table.info.alias in kept}
            native = request.ops == "custom"
            proto = convert_body(
                proto, request.body, {*names.values(), *untouched}, Path(scratch), native=native
            )
    for alias, table in found.items():
        prefix = free_prefix(proto.graph, alias)
        stored[alias] = replace_table(
            proto,
            names[alias],
            request.tables[alias],
            prefix,
            types,
            int8=PRECISIONS[request.body].integer,
            head=request.head,
        )
        if table.copies and alias not in heads:
            notes.append(
                f"table {alias} is also stored transposed, for {', '.join(table.copies)}: that copy was left alone"
            )
    add_functions(proto, [request.tables[alias] for alias in found])
    notes += head_notes(proto.graph, request.head)
    notes += left_alone(request, left)
    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    return proto, Written(
        opset=opset, notes=tuple(notes), left=tuple(left), stored=stored, heads=tuple(sorted(heads))
    )


def _raised(proto: onnx.ModelProto, source: str, notes: list[str]) -> onnx.ModelProto:
    """The model in an op set and IR version that can hold the lookups; the same object if it already is."""
    opset = opset_of(proto)
    if opset is None or opset < MIN_OPSET:
        proto = moved(proto, MIN_OPSET, source)
        if opset is not None:
            notes.append(f"the model was raised from op set {opset} to {MIN_OPSET}, which the lookups need")
    proto.ir_version = max(proto.ir_version, MIN_IR)
    return proto

"""Writer for ONNX, tables as external data so that the runtime maps them.

A torch model becomes opset 18, IR 8, with dynamic batch and length; a finished model keeps what it has, see `edgeemb.exporters.onnx.finished`.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.external_data_helper import convert_model_to_external_data, set_external_data

from edgeemb.body.precision import PRECISIONS
from edgeemb.errors import ExportError, first_line
from edgeemb.exporters.onnx.body import convert_body
from edgeemb.exporters.onnx.finished import with_tables
from edgeemb.exporters.onnx.functions import match_opset
from edgeemb.exporters.onnx.heads import mark_heads, unmark, used_otherwise
from edgeemb.exporters.onnx.locate import first_difference
from edgeemb.exporters.onnx.lowering import add_functions, replace_table
from edgeemb.exporters.onnx.nodes import gathers_of
from edgeemb.exporters.onnx.tops import add_top, head_notes
from edgeemb.exporters.writers import (
    USED_WHOLE,
    Apart,
    Request,
    Written,
    headless,
    left_alone,
    twin_note,
    twins,
)
from edgeemb.models.onnx.model import OnnxModel

MODEL = "model.onnx"
DATA = "model.data"
#: Smaller tensors stay inside the model file.
_EXTERNAL_BYTES = 1024
_LINE_BYTES = 64


def write(request: Request, folder: Path) -> Written:
    """Write ``model.onnx`` and ``model.data``.

    A table that the model uses as its output layer too is stored once for both, whether it is compressed or stays as it is.
    Both lowerings are in the file: the lookups are nodes of domain `edgeemb`, and their model-local functions are the portable bodies.

    :param request: what to write.
    :param folder: an existing folder.
    :raises ExportError: if the model cannot be traced or converted.
    """
    if isinstance(request.loaded, OnnxModel):
        return _write_finished(request, request.loaded, folder)
    from edgeemb.exporters.onnx.trace import OPSET, trace

    model = request.model
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        names = {alias: model.table(alias).name for alias in request.tables}
        # A head might read the rows of a table that it shares.
        lookups = {alias for alias in names if not model.table(alias).tied}
        graph = trace(model, {names[alias] for alias in lookups})
        missing = {alias for alias, name in names.items() if not gathers_of(graph.graph, name)}
        same = (
            {alias: other for alias, other in twins(model, request.tables).items() if alias in missing}
            if missing
            else {}
        )
        unread = {
            alias: "no Gather of the graph looks up its rows"
            for alias in names
            if alias in missing - same.keys()
        }
        # Of a table that stays as it is, too, a head would have a copy: transposed, as a constant of its own.
        heads = {table.alias for table in model.tables if mark_heads(graph.graph, table.name)}
        if request.head is not None:
            add_top(graph.graph, model.outputs[0].name, request.head)
        unread |= headless(request.tables, heads)
        unread |= {
            alias: USED_WHOLE
            for alias, name in names.items()
            if alias not in missing | unread.keys() and used_otherwise(graph.graph, name)
        }
        notes = left_alone(request, unread) + [twin_note(*pair) for pair in same.items()]
        for alias in lookups & unread.keys():
            _fill(graph.graph, names[alias], model.table_weight(alias))
        untouched = {*names.values(), *(model.table(alias).name for alias in request.kept)}
        untouched |= {model.table(alias).name for alias in heads}
        native = request.ops == "custom"
        graph = convert_body(graph, request.body, untouched, Path(scratch), request.grids, native=native)
    # With the shapes that the exporter notes, ONNX Runtime 1.31 fuses sums into SkipLayerNormalization, which takes three times as long on a CPU.
    del graph.graph.value_info[:]
    stored = dict.fromkeys(same, 0)
    ids_types = {
        info.name: onnx.helper.np_dtype_to_tensor_dtype(np.dtype(info.dtype)) for info in model.inputs
    }
    tables = {alias: table for alias, table in request.tables.items() if alias not in missing | unread.keys()}
    for alias, table in tables.items():
        stored[alias] = replace_table(
            graph,
            names[alias],
            table,
            alias,
            ids_types,
            int8=PRECISIONS[request.body].integer,
            head=request.head,
        )
    for alias in heads - tables.keys():
        unmark(graph.graph, model.table(alias).name)
    add_functions(graph, tables.values())
    notes += head_notes(graph.graph, request.head)
    save(graph, folder)
    return Written(
        opset=OPSET, notes=tuple(notes), left=tuple(unread), stored=stored, heads=tuple(heads & tables.keys())
    )


def _fill(graph: onnx.GraphProto, name: str, rows: NDArray[np.float32]) -> None:
    """Give a table that was traced empty its rows, since it stays as it is."""
    for item in graph.initializer:
        if item.name == name:
            item.CopyFrom(numpy_helper.from_array(rows, name))


def _write_finished(request: Request, model: OnnxModel, folder: Path) -> Written:
    """Replace the tables of a finished model; everything else stays."""
    graph, written = with_tables(model, request, folder)
    save(graph, folder)
    length = model.inputs[0].axes[1:2] if model.max_length else ()
    return replace(written, lengths=tuple(axis for axis in length if isinstance(axis, int)))


def save(model: onnx.ModelProto, folder: Path) -> None:
    """Write a model with its weights next to it.

    :param model: the model; its large tensors become references to the data file.
    :param folder: an existing folder.
    :raises ExportError: if the result is not valid ONNX.
    """
    match_opset(model)
    convert_model_to_external_data(model, location=DATA, size_threshold=_EXTERNAL_BYTES)
    _align(model)
    onnx.save(model, folder / MODEL)
    try:
        onnx.checker.check_model(str(folder / MODEL))
    except onnx.checker.ValidationError as error:
        raise ExportError(f"the exported graph is not valid ONNX ({first_line(error)})") from error


def _align(model: onnx.ModelProto) -> None:
    """Let each tensor of the data file begin at a multiple of a cache line, as the kernels read it best."""
    end = 0
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            begin = -(-end // _LINE_BYTES) * _LINE_BYTES
            set_external_data(tensor, DATA, offset=begin)
            end = begin + len(tensor.raw_data)


def locate(apart: Apart) -> str | None:
    """The first table or layer where a bundle differs from its original; see `edgeemb.exporters.onnx.locate.first_difference`."""
    return first_difference(apart.model, apart.tables, apart.feeds, apart.floor, apart.folder / MODEL)

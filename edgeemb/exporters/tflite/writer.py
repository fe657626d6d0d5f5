"""Writer for TFLite: one signature per sequence length, tables in the builtin or custom lowering of the runtime it is for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgeemb.body.precision import KEEP
from edgeemb.errors import ExportError
from edgeemb.exporters.tflite.body import convert_body, expand_ops
from edgeemb.exporters.tflite.graph import Constants, add_signature
from edgeemb.exporters.tflite.heads import is_mark, mark_heads, marked_buffers, restore_heads
from edgeemb.exporters.tflite.locate import first_difference
from edgeemb.exporters.tflite.policy import CUSTOM_OPS, RUNTIMES, TfliteRuntime
from edgeemb.exporters.tflite.tables import replace_table, tidy, unfit
from edgeemb.exporters.tflite.tops import add_top
from edgeemb.exporters.writers import (
    USED_WHOLE,
    Apart,
    Request,
    Written,
    headless,
    left_alone,
    memory_note,
    twin_note,
    twins,
)
from edgeemb.models.tflite.flatbuffer import NUMPY_TYPES, opcode_name, read_tflite, write_tflite
from edgeemb.models.tflite.model import TfliteModel
from edgeemb.models.tflite.tables import FoundTable, find_tables
from edgeemb.runtimes.tflite import LITERT, TFLITE_RUNTIME
from edgeemb.runtimes.tflm import RUNTIME as TFLM

MODEL = "model.tflite"
SCHEMA_VERSION = 3
#: Longer names of tensors are cut to their end, in characters.
LONGEST_NAME = 40


def write_for(name: str, request: Request, folder: Path) -> Written:
    """Write ``model.tflite``.

    :param name: a key of `RUNTIMES`.
    :param request: what to write.
    :param folder: an existing folder.
    :raises ExportError: if the model cannot be converted, or the runtime cannot run it.
    """
    runtime = RUNTIMES[name]
    if isinstance(request.loaded, TfliteModel):
        return _write_finished(request, request.loaded, runtime, folder)
    from edgeemb.exporters.tflite.convert import choose_lengths, convert  # they import torch

    model = request.model
    if model.words is not None:
        raise ExportError(
            f"{model.name} takes the bytes of words, which TFLite models cannot: use `runtime` onnx, executorch or c"
        )
    lengths = choose_lengths(model, request.lengths, several=runtime.signatures)
    # Lookups of constant ids, as those of positions are, are computed by the converter: it must see the compressed rows.
    small = {
        alias: table
        for alias, table in request.tables.items()
        if model.table(alias).role in ("position", "type")
    }
    weights = {alias: table.reconstruct() for alias, table in small.items()}
    converted = convert(
        model, lengths, {model.table(alias).name: weight for alias, weight in weights.items()}
    )
    mark_heads(converted, find_tables(converted))
    converted, notes = convert_body(
        converted, request.body, request.grids, native=runtime.linear and request.ops == "custom"
    )
    constants = Constants(converted)
    stored: dict[str, int] = {}
    found = find_tables(converted)
    left: dict[str, str] = {}
    heads: list[str] = []
    marked = marked_buffers(converted)
    same = twins(model, request.tables)
    for alias, table in request.tables.items():
        if same.get(alias, alias) in stored:
            stored[alias] = 0
            notes.append(twin_note(alias, same[alias]))
            continue
        expected = weights[alias] if alias in weights else model.table_weight(alias)
        own = [
            entry
            for entry in found
            if entry.weight.shape == expected.shape and np.array_equal(entry.weight, expected)
        ]
        reason = next(filter(None, (unfit(converted, entry, table) for entry in own)), "")
        tied = any(entry.buffer in marked for entry in own)
        reason = reason or headless({alias: table}, [alias] if tied else []).get(alias, "")
        reason = reason or (USED_WHOLE if _used_otherwise(converted, own) else "")
        if reason or not (own or alias in small):
            left[alias] = reason or "the converted model has no lookup of it"
            continue
        before = constants.nbytes
        unpacked = [
            replace_table(converted, constants, entry, table, alias, runtime, custom=request.ops == "custom")
            for entry in own
        ]
        stored[alias] = constants.nbytes - before
        if tied:
            heads.append(alias)
        if any(unpacked):
            notes.append(memory_note(alias, table))
        if not own and alias in small:
            notes.append(
                f"table {alias} is looked up with fixed ids: its rows are constants of the graph, in float32, and count as body"
            )
    notes += left_alone(request, left)
    restore_heads(converted)
    if request.head is not None:
        add_top(converted, constants, model.outputs[0].name, request.head)
    expand_ops(converted, constants, runtime)
    tidy(converted)
    _shorten_names(converted)
    check_ops(converted, runtime)
    write_tflite(converted, folder / MODEL)
    longest = lengths[-1] if lengths and model.max_length else 0
    return Written(
        SCHEMA_VERSION, lengths, tuple(notes), longest, left=tuple(left), stored=stored, heads=tuple(heads)
    )


def _write_finished(request: Request, model: TfliteModel, runtime: TfliteRuntime, folder: Path) -> Written:
    """Replace the tables of a finished file; its metadata and associated files stay."""
    if request.body != KEEP or request.lengths:
        raise ExportError(f"{model.path} is finished: leave `body` and `lengths` out")
    finished, associated = read_tflite(model.path)
    if not runtime.signatures and len(finished.subgraphs) > 1:
        raise ExportError(
            f"{model.path} has several graphs, {runtime.record.title} runs one: use runtime='tflite'"
        )
    if not runtime.signatures:
        _fix_shapes(finished)
    if runtime.wraps_ids:
        _refuse_miscomputed(finished, model.path)
    constants = Constants(finished)
    stored: dict[str, int] = {}
    left: dict[str, str] = {}
    tables = find_tables(finished)
    mark_heads(finished, tables)
    marked = marked_buffers(finished)
    heads = [info.alias for info, found in zip(model.tables, tables, strict=True) if found.buffer in marked]
    unpacked: list[str] = []
    for info, found in zip(model.tables, tables, strict=True):
        if info.alias in request.tables:
            table = request.tables[info.alias]
            reason = unfit(finished, found, table)
            reason = reason or headless({info.alias: table}, heads).get(info.alias, "")
            reason = reason or (USED_WHOLE if _used_otherwise(finished, [found]) else "")
            if reason:
                left[info.alias] = reason
                continue
            before = constants.nbytes
            if replace_table(
                finished, constants, found, table, info.alias, runtime, custom=request.ops == "custom"
            ):
                unpacked.append(info.alias)
            stored[info.alias] = constants.nbytes - before
    notes = left_alone(request, left)
    notes += [memory_note(alias, request.tables[alias]) for alias in unpacked]
    restore_heads(finished)
    expand_ops(finished, constants, runtime)
    add_signature(finished)
    if request.head is not None:
        add_top(finished, constants, model.outputs[0].name, request.head)
    tidy(finished)
    check_ops(finished, runtime)
    write_tflite(finished, folder / MODEL, associated)
    shared = tuple(alias for alias in heads if alias in stored)
    return Written(SCHEMA_VERSION, notes=tuple(notes), left=tuple(left), stored=stored, heads=shared)


def locate(apart: Apart) -> str | None:
    """The first table or layer where a bundle differs from its original; see `edgeemb.exporters.tflite.locate.first_difference`."""
    return first_difference(apart, apart.folder / MODEL)


def _fix_shapes(model: Any) -> None:
    """Fix all axes: TFLM runs the stored shapes, and so must every operator that is inserted."""
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.shapeSignature = None


def _refuse_miscomputed(model: Any, path: Path) -> None:
    """tflite-runtime 2.14 takes the first of a weight's scales for all of them, where activations are floats."""
    for graph in model.subgraphs:
        for operator in graph.operators:
            if opcode_name(model.operatorCodes[operator.opcodeIndex]) != "FULLY_CONNECTED":
                continue
            source, weights = (graph.tensors[int(place)] for place in operator.inputs[:2])
            scales = weights.quantization.scale if weights.quantization is not None else None
            if NUMPY_TYPES.get(source.type) == "float32" and scales is not None and len(scales) > 1:
                raise ExportError(
                    f"{path} has per-channel int8 weights, which tflite-runtime computes wrongly: use runtime='tflite'"
                )


def _shorten_names(model: Any) -> None:
    """The converter names a tensor by the whole path of its module, once for each length: half a megabyte for a small encoder."""
    for graph in model.subgraphs:
        for place, tensor in enumerate(graph.tensors):
            name = (tensor.name or b"").decode("utf-8", "replace")
            if len(name) > LONGEST_NAME:
                tensor.name = f"{name.rstrip(';').rpartition('/')[2][-LONGEST_NAME:]}_{place}".encode()


def _used_otherwise(model: Any, found: list[FoundTable]) -> bool:
    """Whether something reads a table that neither looks up its rows nor is an output layer."""
    buffers = {entry.buffer for entry in found}
    lookups = [site.operator for entry in found for site in entry.sites]
    for graph in model.subgraphs:
        held = {place for place, tensor in enumerate(graph.tensors) if tensor.buffer in buffers}
        for operator in graph.operators:
            if not held & {int(index) for index in operator.inputs}:
                continue
            if opcode_name(model.operatorCodes[operator.opcodeIndex]) == "DEQUANTIZE":
                held |= {int(index) for index in operator.outputs}
            elif not is_mark(model, operator) and not any(operator is own for own in lookups):
                return True
    return False


def check_ops(model: Any, runtime: TfliteRuntime) -> None:
    """Refuse a model with an op that the runtime does not have, or not in this version.

    :param model: a ``ModelT`` without unused operator codes.
    :param runtime: what is to run it.
    :raises ExportError: naming the op and its version.
    """
    for code in model.operatorCodes:
        name = opcode_name(code)
        if name in CUSTOM_OPS or not runtime.op_versions:
            continue
        highest = runtime.op_versions.get(name, 0)
        if code.version > highest:
            has = f"it knows versions up to {highest}" if highest else "it does not have this op"
            raise ExportError(
                f"{runtime.record.package} {runtime.record.tested} rejects {name} version {code.version} ({has}): use runtime='tflite'"
            )


write_litert = partial(write_for, LITERT.name)
write_tflite_runtime = partial(write_for, TFLITE_RUNTIME.name)
#: One length, no op that TFLM lacks, arrays in the types that it gathers.
write_tflm = partial(write_for, TFLM.name)

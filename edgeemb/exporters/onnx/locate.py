"""Where an ONNX export first differs from its original: the first tensor of both, in the order of the graph, that differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgeemb.exporters.onnx.lowering import add_functions
from edgeemb.models.agreement import agreement
from edgeemb.models.base import LoadedModel
from edgeemb.models.onnx.model import OnnxModel
from edgeemb.native.onnxruntime import open_session
from edgeemb.tables import Table


def first_difference(
    model: LoadedModel,
    tables: Mapping[str, Table],
    feeds: Mapping[str, NDArray[Any]],
    floor: float,
    path: Path,
) -> str | None:
    """The first table or layer whose output differs.

    :param model: the original with the rows that the export's tables give.
    :param tables: those tables by alias.
    :param feeds: inputs that both take.
    :param floor: the agreement below which outputs differ.
    :param path: the exported model.
    :return: its name in words, or None if no tensor that both have differs.
    """
    original = _graph(model)
    export = onnx.load(path)
    made = {name for node in export.graph.node for name in node.output}
    shared = [(name, node) for node in original.graph.node for name in node.output if name and name in made]
    names = [name for name, _ in shared]
    wanted, found = _run(original, names, feeds), _run(export, names, feeds)
    for (name, node), before, after in zip(shared, wanted, found, strict=True):
        if not np.issubdtype(before.dtype, np.floating) or not before.size:
            continue
        same = before.shape == after.shape
        if not same or not agreement(name, [before], [after]).mean >= floor:
            return _words(original.graph, node, {model.table(alias).name: alias for alias in tables})
    return None


def _graph(model: LoadedModel) -> onnx.ModelProto:
    if isinstance(model, OnnxModel):
        copy = onnx.ModelProto()
        copy.CopyFrom(model.proto)
        return copy
    from edgeemb.exporters.onnx.trace import trace

    graph = trace(model.torch_model())
    add_functions(graph, ())  # of rows that are computed from words
    return graph


def _run(model: onnx.ModelProto, names: list[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    known = {info.name for info in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    session = open_session(model.SerializeToString())
    return [np.asarray(value) for value in session.run(names, dict(feeds))]


def _words(graph: onnx.GraphProto, node: onnx.NodeProto, tables: Mapping[str, str]) -> str:
    """The name of a node by the table or the weight that it, or one of its sources, reads."""
    makers = {name: other for other in graph.node for name in other.output}
    weights = {item.name for item in graph.initializer}
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop(0)
        for name in current.input:
            if name in tables and current is node:
                return f"table {tables[name]}"
            if name in weights and "." in name:
                return f"layer {name.rpartition('.')[0]}"
            if name in makers and name not in seen:
                seen.add(name)
                waiting.append(makers[name])
    return f"node {node.name or node.output[0]}"

"""Making a table of a finished graph one float constant that plain Gather nodes read, whatever the graph did to get its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.models.onnx.file import inner_graphs
from edgeemb.models.onnx.tables import OnnxTable


def make_plain(
    proto: onnx.ModelProto,
    table: OnnxTable,
    weight: Callable[[], NDArray[np.float32]],
    types: Mapping[str, int],
) -> str:
    """Make a table an initializer that float32 Gather nodes read directly, whatever the graph did to get its rows.

    :param proto: the model, which is changed.
    :param table: where its rows are looked up.
    :param weight: gives the rows, where the graph holds them in another form.
    :param types: element types of its values.
    :return: name of the initializer.
    """
    graph = proto.graph
    name = table.info.name
    if not all(lookup.plain for lookup in table.lookups):
        name = _free_name(graph, f"{table.info.name}.rows")
        # Only its name and shape count from here on: it gives way to the compressed table.
        graph.initializer.append(numpy_helper.from_array(weight(), name))
    known = {output: node for node in graph.node for output in node.output}
    maker = known.get(name)
    if maker is not None:  # a Constant node
        held = TensorProto()
        held.CopyFrom(next(attribute.t for attribute in maker.attribute if attribute.name == "value"))
        held.name = name
        graph.initializer.append(held)
        graph.node.remove(maker)
    for info in [info for info in graph.input if info.name == name]:
        graph.input.remove(info)  # as a default that a caller might replace it could not be compressed
    dropped = []
    for lookup in table.lookups:
        old = known[lookup.output]
        gather = helper.make_node(
            "Gather", [name, lookup.ids], [lookup.output], name=old.name or lookup.output, axis=0
        )
        (gather,) = put_in_place(graph, old, [gather])
        dropped += list(old.input)
        _with_known_ids(graph, gather, types)
        _with_float_rows(graph, gather, lookup.elem_type)
    remove_unread(graph, dropped)
    return name


def put_in_place(
    graph: onnx.GraphProto, old: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]
) -> list[onnx.NodeProto]:
    """Put nodes, in order, in the place of one.

    :param graph: the graph, which is changed.
    :param old: a node of it.
    :param nodes: what takes its place.
    :return: the nodes as the graph has them, which are copies.
    """
    at = next(place for place, node in enumerate(graph.node) if node is old or node == old)
    graph.node.remove(old)
    for offset, node in enumerate(nodes):
        graph.node.insert(at + offset, node)
    return list(graph.node[at : at + len(nodes)])


def remove_unread(graph: onnx.GraphProto, names: Iterable[str]) -> None:
    """Remove what nothing reads any more: values, the nodes that only make these, and what only these nodes read.

    :param graph: the graph, which is changed.
    :param names: values that lost a reader.
    """
    waiting = [name for name in names if name]
    while waiting:
        name = waiting.pop()
        if is_used(graph, name):
            continue
        maker = next((node for node in graph.node if name in node.output), None)
        if maker is not None and not any(output and is_used(graph, output) for output in maker.output):
            graph.node.remove(maker)
            waiting += [item for item in maker.input if item]
        for item in [item for item in graph.initializer if item.name == name]:
            graph.initializer.remove(item)
            for info in [info for info in graph.input if info.name == name]:
                graph.input.remove(info)  # it was the default of an input, which would be asked for now


def _with_known_ids(graph: onnx.GraphProto, gather: onnx.NodeProto, types: Mapping[str, int]) -> None:
    """Cast ids whose type is not known, such as those of an op that onnx does not know."""
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


def _free_name(graph: onnx.GraphProto, name: str) -> str:
    taken = {output for node in graph.node for output in node.output}
    taken |= {item.name for item in (*graph.initializer, *graph.input)}
    while name in taken:
        name = f"{name}_"
    return name


def is_used(graph: onnx.GraphProto, name: str) -> bool:
    """Whether a value is read by a node, in an inner graph too, or is an output.

    :param graph: the graph to search.
    :param name: the value.
    """
    return any(
        name in node.input or any(is_used(inner, name) for inner in inner_graphs(node)) for node in graph.node
    ) or any(name == info.name for info in graph.output)

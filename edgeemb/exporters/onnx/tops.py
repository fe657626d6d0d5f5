"""Output layers that give the best tokens alone: TopK behind the logits, and where the table allows it one op in the place of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.errors import ExportError
from edgeemb.exporters.onnx.functions import DOMAIN, SHORTLIST, top_op_name
from edgeemb.models.onnx.plain import put_in_place
from edgeemb.tables import Table
from edgeemb.tables.head import Hidden, QuantizedLogits, head_of
from edgeemb.tables.shortlist import fit_shortlist
from edgeemb.tables.top import TOKENS, HeadSpec, nothing_to_list


def add_top(graph: onnx.GraphProto, output: str, head: HeadSpec) -> None:
    """Let a graph give the best of its logits, and the tokens that these belong to.

    :param graph: the graph, which is changed.
    :param output: the output that holds the logits, float32[..., V].
    :param head: how many.
    :raises ExportError: if something in the graph has the name of the new output.
    """
    every, count = f"{output}/every", f"{output}/top"
    if any(TOKENS in (*node.input, *node.output) for node in graph.node):
        raise ExportError(f"a value of the graph is called {TOKENS!r}, as the output of `head` is: rename it")
    for node in graph.node:
        node.input[:] = [every if name == output else name for name in node.input]
        node.output[:] = [every if name == output else name for name in node.output]
    place = next(number for number, info in enumerate(graph.output) if info.name == output)
    shape = graph.output[place].type.tensor_type.shape
    axes: list[str | int | None] = [axis.dim_param or axis.dim_value for axis in shape.dim]
    axes[-1] = head.top
    graph.initializer.append(numpy_helper.from_array(np.array([head.top]), count))
    graph.node.append(helper.make_node("TopK", [every, count], [output, TOKENS], name=count, axis=-1))
    del graph.output[place]
    graph.output.insert(place, helper.make_tensor_value_info(output, TensorProto.FLOAT, axes))
    graph.output.append(helper.make_tensor_value_info(TOKENS, TensorProto.INT64, axes))


def fuse_top(
    graph: onnx.GraphProto,
    mark: onnx.NodeProto,
    table: Table,
    name: str,
    arrays: Mapping[str, str],
    head: HeadSpec,
) -> list[onnx.TensorProto] | None:
    """Put one op in the place of a product with all rows of a packed table, its bias, and the choice of the best.

    :param graph: the graph, which is changed.
    :param mark: stands for the product (`edgeemb.exporters.onnx.heads.MARK`).
    :param table: the table.
    :param name: unique prefix of what is written.
    :param arrays: names of the initializers that hold the table's arrays.
    :param head: what is chosen.
    :return: what was stored for it, the codes of a shortlist; None if the product is not followed by such a choice, or no op serves the table.
    """
    node = head_of(table)
    followed = _followed(graph, mark, table.shape[0])
    if followed is None or not isinstance(node, QuantizedLogits) or node.vectors != Hidden():
        return None
    bias, between, choice = followed
    if not bias:
        bias = f"{name}/no_bias"
        graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), bias))
    inputs = [mark.input[0], arrays[node.codes], arrays[node.scales], bias]
    options: dict[str, Any] = {
        "bits": node.bits,
        "dim": node.dim,
        "block": node.block,
        "planes": node.planes,
        "top": head.top,
    }
    stored: list[onnx.TensorProto] = []
    if head.shortlist:
        shortlist = fit_shortlist(table.reconstruct())
        parts: dict[str, NDArray[Any]] = {
            "codes": shortlist.codes,
            "scales": shortlist.scales,
            "codebook": shortlist.codebook,
        }
        stored = [numpy_helper.from_array(value, f"{name}/{part}") for part, value in parts.items()]
        graph.initializer.extend(stored)
        inputs += [item.name for item in stored]
        options["candidates"] = head.shortlist
    op = top_op_name(node, shortlist=bool(head.shortlist))
    for gone in between:
        graph.node.remove(gone)
    graph.node.remove(mark)
    # Behind everything that it reads.
    put_in_place(
        graph,
        choice,
        [helper.make_node(op, inputs, list(choice.output), name=name, domain=DOMAIN, **options)],
    )
    return stored


def head_notes(graph: onnx.GraphProto, head: HeadSpec | None) -> list[str]:
    """What is to be said of a shortlist.

    :param graph: a graph whose tables are in place.
    :param head: what its output layer was asked for.
    :raises ExportError: if that is a shortlist, and the graph has none.
    """
    if head is None or not head.shortlist:
        return []
    found = [node for node in graph.node if node.op_type.startswith(SHORTLIST)]
    if not found:
        raise ExportError(nothing_to_list(head))
    held = {item.name: item for item in graph.initializer}
    size = sum(
        numpy_helper.to_array(held[name]).nbytes
        for name in dict.fromkeys(name for node in found for name in node.input[4:])
    )
    return [
        f"the shortlist adds {size:,} bytes to the table; our op library scans it, and without that ONNX Runtime computes all logits"
    ]


def _followed(
    graph: onnx.GraphProto, mark: onnx.NodeProto, rows: int
) -> tuple[str, list[onnx.NodeProto], onnx.NodeProto] | None:
    """The bias of a product, empty for none, the nodes that add it, and the choice of the best that follows."""
    next_node = _reader(graph, mark.output[0])
    if next_node is None:
        return None
    if next_node.op_type == "TopK":
        return "", [], next_node
    held = {item.name: item for item in graph.initializer}
    others = [name for name in next_node.input if name != mark.output[0]]
    if next_node.op_type != "Add" or len(others) != 1 or others[0] not in held:
        return None
    bias = held[others[0]]
    choice = _reader(graph, next_node.output[0])
    if list(bias.dims) != [rows] or bias.data_type != TensorProto.FLOAT:
        return None
    return None if choice is None or choice.op_type != "TopK" else (others[0], [next_node], choice)


def _reader(graph: onnx.GraphProto, value: str) -> onnx.NodeProto | None:
    """The only node that reads a value; None if there are several, or it is an output."""
    found = [node for node in graph.node if value in node.input]
    if (
        len(found) != 1
        or value in {info.name for info in graph.output}
        or found[0].domain not in ("", "ai.onnx")
    ):
        return None
    only: onnx.NodeProto = found[0]
    return only

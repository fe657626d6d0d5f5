"""Changes to a traced program that ExecuTorch's lowering needs."""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import Node


def keep_reduced_axes(program: ExportedProgram) -> None:
    """Make each maximum and minimum over axes keep them, and squeeze them out afterwards: XNNPACK supports no other form.

    :param program: a traced program, which is changed.
    """
    graph = program.graph_module.graph
    aten = torch.ops.aten
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in (aten.amax.default, aten.amin.default) and len(node.args) > 1 and not _keeps(node):
            axes = node.args[1]
            _keep(node, node, [axes] if isinstance(axes, int) else list(axes))
        elif node.target in (aten.max.dim, aten.min.dim) and not _keeps(node):
            axis = node.args[1]
            for user in list(node.users):
                _keep(node, user, [axis])
            rank = node.meta["val"][0].dim() + 1
            node.meta["val"] = tuple(value.unsqueeze(axis % rank) for value in node.meta["val"])
            node.args = (node.args[0], axis, True)
            node.kwargs = {}
    graph.lint()
    program.graph_module.recompile()


def share_products(program: ExportedProgram) -> None:
    """Compute each product of the same two values once: layers that read the same smoothed input multiply it each.

    :param program: a traced program, which is changed.
    """
    graph = program.graph_module.graph
    known: dict[tuple[object, ...], Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target is not torch.ops.aten.mul.Tensor or node.kwargs:
            continue
        first = known.setdefault(node.args, node)
        if first is not node:
            node.replace_all_uses_with(first)
            graph.erase_node(node)
    graph.lint()
    program.graph_module.recompile()


def _keeps(node: Node) -> bool:
    given = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
    return bool(given)


def _keep(reduction: Node, value: Node, axes: list[int]) -> None:
    """Squeeze the axes of a value of a reduction, which keeps them from now on."""
    graph = value.graph
    plain = value.meta["val"]
    rank = plain.dim() + len(axes)
    places = sorted(axis % rank for axis in axes)
    with graph.inserting_after(value):
        squeezed = graph.call_function(torch.ops.aten.squeeze.dims, (value, places))
    squeezed.meta = {**value.meta, "val": plain}
    value.replace_all_uses_with(squeezed, delete_user_cb=lambda user: user is not squeezed)
    wide = plain
    for place in places:
        wide = wide.unsqueeze(place)
    value.meta["val"] = wide
    if value is reduction:
        value.args = (value.args[0], axes, True)
        value.kwargs = {}

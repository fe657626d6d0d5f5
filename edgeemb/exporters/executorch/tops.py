"""Output layers that give the best tokens alone: topk behind the logits, and with a packed table one op of ours in the place of both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from edgeemb.torch_tables.heads import quantized_logits
from edgeemb.torch_tables.ops import define

_TOP = (
    "quantized_top(Tensor hidden, Tensor codes, Tensor scales, Tensor bias, "
    "int bits, int dim, int block, int planes, int top) -> (Tensor values, Tensor tokens)"
)


def quantized_top(
    hidden: Tensor,
    codes: Tensor,
    scales: Tensor,
    bias: Tensor,
    bits: int,
    dim: int,
    block: int,
    planes: int,
    top: int,
) -> tuple[Tensor, Tensor]:
    """The best products of vectors with the rows of a packed table in plain torch, in the order of ``runtimes/kernels/top.h``.

    :param hidden: float32[..., dim].
    :param codes: uint8[V, planes * ceil(dim / (8 / bits))], planar.
    :param scales: float16 or float32[V, planes * dim / block].
    :param bias: float32[V] that is added, or a single 0.
    :param bits: 8, 4, 2 or 1.
    :param dim: elements in a row.
    :param block: elements that share a scale.
    :param planes: residual planes, added up in order.
    :param top: how many are wanted, 1 to V.
    :return: values float32[..., top], the best first, and their rows int64[..., top].
    """
    logits = quantized_logits(hidden, codes, scales, bits, dim, block, planes) + bias
    tokens = torch.sort(-logits, dim=-1, stable=True).indices[..., :top]
    return torch.gather(logits, -1, tokens) + 0.0, tokens


def _fake(
    hidden: Tensor,
    codes: Tensor,
    scales: Tensor,
    bias: Tensor,
    bits: int,
    dim: int,
    block: int,
    planes: int,
    top: int,
) -> tuple[Tensor, Tensor]:
    shape = (*hidden.shape[:-1], top)
    return hidden.new_empty(shape), hidden.new_empty(shape, dtype=torch.int64)


define(_TOP, quantized_top, _fake, ("values", "tokens"))


def keep_best(module: nn.Module, top: int) -> None:
    """Let a module give the best of its logits, values float32[..., top] and their tokens int64[..., top], the best first.

    :param module: the module, which is changed; its only result, by itself or in a tuple, are logits float32[..., V].
    :param top: how many.
    """

    def best(module: nn.Module, inputs: object, results: Tensor | tuple[Tensor]) -> tuple[Tensor, Tensor]:
        logits = results if isinstance(results, Tensor) else results[0]
        values, tokens = torch.topk(logits, top, dim=-1)
        return values, tokens

    # It leaves the names of the inputs as they are, as a module around this one would not.
    module.register_forward_hook(best)


def fuse_tops(program: ExportedProgram) -> None:
    """Put our op in the place of a product with all rows of a packed table, its bias, and the choice of the best.

    :param program: a traced program, which is changed.
    """
    graph = program.graph_module.graph
    aten, ops = torch.ops.aten, torch.ops.edgeemb
    for choice in list(graph.nodes):
        if choice.target is not aten.topk.default or choice.kwargs:
            continue
        logits, top, *axis = choice.args
        shape = logits.meta["val"].shape
        if len(axis) > 1 or (axis and axis[0] % len(shape) != len(shape) - 1):
            continue
        product, bias = _parts(logits)
        if product is None:
            continue
        if bias is None:
            with graph.inserting_before(choice):
                bias = graph.call_function(aten.full.default, ([1], 0.0))
            bias.meta["val"] = logits.meta["val"].new_zeros(1)
        hidden, codes, scales, *layout = product.args
        choice.target = ops.quantized_top.default
        choice.args = (hidden, codes, scales, bias, *layout, top)
        for gone in (logits, product):
            if not gone.users:
                graph.erase_node(gone)
    graph.lint()
    program.graph_module.recompile()


def _parts(logits: Node) -> tuple[Node | None, Node | None]:
    """The product with a table and the bias that logits are the sum of; None for the product if they are something else, or more reads them."""
    product: Any = logits
    bias: Any = None
    if logits.target is torch.ops.aten.add.Tensor and not logits.kwargs:
        product, bias = logits.args
        if not isinstance(bias, Node) or bias.op != "placeholder":
            return None, None
        if bias.meta["val"].shape != logits.meta["val"].shape[-1:]:
            return None, None
    fits = isinstance(product, Node) and product.target is torch.ops.edgeemb.quantized_logits.default
    alone = fits and len(product.users) == 1 and len(logits.users) == 1
    return (product, bias) if alone else (None, None)

"""Output layers that give the best tokens alone: topk behind the logits, and with a packed table one op of ours in the place of both. With a
shortlist that op scans small codes of all rows, and computes the logits of the rows that are then the best."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from edgeemb.errors import ExportError
from edgeemb.tables import Table
from edgeemb.tables.head import Hidden, QuantizedLogits, head_of
from edgeemb.tables.shortlist import Shortlist, fit_shortlist, shortlist_products
from edgeemb.tables.top import HeadSpec, nothing_to_list
from edgeemb.torch_tables.heads import quantized_logits
from edgeemb.torch_tables.ops import define

_TOP = (
    "quantized_top(Tensor hidden, Tensor codes, Tensor scales, Tensor bias, "
    "int bits, int dim, int block, int planes, int top) -> (Tensor values, Tensor tokens)"
)
_LISTED = (
    "shortlist_top(Tensor hidden, Tensor codes, Tensor scales, Tensor bias, Tensor listed, Tensor lengths, Tensor codebook, "
    "int bits, int dim, int block, int planes, int candidates, int top) -> (Tensor values, Tensor tokens)"
)
#: Stands behind logits until they are found to be the products with a table.
_CHOICE = (
    "best_of_shortlist(Tensor logits, Tensor listed, Tensor lengths, Tensor codebook, int candidates, int top) "
    "-> (Tensor values, Tensor tokens)"
)
#: Names of the arrays of a shortlist in a module.
_ARRAYS = ("shortlist_codes", "shortlist_scales", "shortlist_codebook")


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


def shortlist_top(
    hidden: Tensor,
    codes: Tensor,
    scales: Tensor,
    bias: Tensor,
    listed: Tensor,
    lengths: Tensor,
    codebook: Tensor,
    bits: int,
    dim: int,
    block: int,
    planes: int,
    candidates: int,
    top: int,
) -> tuple[Tensor, Tensor]:
    """The best products of vectors with those rows of a packed table that a scan takes for the best (`edgeemb.tables.shortlist`).

    The parameters that are not given here are those of `quantized_top`.

    :param listed: uint8[ceil(V / 64), pairs, 64], codes of a shortlist.
    :param lengths: float32[ceil(V / 64) * 64], its scales.
    :param codebook: float32[16, part].
    :param candidates: rows whose products are computed, `top` to V.
    :return: values float32[..., top], the best first, and their rows int64[..., top].
    """
    vectors, packed, steps, added, *arrays = (
        tensor.numpy() for tensor in (hidden, codes, scales, bias, listed, lengths, codebook)
    )
    values, rows = shortlist_products(
        vectors.reshape(-1, dim),
        packed,
        steps,
        (bits, block, planes),
        Shortlist(*arrays),
        candidates,
        top,
        bias=added if len(added) == len(packed) else None,
    )
    shape = (*hidden.shape[:-1], top)
    return torch.from_numpy(values.reshape(shape)), torch.from_numpy(rows.reshape(shape))


def _fake_best(vectors: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    """What each of the ops gives, whose last argument is how many."""
    shape = (*vectors.shape[:-1], others[-1])
    return vectors.new_empty(shape), vectors.new_empty(shape, dtype=torch.int64)


def _best_of_all(
    logits: Tensor, listed: Tensor, lengths: Tensor, codebook: Tensor, candidates: int, top: int
) -> tuple[Tensor, Tensor]:
    values, tokens = torch.topk(logits, top, dim=-1)
    return values, tokens


define(_TOP, quantized_top, _fake_best, ("values", "tokens"))
define(_LISTED, shortlist_top, _fake_best, ("values", "tokens"))
define(_CHOICE, _best_of_all, _fake_best, ("values", "tokens"))


def keep_best(module: nn.Module, head: HeadSpec, tables: Iterable[Table]) -> list[str]:
    """Let a module give the best of its logits, values float32[..., top] and their tokens int64[..., top], the best first.

    :param module: the module, which is changed; its only result, by itself or in a tuple, are logits float32[..., V].
    :param head: how many, and of which.
    :param tables: tables that the module's output layers share.
    :return: what the user should know.
    :raises ExportError: if there is to be a shortlist, and no table can have one.
    """
    notes = list[str]()
    if head.shortlist:
        listed = next((table for table in tables if _listable(table)), None)
        if listed is None:
            raise ExportError(nothing_to_list(head))
        shortlist = fit_shortlist(listed.reconstruct())
        arrays = (shortlist.codes, shortlist.scales, shortlist.codebook)
        for name, array in zip(_ARRAYS, arrays, strict=True):
            module.register_buffer(name, torch.from_numpy(array))
        notes.append(f"the shortlist adds {shortlist.nbytes:,} bytes to the program; our op scans it")

    def best(module: nn.Module, inputs: object, results: Tensor | tuple[Tensor]) -> tuple[Tensor, Tensor]:
        logits = results if isinstance(results, Tensor) else results[0]
        values: Tensor
        tokens: Tensor
        if head.shortlist:
            arrays = (module.get_buffer(name) for name in _ARRAYS)
            values, tokens = torch.ops.edgeemb.best_of_shortlist(logits, *arrays, head.shortlist, head.top)
        else:
            values, tokens = torch.topk(logits, head.top, dim=-1)
        return values, tokens

    # It leaves the names of the inputs as they are, as a module around this one would not.
    module.register_forward_hook(best)
    return notes


def _listable(table: Table) -> bool:
    """Whether the logits are products that an op of ours computes of single rows."""
    node = head_of(table)
    return isinstance(node, QuantizedLogits) and node.vectors == Hidden()


def fuse_tops(program: ExportedProgram) -> None:
    """Put our op in the place of a product with all rows of a packed table, its bias, and the choice of the best.

    :param program: a traced program, which is changed.
    :raises ExportError: if there is to be a shortlist, and the logits are something else.
    """
    graph = program.graph_module.graph
    aten, ops = torch.ops.aten, torch.ops.edgeemb
    for choice in list(graph.nodes):
        listed = choice.target is ops.best_of_shortlist.default
        if not listed and (choice.target is not aten.topk.default or choice.kwargs):
            continue
        logits, *how = choice.args
        shape = logits.meta["val"].shape
        if not listed and (len(how) > 2 or how[1:] not in ([], [-1], [len(shape) - 1])):
            continue
        product, bias = _parts(logits)
        if product is None:
            if listed:
                raise ExportError(nothing_to_list(HeadSpec(how[-1], how[-2])))
            continue
        if bias is None:
            with graph.inserting_before(choice):
                bias = graph.call_function(aten.full.default, ([1], 0.0))
            bias.meta["val"] = logits.meta["val"].new_zeros(1)
        hidden, codes, scales, *layout = product.args
        arrays, counts = (how[:3], how[3:]) if listed else ([], how[:1])
        choice.target = (ops.shortlist_top if listed else ops.quantized_top).default
        choice.args = (hidden, codes, scales, bias, *arrays, *layout, *counts)
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

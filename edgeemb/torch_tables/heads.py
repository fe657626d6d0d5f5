"""Output layers that are a table used a second time, as torch modules over the arrays of the table's own module.

`torch.ops.edgeemb.quantized_logits` and `codebook_logits` are what the custom lowering of a torch-based runtime keeps as one node; their
implementation here is the decomposition into plain torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeemb.tables import Table
from edgeemb.tables.head import (
    Bands,
    CodebookLogits,
    DenseLogits,
    Hidden,
    Logits,
    Part,
    Picked,
    Project,
    QuantizedLogits,
    Scaled,
    Sum,
    Vectors,
    head_of,
)
from edgeemb.tables.program import CodebookLookup, Lookup, QuantizedLookup, walk
from edgeemb.torch_tables.module import CodebookRows, QuantizedRows, TableModule
from edgeemb.torch_tables.ops import codebook_lookup, define, unpacked_rows

_QUANTIZED = "quantized_logits(Tensor hidden, Tensor codes, Tensor scales, int bits, int dim, int block, int planes) -> Tensor"
_CODEBOOK = "codebook_logits(Tensor hidden, Tensor codes, Tensor codebooks, bool additive) -> Tensor"


def quantized_logits(
    hidden: Tensor, codes: Tensor, scales: Tensor, bits: int, dim: int, block: int, planes: int
) -> Tensor:
    """Products of vectors with every row of a packed table in plain torch, in float32: `edgeemb.tables.head.QuantizedLogits` but for rounding.

    :param hidden: float32[..., dim].
    :param codes: uint8[V, planes * ceil(dim / (8 / bits))], planar.
    :param scales: float16 or float32[V, planes * dim / block].
    :param bits: 8, 4, 2 or 1.
    :param dim: elements in a row.
    :param block: elements that share a scale.
    :param planes: residual planes, added up in order.
    :return: float32[..., V].
    """
    rows = unpacked_rows(codes, scales, bits, dim, block, planes)
    return torch.matmul(hidden, rows.transpose(0, 1))


def _quantized_fake(
    hidden: Tensor, codes: Tensor, scales: Tensor, bits: int, dim: int, block: int, planes: int
) -> Tensor:
    return hidden.new_empty((*hidden.shape[:-1], codes.shape[0]), dtype=torch.float32)


define(_QUANTIZED, quantized_logits, _quantized_fake)


def codebook_logits(hidden: Tensor, codes: Tensor, codebooks: Tensor, additive: bool) -> Tensor:
    """Products of vectors with every row of a table of codebooks in plain torch: `edgeemb.tables.head.CodebookLogits` but for rounding.

    :param hidden: float32[..., dim].
    :param codes: uint8[V, M].
    :param codebooks: float16 or float32[M, K, dim / M] (additive: [M, K, dim]).
    :param additive: whether the entries of a row are added up, rather than put side by side.
    :return: float32[..., V].
    """
    rows = codebook_lookup(torch.arange(codes.shape[0]), codes, codebooks, additive)
    return torch.matmul(hidden, rows.transpose(0, 1))


def _codebook_fake(hidden: Tensor, codes: Tensor, codebooks: Tensor, additive: bool) -> Tensor:
    return hidden.new_empty((*hidden.shape[:-1], codes.shape[0]), dtype=torch.float32)


define(_CODEBOOK, codebook_logits, _codebook_fake)


class TiedLayer(nn.Module):
    """The logits over a table, in the place of a linear layer that shared its weight.

    :param table: the table.
    :param module: its module, whose arrays are read. It belongs to the lookups: here it is not registered a second time.
    :param bias: float32[V] that is added, or None.
    :raises SpecError: if the table has no such form.
    """

    def __init__(self, table: Table, module: TableModule, bias: nn.Parameter | None = None) -> None:
        super().__init__()
        self.tree = head_of(table)
        self.bias = bias
        self._module = [module]
        self._rows = {name: len(array) for name, array in table.arrays.items()}
        self._lookups: dict[str, Lookup] = {
            node.codes: node
            for node in walk(table.program)
            if isinstance(node, QuantizedLookup | CodebookLookup)
        }

    @property
    def weight(self) -> Tensor:
        """A tensor of the shape and type of the weight, without values."""
        return self._module[0].weight

    def forward(self, hidden: Tensor) -> Tensor:
        """:param hidden: float32[..., D]. :return: float32[..., V]."""
        logits = self._logits(self.tree, hidden)
        return logits if self.bias is None else logits + self.bias

    def _vectors(self, node: Vectors, hidden: Tensor) -> Tensor:
        match node:
            case Hidden():
                return hidden
            case Project(vectors, array):
                return torch.matmul(self._vectors(vectors, hidden), self._module[0].array(array))
            case Part(vectors, start, stop):
                return self._vectors(vectors, hidden)[..., start:stop]

    def _logits(self, node: Logits, hidden: Tensor) -> Tensor:
        match node:
            case DenseLogits(vectors, array):
                rows = self._module[0].array(array).to(torch.float32)
                return torch.matmul(self._vectors(vectors, hidden), rows.transpose(0, 1))
            case QuantizedLogits() | CodebookLogits():
                return self._products(node, self._vectors(node.vectors, hidden))
            case Sum(left, right):
                return self._logits(left, hidden) + self._logits(right, hidden)
            case Scaled(logits, array):
                factors = self._module[0].array(array).to(torch.float32).reshape(-1)
                return self._logits(logits, hidden) * factors
            case Picked(logits, array):
                index = self._module[0].array(array).to(torch.int64)
                return torch.index_select(self._logits(logits, hidden), -1, index)
            case Bands(parts):
                return torch.cat([self._logits(part, hidden) for part in parts], dim=-1)

    def _products(self, node: QuantizedLogits | CodebookLogits, vectors: Tensor) -> Tensor:
        lookup = self._lookups[node.codes]
        part = self._module[0].part(lookup)
        logits: Tensor
        if isinstance(part, QuantizedRows) and part.fused:
            assert isinstance(node, QuantizedLogits)
            logits = torch.ops.edgeemb.quantized_logits(
                vectors, part.codes, part.scales, node.bits, node.dim, node.block, node.planes
            )
            return logits
        if isinstance(part, CodebookRows) and part.fused:
            logits = torch.ops.edgeemb.codebook_logits(vectors, part.codes, part.codebooks, part.additive)
            return logits
        # All rows, by the ops that look up any.
        rows = part(torch.arange(self._rows[node.codes]))
        return torch.matmul(vectors, rows.transpose(0, 1))


def tied_layers(module: nn.Module, weight: nn.Parameter) -> tuple[list[str], list[str]]:
    """The layers other than embeddings that use a table's weight, or equal values.

    :param module: the module.
    :param weight: float32[V, D].
    :return: paths of the linear layers, which `TiedLayer` can stand for, and of others.
    """
    linear: list[str] = []
    other: list[str] = []
    for path, layer in module.named_modules():
        for name, value in layer.named_parameters(recurse=False):
            if isinstance(layer, nn.Embedding) or value.shape != weight.shape:
                continue
            plain = type(layer) is nn.Linear and name == "weight"
            if value is weight or (plain and torch.equal(value, weight)):
                (linear if plain else other).append(path)
    return linear, other


def put_heads(module: nn.Module, paths: list[str], table: Table, rows: TableModule) -> None:
    """Compute the logits of linear layers from a table.

    :param module: the module, which is changed.
    :param paths: of the layers, as `tied_layers` gives them.
    :param table: the table.
    :param rows: its module, which serves the lookups.
    """
    for path in paths:
        layer = module.get_submodule(path)
        bias = layer.bias if isinstance(layer.bias, nn.Parameter) else None
        parent, _, name = path.rpartition(".")
        setattr(module.get_submodule(parent), name, TiedLayer(table, rows, bias))

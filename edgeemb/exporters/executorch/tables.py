"""Tables inside the module that becomes an ExecuTorch program: the program of a compressed table in place of each `nn.Embedding`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

# Defines the quantized_decomposed.embedding_* ops, which ExecuTorch's quantised kernels serve.
import executorch.exir.passes._quant_patterns_and_replacements  # noqa: F401
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeemb.exporters.executorch.policy import lookup_policy
from edgeemb.exporters.writers import USED_WHOLE
from edgeemb.models.torch.model import Model
from edgeemb.models.words import WordRows
from edgeemb.tables import Table
from edgeemb.tables.program import Lookup, QuantizedLookup, unpack_codes
from edgeemb.torch_tables.copying import copy_module
from edgeemb.torch_tables.heads import put_heads, tied_layers
from edgeemb.torch_tables.module import Lookups, TableModule, fused, portable
from edgeemb.torch_tables.ngram import ngram_bytes
from edgeemb.torch_tables.placing import put_rows

#: Begins the name of a sealed table.
SEAL = "content_"

_BYTE_ZERO = 128


class StockRows(nn.Module):
    """Rows of an 8 or 4 bit table by ExecuTorch's own ops, which store one plane each.

    ``embedding_byte`` keeps signed bytes. ``embedding_4bit`` wants neighbours in a byte and the first of them in the high half: the codes
    [1, 2, 3, 4], which are 0x31 0x42 here, are 0x12 0x34 there. Both compute ``(code - zero) * scale`` in float32, with the same bits.

    :param table: the table.
    :param node: a lookup of 8 bits, or of 4 bits with an even row.
    """

    def __init__(self, table: Table, node: QuantizedLookup) -> None:
        super().__init__()
        self.bits = node.bits
        self.planes = node.planes
        rows = len(table.arrays[node.codes])
        packed = table.arrays[node.codes].reshape(rows, node.planes, -1)
        scales = table.arrays[node.scales].reshape(rows, node.planes, -1)
        for plane in range(node.planes):
            codes = _stock_codes(packed[:, plane], node.bits, node.dim)
            self.register_buffer(f"codes{plane}", torch.from_numpy(codes))
            self.register_buffer(f"scales{plane}", torch.from_numpy(np.ascontiguousarray(scales[:, plane])))

    def forward(self, index: Tensor) -> Tensor:
        """:param index: int64[...]. :return: float32[..., dim]."""
        rows = self._plane(index, 0)
        for plane in range(1, self.planes):
            rows = rows + self._plane(index, plane)
        return rows

    def _plane(self, index: Tensor, plane: int) -> Tensor:
        codes, scales = self.get_buffer(f"codes{plane}"), self.get_buffer(f"scales{plane}")
        ops = torch.ops.quantized_decomposed
        lookup = ops.embedding_byte.dtype if self.bits == 8 else ops.embedding_4bit.dtype
        least = -(2 ** (self.bits - 1))
        rows: Tensor = lookup(codes, scales, None, least, -least - 1, index, dtype=torch.float32)
        return rows


def _stock_codes(packed: NDArray[np.uint8], bits: int, dim: int) -> NDArray[np.generic]:
    codes = unpack_codes(packed, bits, dim)
    if bits == 8:
        return (codes.astype(np.int16) - _BYTE_ZERO).astype(np.int8)
    return np.ascontiguousarray(codes[:, 0::2] << 4 | codes[:, 1::2])


def lookups_for(ops: str) -> Lookups:
    """How the fused lookups of a table are lowered.

    :param ops: ``builtin`` or ``custom``.
    """

    def lower(table: Table, node: Lookup) -> nn.Module:
        match lookup_policy(node, ops):
            case "stock":
                assert isinstance(node, QuantizedLookup)
                return StockRows(table, node)
            case "fused":
                return fused(table, node)
            case _:
                return portable(table, node)

    return lower


class PlainWords(nn.Module):
    """Rows of words by plain ops.

    :param rows: the layer that computes them by our op.
    """

    seeds: Tensor
    bases: Tensor

    def __init__(self, rows: WordRows) -> None:
        super().__init__()
        self.n = rows.form.n
        self.register_buffer("seeds", rows.seeds)
        self.register_buffer("bases", rows.bases)

    def forward(self, token_bytes: Tensor) -> Tensor:
        """:param token_bytes: uint8[..., width], zeros behind each token. :return: float32[..., dim]."""
        return ngram_bytes(token_bytes, self.seeds, self.bases, self.n)


class Sealed(nn.Module):
    """A table whose constants carry a digest of its content in their names.

    The runtime matches the constants of a separate file only by name, so a file of another model, or of other tables, is not found.

    :param table: the table.
    :param module: its module.
    """

    def __init__(self, table: Table, module: TableModule) -> None:
        super().__init__()
        digest = hashlib.sha256()
        for name, array in table.arrays.items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        self.name = f"{SEAL}{digest.hexdigest()[:16]}"
        self.add_module(self.name, module)
        self.shape = table.shape

    @property
    def weight(self) -> Tensor:
        """A tensor of the shape and type of the table, without values."""
        return torch.empty(self.shape, device="meta")

    def forward(self, ids: Tensor) -> Tensor:
        """:param ids: int64[...]. :return: float32[..., D]."""
        rows: Tensor = self.get_submodule(self.name)(ids)
        return rows


def heads_of(model: Model) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The output layers that use tables a second time.

    :param model: the loaded model.
    :return: their paths by the alias of the table, and by alias why a table that others use too cannot be compressed.
    """
    heads, whole = {}, {}
    for info in model.tables:
        linear, other = tied_layers(model.module, model.module.get_parameter(info.name))
        if linear:
            heads[info.alias] = linear
        if other:
            whole[info.alias] = USED_WHOLE
    return heads, whole


def with_tables(
    model: Model,
    tables: Mapping[str, Table],
    ops: str,
    heads: Mapping[str, list[str]],
    *,
    sealed: bool = False,
) -> nn.Module:
    """A copy of a model's module with compressed tables in it, output layers that share them, and rows of words as the lowering has them.

    :param model: the loaded model, which is left as it is.
    :param tables: compressed tables by alias.
    :param ops: ``builtin`` or ``custom``.
    :param heads: paths of the output layers that share them, as `heads_of` gives them.
    :param sealed: name their constants by their content.
    :return: the copy.
    """
    module = copy_module(model.module)
    for layer in module.modules():
        if isinstance(layer, nn.Embedding):
            # It matters in training only, and keeps the runtime's passes from recognising a lookup.
            layer.padding_idx = None
    if ops == "builtin":
        for parent in list(module.modules()):
            for name, layer in list(parent.named_children()):
                if isinstance(layer, WordRows):
                    setattr(parent, name, PlainWords(layer))
    weights = {alias: module.get_parameter(model.table(alias).name) for alias in tables}
    for alias, table in tables.items():
        rows = TableModule(table, lookups_for(ops))
        replacement = Sealed(table, rows) if sealed else rows
        put_heads(module, heads.get(alias, []), table, rows)
        module = put_rows(module, weights[alias], replacement)
    return module

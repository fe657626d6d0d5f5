"""A table's whole lookup program as a torch module, with fused lookups as one op each or in plain torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeemb.errors import ExportError
from edgeemb.tables import Table
from edgeemb.tables.program import (
    Add,
    BatchMatMul,
    Clip,
    CodebookLookup,
    Concat,
    Divide,
    Gather,
    Ids,
    Lookup,
    MatMul,
    Modulo,
    Multiply,
    NgramLookup,
    Node,
    QuantizedLookup,
    Select,
    Take,
    walk,
)
from edgeemb.torch_tables.ngram import ngram_lookup
from edgeemb.torch_tables.ops import quantized_lookup, rows_from_entries


class QuantizedRows(nn.Module):
    """Rows of a packed table.

    :param table: the table.
    :param node: the lookup.
    :param fused: keep it as one op.
    """

    codes: Tensor
    scales: Tensor

    def __init__(self, table: Table, node: QuantizedLookup, fused: bool) -> None:
        super().__init__()
        self.node = node
        self.fused = fused
        _attach(self, "codes", table.arrays[node.codes])
        _attach(self, "scales", table.arrays[node.scales])

    def forward(self, index: Tensor) -> Tensor:
        """:param index: int64[...]. :return: float32[..., dim]."""
        node = self.node
        lookup = torch.ops.edgeemb.quantized_lookup if self.fused else quantized_lookup
        rows: Tensor = lookup(index, self.codes, self.scales, node.bits, node.dim, node.block, node.planes)
        return rows


class CodebookRows(nn.Module):
    """Rows assembled from codebooks, which the portable form keeps end to end.

    :param table: the table.
    :param node: the lookup.
    :param fused: keep it as one op.
    """

    codes: Tensor
    codebooks: Tensor

    def __init__(self, table: Table, node: CodebookLookup, fused: bool) -> None:
        super().__init__()
        self.additive = node.additive
        self.fused = fused
        books = table.arrays[node.codebooks]
        self.count, self.size = books.shape[:2]
        _attach(self, "codes", table.arrays[node.codes])
        _attach(self, "codebooks", books if fused else books.reshape(-1, books.shape[2]))

    def forward(self, index: Tensor) -> Tensor:
        """:param index: int64[...]. :return: float32[..., dim]."""
        if not self.fused:
            return rows_from_entries(index, self.codes, self.codebooks, self.count, self.size, self.additive)
        rows: Tensor = torch.ops.edgeemb.codebook_lookup(index, self.codes, self.codebooks, self.additive)
        return rows


class NgramRows(nn.Module):
    """Rows computed from the bytes of tokens.

    :param table: the table.
    :param node: the lookup.
    :param fused: keep it as one op.
    """

    tokens: Tensor
    starts: Tensor
    seeds: Tensor
    bases: Tensor

    def __init__(self, table: Table, node: NgramLookup, fused: bool) -> None:
        super().__init__()
        self.node = node
        self.fused = fused
        for name in ("tokens", "starts", "seeds", "bases"):
            _attach(self, name, table.arrays[getattr(node, name)])

    def forward(self, index: Tensor) -> Tensor:
        """:param index: int64[...]. :return: float32[..., dim]."""
        lookup = torch.ops.edgeemb.ngram_lookup if self.fused else ngram_lookup
        constants = (self.tokens, self.starts, self.seeds, self.bases)
        rows: Tensor = lookup(index, *constants, self.node.n, self.node.longest)
        return rows


#: Makes the module of a fused lookup: how a runtime brings ops of its own.
Lookups = Callable[[Table, Lookup], nn.Module]


def _rows(table: Table, node: Lookup, fused: bool) -> nn.Module:
    match node:
        case QuantizedLookup():
            return QuantizedRows(table, node, fused)
        case CodebookLookup():
            return CodebookRows(table, node, fused)
        case NgramLookup():
            return NgramRows(table, node, fused)


def portable(table: Table, node: Lookup) -> nn.Module:
    """The `Lookups` of plain torch.

    :param table: the table.
    :param node: one of its lookups.
    """
    return _rows(table, node, False)


def fused(table: Table, node: Lookup) -> nn.Module:
    """The `Lookups` of our ops, one node each.

    :param table: the table.
    :param node: one of its lookups.
    """
    return _rows(table, node, True)


class TableModule(nn.Module):
    """A compressed table in the place of an `nn.Embedding`.

    Float arrays are parameters (without gradient until one is requested), integer arrays are buffers. Ids out of bounds raise
    IndexError.

    :param table: the table.
    :param lookups: how fused lookups are computed.
    :raises ExportError: if the program has a node that torch has no translation for.
    """

    def __init__(self, table: Table, lookups: Lookups = portable) -> None:
        super().__init__()
        self.program = table.program
        self.num_embeddings, self.embedding_dim = table.shape
        self.parts = nn.ModuleDict()
        self.arrays = nn.Module()
        self._keys: dict[Node, str] = {}
        for node in walk(table.program):
            if isinstance(node, Lookup) and node not in self._keys:
                self._keys[node] = f"lookup{len(self._keys)}"
                self.parts[self._keys[node]] = lookups(table, node)
            elif isinstance(node, MatMul):
                # F.linear needs the matrix transposed, in float32 and as a constant, or a delegate would not take it.
                matrix = np.asarray(table.arrays[node.array], np.float32)
                _attach(self.arrays, _name(node.array), matrix.T)
            elif isinstance(node, Gather | Take):
                _attach(self.arrays, _name(node.array), table.arrays[node.array])
        self.checks = not _checks_ids(table)

    @property
    def weight(self) -> Tensor:
        """A tensor of the shape and type of the table, without values: models read these of their layers."""
        return torch.empty((self.num_embeddings, self.embedding_dim), device="meta")

    def forward(self, ids: Tensor) -> Tensor:
        """:param ids: int32 or int64[...], each in [0, V). :return: float32[..., D]."""
        if self.checks:
            # A lookup over V zeros made on the spot, which refuses ids that a modulo or a clip would hide.
            zeros = torch.zeros((self.num_embeddings, 1), dtype=torch.uint8)
            ids = ids + nn.functional.embedding(ids, zeros).squeeze(-1).to(ids.dtype)
        return self._run(self.program, ids)

    def array(self, name: str) -> Tensor:
        """A stored array that is read as it is; a matrix comes transposed, in float32.

        :param name: its name in the table.
        """
        array: Tensor = getattr(self.arrays, _name(name))
        return array

    def part(self, node: Lookup) -> nn.Module:
        """The module of one of the program's lookups.

        :param node: the lookup.
        """
        return self.parts[self._keys[node]]

    def _run(self, node: Node, ids: Tensor) -> Tensor:
        match node:
            case Ids():
                return ids
            case Take(array, index):
                taken = self.array(array).reshape(-1, 1)
                return nn.functional.embedding(self._run(index, ids), taken).squeeze(-1).to(torch.int64)
            case Modulo(index, divisor):
                return torch.remainder(self._run(index, ids), divisor)
            case Divide(index, divisor):
                return torch.div(self._run(index, ids), divisor, rounding_mode="floor")
            case Clip(index, offset, count):
                return torch.clamp(self._run(index, ids) - offset, 0, count - 1)
            case Gather(array, index):
                return nn.functional.embedding(self._run(index, ids), self.array(array)).to(torch.float32)
            case QuantizedLookup() | CodebookLookup() | NgramLookup():
                rows: Tensor = self.parts[self._keys[node]](self._run(node.index, ids))
                return rows
            case Add(left, right):
                return self._run(left, ids) + self._run(right, ids)
            case Multiply(left, right):
                return self._run(left, ids) * self._run(right, ids)
            case MatMul(rows_node, array):
                return nn.functional.linear(self._run(rows_node, ids), self.array(array))
            case BatchMatMul(left, right, inner):
                tall, wide = self._run(left, ids), self._run(right, ids)
                tall = tall.reshape(*tall.shape[:-1], tall.shape[-1] // inner, inner)
                wide = wide.reshape(*wide.shape[:-1], inner, wide.shape[-1] // inner)
                return torch.matmul(tall, wide).flatten(-2)
            case Concat(parts):
                return torch.cat([self._run(part, ids) for part in parts], dim=-1)
            case Select(index, bound, below, other):
                chosen = (self._run(index, ids) < bound).unsqueeze(-1)
                return torch.where(chosen, self._run(below, ids), self._run(other, ids))
        raise ExportError(
            f"torch has no translation of the lookup node '{type(node).__name__}': use another codec"
        )


def _checks_ids(table: Table) -> bool:
    """Whether the ids themselves index an array of V rows, whose lookup refuses those out of bounds."""
    for node in walk(table.program):
        match node:
            case Gather(array, Ids()) | Take(array, Ids()) if len(table.arrays[array]) == table.shape[0]:
                return True
            case QuantizedLookup(index=Ids(), codes=codes) | CodebookLookup(index=Ids(), codes=codes):
                return len(table.arrays[codes]) == table.shape[0]
            case NgramLookup(index=Ids(), starts=starts):
                return len(table.arrays[starts]) == table.shape[0] + 1
            case _:
                continue
    return False


def _name(array: str) -> str:
    return array.replace(".", "_")


def _attach(module: nn.Module, name: str, array: NDArray[Any]) -> None:
    """Give a module a stored array: a parameter if it holds floats, else a buffer."""
    tensor = torch.from_numpy(np.ascontiguousarray(array).copy())
    if tensor.is_floating_point():
        module.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
    else:
        module.register_buffer(name, tensor)

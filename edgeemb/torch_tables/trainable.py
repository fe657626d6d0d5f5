"""A trainable compressed table, whatever its codec.

`edgeemb.torch_tables.module.TableModule` evaluates any lookup program with gradients; here its float arrays become parameters. An array that is stored in
float16 is rounded to it in every forward pass, and quantised codes are recomputed from a float shadow, both straight through. So the
rows of a forward pass are those of the table that `TrainableTable.fitted` gives at that moment, and there is no conversion between training
and export.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edgeemb.errors import TrainingError
from edgeemb.tables import Table
from edgeemb.tables.program import (
    ZERO_POINT,
    CodebookLookup,
    Gather,
    Ids,
    Lookup,
    MatMul,
    NgramLookup,
    QuantizedLookup,
    pack_codes,
    run,
    unpack_codes,
    walk,
)
from edgeemb.torch_tables.module import TableModule
from edgeemb.torch_tables.rounding import Half, half_through, round_through

Arrays = dict[str, NDArray[Any]]


class QuantizedShadow(nn.Module):
    """A packed table as float rows that are quantised whenever they are read.

    The gradient of a scale follows Esser et al. 2020, "Learned step size quantization" (arXiv 1902.08153): it results from dividing and
    multiplying by the scale around the rounding. A scale is trained as a factor of its initial value, which keeps its sign and suits one learning
    rate to all of them.

    :param table: the table.
    :param node: the lookup.
    :param weight: float32[V, D], the rows that the table was fitted to: where one has the stored codes, it is where its shadow begins.
    """

    base: Tensor

    def __init__(self, table: Table, node: QuantizedLookup, weight: NDArray[np.float32] | None) -> None:
        super().__init__()
        self.node = node
        scales = table.arrays[node.scales]
        self.stored = scales.dtype
        count = len(scales)
        self.blocks = node.dim // node.block
        self.register_buffer("base", torch.from_numpy(scales.astype(np.float32)))
        self.growth = nn.Parameter(torch.zeros_like(self.base))
        width = -(-node.dim // (8 // node.bits))
        codes = unpack_codes(table.arrays[node.codes].reshape(count, node.planes, width), node.bits, node.dim)
        levels = codes.astype(np.float32) - np.float32(ZERO_POINT[node.bits])
        wide = scales.astype(np.float32).reshape(count, node.planes, self.blocks, 1)
        rows = (levels.reshape(count, node.planes, self.blocks, node.block) * wide).reshape(count, -1)
        if weight is not None and node.planes == 1 and node.dim == weight.shape[1]:
            ids = np.arange(table.shape[0])
            index = np.asarray(run(node.index, table.arrays, ids))
            candidate = np.array(rows)
            candidate[index] = weight
            same = (
                self._codes(torch.from_numpy(candidate), self._scales(self.base)).numpy()
                == codes.reshape(count, -1)
            ).all(1)
            rows[same] = candidate[same]
        self.rows = nn.Parameter(torch.from_numpy(rows))

    def forward(self, index: Tensor) -> Tensor:
        """:param index: int64[n]. :return: float32[n, dim]."""
        node = self.node
        taken = nn.functional.embedding(index, self.rows)
        scales = self._scales(
            nn.functional.embedding(index, self.base) * (1 + nn.functional.embedding(index, self.growth))
        )
        levels = self._codes(taken, scales) - ZERO_POINT[node.bits]
        values = levels.view(-1, node.planes, self.blocks, node.block) * scales.view(
            -1, node.planes, self.blocks, 1
        )
        values = values.reshape(*index.shape, node.planes, node.dim)
        total = values[..., 0, :]
        for plane in range(1, node.planes):
            total = total + values[..., plane, :]
        return total

    def _scales(self, scales: Tensor) -> Tensor:
        return half_through(scales) if self.stored == np.float16 else scales

    def _codes(self, rows: Tensor, scales: Tensor) -> Tensor:
        """Codes float32[n, planes * dim], by the arithmetic of `edgeemb.tables.codecs.quantized`."""
        node = self.node
        there = (scales != 0).to(scales.dtype)
        inverse = there / torch.where(scales != 0, scales, torch.ones_like(scales))
        wide = rows.view(-1, node.planes, self.blocks, node.block) * inverse.view(
            -1, node.planes, self.blocks, 1
        )
        codes = round_through((wide + ZERO_POINT[node.bits]).clamp(0, 2**node.bits - 1))
        return codes.reshape(rows.shape)

    def arrays(self) -> Arrays:
        """Codes and scales as they are stored."""
        node = self.node
        with torch.no_grad():
            scales = self._scales(self.base * (1 + self.growth))
            codes = self._codes(self.rows, scales).to(torch.uint8).cpu().numpy()
        packed = pack_codes(codes.reshape(len(codes), node.planes, node.dim), node.bits)
        stored = _stored(scales, self.stored, "a scale")
        return {node.codes: packed.reshape(len(codes), -1), node.scales: stored}


class TrainableCodebooks(nn.Module):
    """Codebooks that learn, read by codes that stay.

    :param table: the table.
    :param node: the lookup.
    """

    codes: Tensor
    books: Tensor

    def __init__(self, table: Table, node: CodebookLookup) -> None:
        super().__init__()
        self.node = node
        books = table.arrays[node.codebooks]
        self.stored = books.dtype
        starts = np.arange(0, books.shape[0] * books.shape[1], books.shape[1])
        self.register_buffer("codes", torch.from_numpy(table.arrays[node.codes] + starts))
        self.books = nn.Parameter(torch.from_numpy(books.astype(np.float32)))
        _keep_stored(self, "books", self.stored)

    def forward(self, index: Tensor) -> Tensor:
        """:param index: int64[n]. :return: float32[n, dim]."""
        parts = nn.functional.embedding(nn.functional.embedding(index, self.codes), self.books.flatten(0, 1))
        if not self.node.additive:
            return parts.flatten(-2)
        total = parts[..., 0, :]
        for part in range(1, parts.shape[-2]):
            total = total + parts[..., part, :]
        return total

    def arrays(self) -> Arrays:
        """Codebooks as they are stored."""
        return {self.node.codebooks: _stored(self.books, self.stored, "a codeword")}


class FixedRows(nn.Module):
    """Rows that nothing stored decides, computed once for all tokens: hashes of n-grams.

    :param table: the table.
    :param node: the lookup.
    """

    rows: Tensor

    def __init__(self, table: Table, node: NgramLookup) -> None:
        super().__init__()
        count = len(table.arrays[node.starts]) - 1
        # The lookup's own index is applied outside of this module: here each row is asked for by its own number.
        values = run(replace(node, index=Ids()), table.arrays, np.arange(count))
        self.register_buffer("rows", torch.from_numpy(np.ascontiguousarray(values)), persistent=False)

    def forward(self, index: Tensor) -> Tensor:
        """:param index: int64[n]. :return: float32[n, dim]."""
        return nn.functional.embedding(index, self.rows)

    def arrays(self) -> Arrays:
        """Nothing: all stored arrays are constants."""
        return {}


class TrainableTable(nn.Module):
    """A compressed table in place of an `nn.Embedding`, with all its floats as parameters.

    :param table: where it begins.
    :param weight: float32[V, D], the rows that the table was fitted to, or None.
    """

    def __init__(self, table: Table, weight: NDArray[np.float32] | None = None) -> None:
        super().__init__()
        self.start = table
        self.num_embeddings, self.embedding_dim = table.shape
        made: dict[str, nn.Module] = {}

        def lookups(_: Table, node: Lookup) -> nn.Module:
            # Two lookups may read the same arrays by different indices: they learn as one.
            first = node.starts if isinstance(node, NgramLookup) else node.codes
            if first not in made:
                made[first] = _lookup(table, node, weight)
            return made[first]

        self.table = TableModule(table, lookups)
        # Ids come from the model's own tokenizer.
        self.table.checks = False
        for name, parameter in list(self.table.arrays.named_parameters()):
            stored = self._stored_type(name)
            setattr(self.table.arrays, name, nn.Parameter(parameter.detach().float()))
            _keep_stored(self.table.arrays, name, stored)

    @property
    def weight(self) -> Tensor:
        """A tensor of the shape and type of the table, without values."""
        return self.table.weight

    def _stored_type(self, name: str) -> np.dtype[Any]:
        for array, values in self.start.arrays.items():
            if array.replace(".", "_") == name:
                return values.dtype
        raise TypeError(f"no array {name}")

    def forward(self, ids: Tensor) -> Tensor:
        """:param ids: int64[...], each in [0, V). :return: float32[..., D]."""
        distinct, place = torch.unique(ids, return_inverse=True)
        with torch.autocast(ids.device.type, enabled=False):
            rows: Tensor = self.table(distinct)
        return nn.functional.embedding(place, rows)

    def fitted(self) -> Table:
        """The table as it would be stored now.

        :raises TrainingError: if a value has grown out of what its type holds.
        """
        arrays = dict(self.start.arrays)
        for part in self.table.parts.children():
            assert isinstance(part, (QuantizedShadow, TrainableCodebooks, FixedRows))
            arrays |= part.arrays()
        for node in walk(self.start.program):
            if isinstance(node, (Gather, MatMul)) and arrays[node.array].dtype.kind == "f":
                held = getattr(self.table.arrays, node.array.replace(".", "_"))
                held = held.T if isinstance(node, MatMul) else held
                arrays[node.array] = _stored(held, arrays[node.array].dtype, f"array {node.array}")
        return replace(self.start, arrays=arrays)


def _lookup(
    table: Table,
    node: Lookup,
    weight: NDArray[np.float32] | None,
) -> nn.Module:
    if isinstance(node, QuantizedLookup):
        return QuantizedShadow(table, node, weight)
    if isinstance(node, CodebookLookup):
        return TrainableCodebooks(table, node)
    return FixedRows(table, node)


def _keep_stored(module: nn.Module, name: str, stored: np.dtype[Any]) -> None:
    if stored == np.float16:
        parametrize.register_parametrization(module, name, Half())


def _stored(values: Tensor, stored: np.dtype[Any], what: str) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(values.detach().cpu().numpy()).astype(stored)
    if not np.isfinite(array).all():
        raise TrainingError(f"{what} of the table has grown beyond {stored}: train with a smaller `table_lr`")
    return array

"""`nn.EmbeddingBag` as lookups and sums, which every runtime has: its rows are then a table like any other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.errors import ModelError


class Bag(nn.Module):
    """What an `nn.EmbeddingBag` computes, from rows that are looked up one by one.

    :param bag: the layer; its weight is shared.
    """

    def __init__(self, bag: nn.EmbeddingBag) -> None:
        super().__init__()
        self.rows = nn.Embedding(bag.num_embeddings, bag.embedding_dim, _weight=bag.weight)
        self.mode = bag.mode
        self.padding_idx = bag.padding_idx
        self.include_last_offset = bag.include_last_offset

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """Sum, average or take the maximum of the rows of each bag; a bag without ids gives zeros.

        :param input: int64[batch, ids]; or int64[ids], with `offsets`.
        :param offsets: int64[batch], where each bag begins in `input`.
        :param per_sample_weights: float32 of the shape of `input`, factors of the rows of a sum.
        :return: float32[batch, dim].
        """
        rows = self.rows(input)
        weights = torch.ones_like(input, dtype=rows.dtype)
        if self.padding_idx is not None:
            weights = (input != self.padding_idx).to(rows.dtype)
        if offsets is not None:
            inside = self._inside(input, offsets)
            counted = inside.to(rows.dtype) * weights[None, :]
            if self.mode == "max":
                return _largest(rows[None, :, :].expand(len(offsets), -1, -1), counted)
            factors = counted if per_sample_weights is None else counted * per_sample_weights[None, :]
            return self._mean(factors @ rows, counted)
        if self.mode == "max":
            return _largest(rows, weights)
        factors = weights if per_sample_weights is None else weights * per_sample_weights
        return self._mean((rows * factors[:, :, None]).sum(dim=1), weights)

    def _inside(self, ids: Tensor, offsets: Tensor) -> Tensor:
        """bool[batch, ids]: which ids are in which bag."""
        places = torch.arange(ids.shape[0], device=ids.device)
        if self.include_last_offset:
            return (places >= offsets[:-1, None]) & (places < offsets[1:, None])
        begun = places >= offsets[:, None]
        return begun & ~torch.cat([begun[1:], torch.zeros_like(begun[:1])])

    def _mean(self, total: Tensor, counted: Tensor) -> Tensor:
        return total / counted.sum(dim=1, keepdim=True).clamp(min=1) if self.mode == "mean" else total


def _largest(rows: Tensor, counted: Tensor) -> Tensor:
    """The maximum along the second axis over rows that count; zeros where none does."""
    there = counted > 0
    masked = torch.where(there[:, :, None], rows, torch.full_like(rows, torch.finfo(rows.dtype).min))
    return masked.amax(dim=1) * there.any(dim=1, keepdim=True).to(rows.dtype)


def replace_bags(module: nn.Module) -> nn.Module:
    """Put lookups in the place of every `nn.EmbeddingBag` of a module.

    :param module: the module, which is changed.
    :return: the module; what stands for it where it is a bag itself.
    :raises ModelError: if a bag changes its rows while they are read, or scales them by how often they occur.
    """
    made: dict[int, nn.Module] = {}

    def lookup(bag: nn.EmbeddingBag, path: str) -> nn.Module:
        if bag.max_norm is not None:
            raise ModelError(
                f"table {path or 'weight'} has max_norm, which changes rows as they are read: remove it"
            )
        return made.setdefault(id(bag), Bag(bag))

    if isinstance(module, nn.EmbeddingBag):
        return lookup(module, "")
    parents: list[tuple[str, Any]] = list(module.named_modules())
    for path, parent in parents:
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.EmbeddingBag):
                setattr(parent, name, lookup(child, f"{path}.{name}".strip(".")))
    return module

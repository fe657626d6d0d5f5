"""A static model as a torch module, for the formats that are made from one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgeemb.models.base import LoadedModel
from edgeemb.models.static.graph import TINY, StaticWeights
from edgeemb.models.torch.model import Model

if TYPE_CHECKING:
    from edgeemb.models.static.model import StaticModel


class StaticEncoder(nn.Module):
    """The mean of the rows of the tokens that count.

    :param held: the arrays.
    """

    mapping: Tensor | None
    weights: Tensor | None

    def __init__(self, held: StaticWeights) -> None:
        super().__init__()
        rows, dim = held.embeddings.shape
        self.embeddings = nn.Embedding(rows, dim, _weight=torch.from_numpy(held.embeddings.copy()))
        self.embeddings.requires_grad_(False)
        mapping = held.stored_mapping
        self.register_buffer("mapping", None if mapping is None else torch.from_numpy(mapping))
        self.register_buffer("weights", None if held.weights is None else torch.from_numpy(held.weights))
        self.unknown = held.unknown
        self.normalize = held.normalize

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """One vector per text.

        :param input_ids: int64[batch, length].
        :param attention_mask: int64[batch, length], 1 where a token is.
        :return: float32[batch, D].
        """
        counted = attention_mask.to(torch.float32)
        if self.unknown is not None:
            counted = counted * (input_ids != self.unknown).to(torch.float32)
        factors = counted if self.weights is None else counted * self.weights[input_ids].to(torch.float32)
        rows = self.embeddings(input_ids if self.mapping is None else self.mapping[input_ids].to(torch.int64))
        total = (factors[:, :, None] * rows).sum(dim=1)
        mean: Tensor = total / counted.sum(dim=1, keepdim=True).clamp(min=1.0)
        if not self.normalize:
            return mean
        length: Tensor = (mean * mean).sum(dim=1, keepdim=True).sqrt().clamp(min=TINY)
        return mean / length


def static_module(model: StaticModel) -> Model:
    """A static model as a torch model; its table keeps its alias.

    :param model: the static model.
    """
    encoder = StaticEncoder(model.held).eval()
    ids = torch.arange(16).reshape(2, 8) % model.held.ids
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    fields = {name: getattr(model, name) for name in LoadedModel.__dataclass_fields__}
    fields["tables"] = tuple(replace(table, name="embeddings.weight") for table in model.tables)
    return Model(**fields, module=encoder, example_inputs=(ids, mask))

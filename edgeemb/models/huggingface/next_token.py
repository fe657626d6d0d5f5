"""A causal language model as a torch module: the logits of the token after a text, and of no other place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.models.huggingface.modules import body_inputs


class LastPlace(nn.Module):
    """A layer that is computed for the last token of each text alone.

    :param layer: an output layer.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        # No tensor of the module: it is another for each call.
        self._weights: Callable[[], Tensor] | None = None

    def of(self, mask: Tensor) -> None:
        """Say which tokens there are, for the next call.

        :param mask: float32[batch, length], 1 for a token and 0 for padding.
        """
        position = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        last = position == mask.sum(dim=1, keepdim=True).to(torch.int64)
        weights = last.to(mask.dtype)[:, :, None]
        self._weights = lambda: weights

    def forward(self, hidden: Tensor) -> Tensor:
        """:param hidden: float32[batch, length, dim]. :return: float32[batch, 1, outputs]."""
        assert self._weights is not None
        # A sum with a single non-zero weight needs no gather.
        found: Tensor = self.layer((hidden * self._weights()).sum(dim=1, keepdim=True))
        return found


class NextToken(nn.Module):
    """A causal language model: ids and mask in, the logits of the token after each text out.

    :param body: a transformers model whose output has ``logits``. Its output layer is put into a `LastPlace`.
    :param takes_types: whether the body has a table of token types.
    :param added_mask: see `body_inputs`.
    """

    def __init__(self, body: Any, takes_types: bool, added_mask: bool) -> None:
        super().__init__()
        self.last = LastPlace(body.get_output_embeddings())
        body.set_output_embeddings(self.last)
        self.body = body
        self.takes_types = takes_types
        self.added_mask = added_mask

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Continue a batch of texts.

        :param input_ids: int64[batch, length].
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :return: float32[batch, vocabulary].
        """
        mask = attention_mask.to(torch.float32)
        self.last.of(mask)
        logits: Tensor = self.body(
            **body_inputs(input_ids, mask, self.takes_types, added_mask=self.added_mask)
        ).logits
        return logits[:, 0]

"""Torch modules around a transformer body: ids and mask in, one vector (or one row of logits) per text out.

Everything from the ids to the pooled and normalised vector is inside ``forward``, so that exporting the
module exports the whole model. Text is expected to be padded on the right, which is what edgeemb's sessions
do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgeemb.models.base import POOLING_MODES

# Added to the attention score of a padded token. exp() of it is zero in float32 for any sane score; it fits
# float16 and does not stretch an int8 activation range the way finfo.min would; a row that is all padding
# stays finite.
MASKED = -1e4


class Pooling(nn.Module):
    """One vector per text from its token vectors, in the modes of sentence-transformers' ``Pooling``.

    :param modes: names from ``POOLING_MODES``; several are concatenated along the last axis, in this order.
    :raises ValueError: if there is no mode, or an unknown one.
    """

    def __init__(self, modes: Sequence[str]) -> None:
        super().__init__()
        unknown = [mode for mode in modes if mode not in POOLING_MODES]
        if unknown or not modes:
            raise ValueError(f"unknown pooling {unknown}, known are {', '.join(POOLING_MODES)}")
        self.modes = tuple(modes)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Pool over the tokens that count.

        :param hidden: float32[batch, length, dim], the token vectors.
        :param mask: float32[batch, length], 1 for a token and 0 for padding.
        :return: float32[batch, dim * number of modes].
        """
        return torch.cat([self._pool(mode, hidden, mask) for mode in self.modes], dim=1)

    @staticmethod
    def _pool(mode: str, hidden: Tensor, mask: Tensor) -> Tensor:
        if mode == "cls":
            return hidden[:, 0]
        if mode == "max":
            return hidden.masked_fill(mask[:, :, None] == 0, MASKED).amax(dim=1)
        if mode == "mean":
            return _weighted_sum(hidden, mask) / _total(mask)
        if mode == "mean_sqrt_len_tokens":
            return _weighted_sum(hidden, mask) / _total(mask).sqrt()
        position = torch.arange(1, hidden.shape[1] + 1, device=mask.device)
        if mode == "weightedmean":  # https://arxiv.org/abs/2202.08904: later tokens weigh more
            weights = mask * position.to(mask.dtype)
            return _weighted_sum(hidden, weights) / _total(weights)
        # lasttoken: a sum with a single non-zero weight needs no gather, and is zero for a text without
        # tokens.
        last = position == mask.sum(dim=1, keepdim=True).to(torch.int64)
        return _weighted_sum(hidden, last.to(hidden.dtype))


def _weighted_sum(hidden: Tensor, weights: Tensor) -> Tensor:
    return (hidden * weights[:, :, None]).sum(dim=1)


def _total(weights: Tensor) -> Tensor:
    return weights.sum(dim=1, keepdim=True).clamp(min=1e-9)


class Normalize(nn.Module):
    """Scales each row to length 1 (L2)."""

    def forward(self, vectors: Tensor) -> Tensor:
        """:param vectors: float32[..., dim]. :return: float32[..., dim], zero rows unchanged."""
        return nn.functional.normalize(vectors, p=2.0, dim=-1)


class Dense(nn.Module):
    """A dense layer, perhaps with a residual path: what goes past it is added to what comes out.

    :param linear: the layer.
    :param activation: what follows it.
    :param beside: what the input goes through past the layer; None where there is no such path.
    """

    def __init__(self, linear: nn.Linear, activation: nn.Module, beside: nn.Module | None) -> None:
        super().__init__()
        self.linear = linear
        self.activation = activation
        self.beside = beside

    def forward(self, vectors: Tensor) -> Tensor:
        """:param vectors: float32[..., inputs]. :return: float32[..., outputs]."""
        result: Tensor = self.activation(self.linear(vectors))
        return result if self.beside is None else result + self.beside(vectors)


class FirstElements(nn.Module):
    """Keeps the first elements of each row.

    :param count: how many.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, vectors: Tensor) -> Tensor:
        """:param vectors: float32[batch, dim]. :return: float32[batch, count]."""
        return vectors[:, : self.count]


class SentenceEncoder(nn.Module):
    """A transformer body, pooling, and what follows it: ids and mask in, sentence vectors out.

    :param body: a transformers encoder without a pooler; its output has ``last_hidden_state``.
    :param pooling: how token vectors become one vector.
    :param head: dense layers and normalisation after the pooling; may be empty.
    :param takes_types: whether the body has a table of token types.
    :param added_mask: see `body_inputs`.
    """

    def __init__(
        self,
        body: nn.Module,
        pooling: Pooling,
        head: nn.Sequential,
        takes_types: bool,
        added_mask: bool = True,
    ) -> None:
        super().__init__()
        self.body = body
        self.pooling = pooling
        self.head = head
        self.takes_types = takes_types
        self.added_mask = added_mask

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embed a batch of texts.

        :param input_ids: int64[batch, length]; or rows, see `body_inputs`.
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :return: float32[batch, dim].
        """
        mask = attention_mask.to(torch.float32)
        output = self.body(**body_inputs(input_ids, mask, self.takes_types, added_mask=self.added_mask))
        vectors: Tensor = self.head(self.pooling(output.last_hidden_state, mask))
        return vectors


class TextTower(nn.Module):
    """A transformer that makes one vector per text itself, such as the text half of CLIP.

    :param body: a transformers model.
    :param vector: which of its outputs is the vector.
    :param head: what follows it; may be empty.
    :param reads_padding: whether it reads the padding of a text like its tokens, so that it gets no mask.
    """

    def __init__(self, body: nn.Module, vector: str, head: nn.Sequential, reads_padding: bool) -> None:
        super().__init__()
        self.body = body
        self.vector = vector
        self.head = head
        self.reads_padding = reads_padding

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embed a batch of texts.

        :param input_ids: int64[batch, length].
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :return: float32[batch, dim].
        """
        if self.reads_padding:
            # The mask stays an input of the graph, as every text model has one: a text's first place is always a token.
            vectors = getattr(self.body(input_ids=input_ids), self.vector) * attention_mask[:, :1]
        else:
            vectors = getattr(self.body(input_ids=input_ids, attention_mask=attention_mask), self.vector)
        result: Tensor = self.head(vectors)
        return result


class SequenceClassifier(nn.Module):
    """A transformers sequence classifier: ids and mask in, logits out.

    :param body: a transformers model whose output has ``logits``.
    :param takes_types: whether the body has a table of token types.
    :param added_mask: see `body_inputs`.
    """

    def __init__(self, body: nn.Module, takes_types: bool, added_mask: bool = True) -> None:
        super().__init__()
        self.body = body
        self.takes_types = takes_types
        self.added_mask = added_mask

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Classify a batch of texts, or of pairs of texts.

        :param input_ids: int64[batch, length]; or rows, see `body_inputs`.
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :param token_type_ids: int64[batch, length], 0 for tokens of the first text and 1 for those of the second; None for single texts.
        :return: float32[batch, classes], before any softmax.
        """
        mask = attention_mask.to(torch.float32)
        inputs = body_inputs(input_ids, mask, self.takes_types, token_type_ids, added_mask=self.added_mask)
        logits: Tensor = self.body(**inputs).logits
        return logits


class TokenModel(nn.Module):
    """A transformer whose outputs have a row per token: labels of tokens, the ends of an answer, the words of masked places.

    :param body: a transformers model.
    :param outputs: names of its outputs.
    :param takes_types: whether the body has a table of token types.
    :param added_mask: see `body_inputs`.
    """

    def __init__(self, body: nn.Module, outputs: Sequence[str], takes_types: bool, added_mask: bool) -> None:
        super().__init__()
        self.body = body
        self.outputs = tuple(outputs)
        self.takes_types = takes_types
        self.added_mask = added_mask

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Run a batch of texts, or of pairs of texts.

        :param input_ids: int64[batch, length].
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :param token_type_ids: int64[batch, length], the type of each token; None for single texts.
        :return: one float32[batch, length, ...] per output.
        """
        mask = attention_mask.to(torch.float32)
        inputs = body_inputs(input_ids, mask, self.takes_types, token_type_ids, added_mask=self.added_mask)
        found = self.body(**inputs)
        return tuple(getattr(found, name) for name in self.outputs)


class SparseEncoder(nn.Module):
    """A masked language model whose logits become one weight per token of the vocabulary: SPLADE (https://arxiv.org/abs/2109.10086).

    :param body: a transformers model whose output has ``logits``.
    :param pooling: ``max`` or ``sum`` over the tokens of a text.
    :param logarithms: how often log(1 + x) is taken of the positive logits: once, or twice (https://arxiv.org/abs/2504.14839).
    :param takes_types: whether the body has a table of token types.
    :param added_mask: see `body_inputs`.
    """

    def __init__(
        self, body: nn.Module, pooling: str, logarithms: int, takes_types: bool, added_mask: bool
    ) -> None:
        super().__init__()
        self.body = body
        self.pooling = pooling
        self.logarithms = logarithms
        self.takes_types = takes_types
        self.added_mask = added_mask

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Weigh the vocabulary for a batch of texts.

        :param input_ids: int64[batch, length].
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :return: float32[batch, vocabulary], nowhere negative.
        """
        mask = attention_mask.to(torch.float32)
        inputs = body_inputs(input_ids, mask, self.takes_types, added_mask=self.added_mask)
        weights: Tensor = torch.relu(self.body(**inputs).logits * mask[:, :, None])
        if self.pooling == "max":
            # The logarithm grows with its argument: the largest logit has the largest weight.
            return self._logarithm(weights.amax(dim=1))
        return self._logarithm(weights).sum(dim=1)

    def _logarithm(self, weights: Tensor) -> Tensor:
        for _ in range(self.logarithms):
            weights = torch.log1p(weights)
        return weights


class TokenEncoder(nn.Module):
    """A vector per token, for models that compare texts token by token (ColBERT).

    :param body: a transformers encoder; its output has ``last_hidden_state``.
    :param head: dense layers and normalisation of each token's vector.
    :param takes_types: whether the body has a table of token types.
    :param added_mask: see `body_inputs`.
    """

    def __init__(self, body: nn.Module, head: nn.Sequential, takes_types: bool, added_mask: bool) -> None:
        super().__init__()
        self.body = body
        self.head = head
        self.takes_types = takes_types
        self.added_mask = added_mask

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embed the tokens of a batch of texts.

        :param input_ids: int64[batch, length].
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :return: float32[batch, length, dim].
        """
        mask = attention_mask.to(torch.float32)
        output = self.body(**body_inputs(input_ids, mask, self.takes_types, added_mask=self.added_mask))
        vectors: Tensor = self.head(output.last_hidden_state)
        return vectors


def body_inputs(
    input_ids: Tensor,
    mask: Tensor,
    takes_types: bool,
    types: Tensor | None = None,
    *,
    added_mask: bool = True,
) -> dict[str, Tensor]:
    """What a transformers body is called with.

    :param input_ids: int64[batch, length]; or float32[batch, length, dim], rows that were looked up before.
    :param mask: float32[batch, length], 1 for a token and 0 for padding.
    :param takes_types: whether the body has a table of token types.
    :param types: int64[batch, length], the type of each token; None for type 0 throughout.
    :param added_mask: whether the body takes a mask that is added to its scores; if not, it makes its own of the mask of tokens.
    """
    given = "input_ids" if input_ids.dim() == 2 else "inputs_embeds"
    # transformers uses a four-dimensional mask as it is: added to float32[batch, heads, length, length]
    # scores.
    passed = (1.0 - mask)[:, None, None, :] * MASKED if added_mask else mask
    inputs = {given: input_ids, "attention_mask": passed}
    if takes_types and types is not None:
        inputs["token_type_ids"] = types
    elif takes_types:
        # One type row per text is broadcast over its tokens; its id depends on the input so that exporters
        # keep the lookup instead of folding the table away.
        like = input_ids if input_ids.dim() == 2 else mask
        inputs["token_type_ids"] = torch.zeros_like(like[:, :1], dtype=torch.int64)
    return inputs

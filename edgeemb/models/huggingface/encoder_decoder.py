"""Classifiers with an encoder and a decoder (BART, https://arxiv.org/abs/1910.13461; T5): both read the text, and the decoder's row of its last token
is classified.

transformers' classes look that row up by the tokens that end a text, and stop where a batch has texts without one; here it is a sum, which every
runtime has.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.models.huggingface.modules import body_inputs


def is_encoder_decoder_classifier(body: Any) -> bool:
    """Whether a transformer is a classifier of texts that its decoder has read.

    :param body: a transformers model.
    """
    return bool(getattr(body.config, "is_encoder_decoder", False)) and hasattr(body, "classification_head")


class EncoderDecoderClassifier(nn.Module):
    """Ids and mask in, logits out.

    :param body: a transformers model with a ``classification_head``.
    """

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body
        config = body.config
        end = config.eos_token_id
        self.end = int(end[0] if isinstance(end, list) else end)
        start = getattr(config, "decoder_start_token_id", None)
        self.start = int(self.end if start is None else start)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Classify a batch of texts, or of pairs of texts.

        :param input_ids: int64[batch, length].
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :param token_type_ids: not read: no such model has types.
        :return: float32[batch, classes], before any softmax.
        """
        mask = attention_mask.to(torch.float32)
        # The decoder reads each token one place later. What comes after the end of a text is seen by nothing before it.
        shifted = torch.cat([torch.full_like(input_ids[:, :1], self.start), input_ids[:, :-1]], dim=1)
        inputs = body_inputs(input_ids, mask, False, added_mask=False)
        rows = self.body.base_model(**inputs, decoder_input_ids=shifted).last_hidden_state
        places = torch.arange(1, input_ids.shape[1] + 1, device=mask.device)
        ends = places * (input_ids == self.end).to(torch.int64) * attention_mask
        last = (places == ends.amax(dim=1, keepdim=True)).to(rows.dtype)
        logits: Tensor = self.body.classification_head((rows * last[:, :, None]).sum(dim=1))
        return logits

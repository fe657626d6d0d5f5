"""Whether the padding of a text changes what a model gives for it: then a batch would change the vectors of its texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.errors import ModelError

#: The largest difference that rounding makes, of the largest value.
_TOLERANCE = 1e-3


def check_padding(
    module: nn.Module, examples: tuple[Tensor, ...], filler: int, root: Path, kind: str
) -> None:
    """Refuse a model that computes something else for a text with padding after it: one that reads across places by convolutions, by sums over all
    of them or the like.

    :param module: the model.
    :param examples: its inputs, of which the last text has padding after it: first the ids, then the mask.
    :param filler: the id of padding.
    :param root: its folder, for the error.
    :param kind: its ``model_type``.
    :raises ModelError: if it does.
    """
    ids, mask, *others = (example[-1:] for example in examples)
    count = int(mask.sum())
    padded = (torch.where(mask == 1, ids, filler), mask, *others)
    with torch.no_grad():
        found = _outputs(module, padded)
        alone = _outputs(module, tuple(example[:, :count] for example in padded))
    for one, other in zip(found, alone, strict=True):
        part = one[:, :count] if one.shape != other.shape else one
        if not torch.allclose(part, other, rtol=0, atol=_TOLERANCE * float(other.abs().max())):
            raise ModelError(
                f"{root / 'config.json'}: a model of type {kind!r} reads the padding of a text like the text, so that batches change its "
                "vectors: pass it as a torch module, edgeemb.load(module, example_inputs=...)"
            )


def end_with_zeros(body: Any) -> None:
    """Let padding count as the end of a text for a model whose layers read the row of the next token (MobileBERT): beyond the end these are zeros.

    :param body: a transformers model, which is changed.
    """
    with torch.no_grad():
        body.get_input_embeddings().weight[pad_id(body)] = 0


def pad_id(body: Any) -> int:
    """The id of padding.

    :param body: a transformers model.
    """
    return int(getattr(body.config, "pad_token_id", None) or 0)


def _outputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    found = module(*inputs)
    return list(found) if isinstance(found, (tuple, list)) else [found]

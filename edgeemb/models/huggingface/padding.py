"""Whether the padding of a text changes what a model gives for it: then a batch would change the vectors of its texts."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from edgeemb.errors import ModelError

#: The largest difference that rounding makes, of the largest value.
_TOLERANCE = 1e-3


def check_padding(
    module: nn.Module, examples: tuple[Tensor, ...], pad_id: int, root: Path, kind: str
) -> None:
    """Refuse a model that computes something else for a text with padding after it: one that reads across places by convolutions, by sums over all
    of them or the like.

    :param module: the model.
    :param examples: its inputs, of which the last text has padding after it: first the ids, then the mask.
    :param pad_id: the id of padding.
    :param root: its folder, for the error.
    :param kind: its ``model_type``.
    :raises ModelError: if it does.
    """
    ids, mask, *others = (example[-1:] for example in examples)
    count = int(mask.sum())
    padded = (torch.where(mask == 1, ids, pad_id), mask, *others)
    with torch.no_grad():
        found = _outputs(module, padded)
        alone = _outputs(module, tuple(example[:, :count] for example in padded))
    for one, other in zip(found, alone, strict=True):
        part = one[:, :count] if one.shape != other.shape else one
        if not torch.allclose(part, other, rtol=0, atol=_TOLERANCE * float(other.abs().max())):
            raise reads_padding(root, kind)


def reads_padding(root: Path, kind: str) -> ModelError:
    """The error for a model whose vectors depend on padding.

    :param root: its folder.
    :param kind: its ``model_type``.
    """
    return ModelError(
        f"{root / 'config.json'}: a model of type {kind!r} reads the padding of a text like the text, so that batches change its "
        "vectors: pass it as a torch module, edgeemb.load(module, example_inputs=...)"
    )


def _outputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    found = module(*inputs)
    return list(found) if isinstance(found, (tuple, list)) else [found]

"""FNet (https://arxiv.org/abs/2105.03824), which mixes tokens by a Fourier transform over the whole text, for batches of texts of different length.

transformers' model takes no mask and transforms padding with the text. Here the transform of each text is that of its own length, which is what the
model computes for the text alone, as products with matrices of cosines and sines, which every runtime has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Transform(nn.Module):
    """The real part of the discrete Fourier transform over places and elements.

    :param dim: elements of a row.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        places = torch.arange(dim)
        turns = (places[:, None] * places[None, :] % dim).to(torch.float64) / dim
        self.cosines: Tensor
        self.sines: Tensor
        self.register_buffer("cosines", torch.cos(2 * math.pi * turns).float(), persistent=False)
        self.register_buffer("sines", torch.sin(2 * math.pi * turns).float(), persistent=False)
        # No tensors, which would be taken for a part of the module.
        self._over_places: Callable[[], tuple[Tensor, Tensor]] | None = None

    def of(self, mask: Tensor) -> None:
        """Say how long the texts of the next call are.

        :param mask: float32[batch, length], 1 for a token and 0 for padding after it.
        """
        count = mask.sum(dim=1)[:, None, None]
        places = torch.arange(mask.shape[1], device=mask.device).to(mask.dtype)
        product = places[:, None] * places[None, :]
        # Whole numbers below 2^24, and quotients that are whole or far from it: the remainder is exact.
        turns = (product - torch.floor(product / count) * count) / count
        both = mask[:, :, None] * mask[:, None, :]
        cosines = torch.cos(2 * math.pi * turns) * both
        sines = torch.sin(2 * math.pi * turns) * both
        self._over_places = lambda: (cosines, sines)

    def forward(self, rows: Tensor) -> tuple[Tensor]:
        """:param rows: float32[batch, length, dim]. :return: one float32[batch, length, dim]."""
        assert self._over_places is not None
        cosines, sines = self._over_places()
        return (cosines @ (rows @ self.cosines) - sines @ (rows @ self.sines),)


class _Lengths:
    """The hook that keeps the mask of a call from the model, which takes none, and tells the transform.

    :param transform: the transform of all layers.
    """

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.transform.of(kwargs["attention_mask"])
        return args, {name: value for name, value in kwargs.items() if name != "attention_mask"}


def transform_texts(body: Any) -> None:
    """Let an FNet take a mask, and transform each text by itself.

    :param body: the model, which is changed. It is called with ``attention_mask``, float32[batch, length].
    """
    transform = Transform(int(body.config.hidden_size))
    for layer in list(body.modules()):
        if hasattr(layer, "fourier"):
            layer.fourier.self = transform
    body.register_forward_pre_hook(_Lengths(transform), with_kwargs=True)

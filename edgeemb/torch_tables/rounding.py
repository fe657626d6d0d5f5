"""Rounding that gradients pass through unchanged: the straight-through estimator.

Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons" (arXiv 1308.3432). The forward values are exactly
those that are stored, so that what is trained is what is exported.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Round(torch.autograd.Function):
    """To the nearest integer, halves to even."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return torch.round(values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _RoundHalf(torch.autograd.Function):
    """To the nearest float16, kept as float32."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.to(torch.float16).to(torch.float32)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


def round_through(values: Tensor) -> Tensor:
    """The nearest integers, with the gradient of the identity.

    :param values: float32[...].
    """
    rounded: Tensor = _Round.apply(values)  # type: ignore[no-untyped-call]
    return rounded


def half_through(values: Tensor) -> Tensor:
    """The nearest float16 values as float32, with the gradient of the identity.

    :param values: float32[...].
    """
    rounded: Tensor = _RoundHalf.apply(values)  # type: ignore[no-untyped-call]
    return rounded


class Half(nn.Module):
    """A parametrisation that keeps a parameter on the float16 values that are stored of it."""

    def forward(self, values: Tensor) -> Tensor:
        """:param values: float32[...]. :return: float32[...], each a float16 value."""
        return half_through(values)

"""Weights of the body on the grid on which an export stores them, and which of them are trained.

The grids are those of `edgeemb.body.grid.full_scales`: ``int8`` is one scale per output channel, the largest weight standing for 127; ``int4``
is blocks of 32 along the inputs, the element of the largest magnitude standing for -8, with scales of 8 significant bits. Weights that lie on the grid
are quantised to themselves, so that the exported codes are those of the last forward pass.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edgeemb.errors import SpecError
from edgeemb.models.torch.blocks import layers_of
from edgeemb.torch_tables.rounding import round_through
from edgeemb.training.settings import Grid

#: Weights that share a scale at 4 bits, as in `edgeemb.body.grid`.
_BLOCK = 32
_LARGEST = 127.0
#: Divisions that bring a scale to one that its own largest weight gives back.
_SETTLE = 3


class Int8Grid(nn.Module):
    """A parametrisation: 255 levels per output channel."""

    def forward(self, weight: Tensor) -> Tensor:
        """:param weight: float32[outputs, inputs]. :return: the same on the grid."""
        with torch.no_grad():
            scale = weight.abs().amax(dim=1, keepdim=True) / _LARGEST
            for _ in range(_SETTLE):
                scale = scale * _LARGEST / _LARGEST
            scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        return round_through((weight / scale).clamp(-_LARGEST, _LARGEST)) * scale


class Int4Grid(nn.Module):
    """A parametrisation: 16 levels per block of 32 inputs."""

    def forward(self, weight: Tensor) -> Tensor:
        """:param weight: float32[outputs, inputs]. :return: the same on the grid."""
        outputs, inputs = weight.shape
        padded = nn.functional.pad(weight, (0, -inputs % _BLOCK)).view(outputs, -1, _BLOCK)
        with torch.no_grad():
            low, high = padded.amin(dim=2, keepdim=True), padded.amax(dim=2, keepdim=True)
            scale = torch.where(high.abs() > low.abs(), high, low) / -8
            scale = torch.where(scale == 0, torch.ones_like(scale), scale).bfloat16().float()
        levels = round_through((padded / scale).clamp(-8, 7))
        return (levels * scale).reshape(outputs, -1)[:, :inputs]


def quantize_body(module: nn.Module, grid: str) -> None:
    """Keep the weights of a body's linear layers on a grid from now on.

    :param module: a `SentenceEncoder` or `SequenceClassifier`.
    :param grid: one of `Grid`.
    :raises SpecError: if it is none of them.
    """
    if grid not in get_args(Grid):
        raise SpecError(f"body '{grid}' is not supported in training: use {', '.join(get_args(Grid))}")
    if grid == "fp32":
        return
    for name, layer in module.named_modules():
        # An export stores layers that read one vector for each text in 8 bits.
        if isinstance(layer, nn.Linear) and (grid == "int8" or ".layer." in name):
            parametrize.register_parametrization(
                layer, "weight", Int8Grid() if grid == "int8" else Int4Grid()
            )


def settle_body(module: nn.Module) -> None:
    """Replace every weight by its value on the grid, for saving.

    :param module: a module that `quantize_body` was given.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and parametrize.is_parametrized(layer):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def free_body(module: nn.Module, part: str) -> None:
    """Set which weights of the body are trained; tables that are `TrainableTable` always are.

    :param module: a `SentenceEncoder`.
    :param part: ``all``, ``none``, or ``last:<number>`` for the last layers and what follows them.
    :raises SpecError: if it is none of these.
    """
    word, _, number = part.partition(":")
    if part in ("all", "none"):
        module.requires_grad_(part == "all")
        return
    layers = layers_of(module)
    if word != "last" or not number.isdigit() or not 1 <= int(number) <= len(layers):
        raise SpecError(f"learn '{part}' is not possible: use all, none or last:1 to last:{len(layers)}")
    module.requires_grad_(False)
    for layer in list(layers)[-int(number) :]:
        layer.requires_grad_(True)
    head = getattr(module, "head", None)
    if isinstance(head, nn.Module):
        head.requires_grad_(True)

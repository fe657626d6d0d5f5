"""Where a C export first differs from its original: the arithmetic of its products, done in torch, since the sources show no results of layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.body.grid import BLOCK, near_grid
from edgeemb.exporters.layers import first_apart, in_words, results_of
from edgeemb.exporters.writers import Apart
from edgeemb.torch_tables.copying import copy_module

#: Steps between the least and the largest of a row of activations, zero included.
_STEPS = 255


def first_difference(apart: Apart) -> str | None:
    """The first layer whose result differs, once products are computed as the kernels compute them.

    :param apart: the export and its original.
    :return: its name in words; None if every layer agrees.
    """
    model = apart.model.torch_model()
    module = copy_module(model.module)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.weight = nn.Parameter(_weights(layer.weight.detach(), apart.body), requires_grad=False)
            layer.register_forward_pre_hook(_quantise)
    wanted, found = (results_of(each, model, apart.feeds) for each in (model.module, module))
    return in_words(first_apart(wanted, found, apart.floor), model, apart.tables)


def _weights(weight: Tensor, body: str) -> Tensor:
    """Weights on the grid of a body: with a scale for each output, or for each block."""
    bits, block = (4, BLOCK) if body == "int4" else (8, weight.shape[1])
    return torch.from_numpy(near_grid(weight.numpy(), bits, block).values())


def _quantise(layer: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Activations in 8 bits with a scale and a zero point for each row."""
    rows = args[0]
    low, high = rows.amin(dim=-1, keepdim=True).clamp(max=0), rows.amax(dim=-1, keepdim=True).clamp(min=0)
    step = ((high - low) / _STEPS).clamp(min=1e-30)
    return (torch.round(rows / step) * step, *args[1:])

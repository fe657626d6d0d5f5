"""A torch module whose vectors are projected: as a part of its last layer where that is exact, else as a layer of its own."""

from __future__ import annotations

import copy

import torch
from torch import nn

from edgeemb.errors import SpecError
from edgeemb.models.huggingface.modules import FirstElements, Normalize
from edgeemb.vectors.fit import Projection


def projected(module: nn.Module, projection: Projection, name: str) -> nn.Module:
    """A module with other stages after its pooling. Its layers are those of the module, which stays as it is.

    :param module: a module with a ``head``, or whose ``inner`` module has one.
    :param projection: what is done to its vectors.
    :param name: what to call the model in an error.
    :raises SpecError: if there is no head.
    """
    changed = copy.copy(module)
    changed._modules = dict(module._modules)
    head, inner = getattr(module, "head", None), getattr(module, "inner", None)
    if isinstance(head, nn.Sequential):
        changed.head = _projected_head(head, projection)
    elif isinstance(inner, nn.Module):
        changed.inner = projected(inner, projection, name)
    else:
        raise SpecError(
            f"{name} is a module of its own, whose vectors cannot be projected: leave `vectors` out"
        )
    return changed


def _projected_head(head: nn.Sequential, projection: Projection) -> nn.Sequential:
    stages = list(head)
    if stages and isinstance(stages[-1], Normalize):
        # What follows is linear and ends in a normalisation too: the length makes no difference.
        del stages[-1]
    while stages and isinstance(stages[-1], nn.Identity):
        del stages[-1]
    if stages and type(stages[-1]) is nn.Linear:
        stages[-1] = _folded(stages[-1], projection)
    else:
        stages += _own_stages(projection)
    return nn.Sequential(*stages, Normalize()).eval()


def _folded(layer: nn.Linear, projection: Projection) -> nn.Linear:
    """A linear layer that gives what the projection makes of another's result."""
    weight, bias = layer.weight.detach(), None if layer.bias is None else layer.bias.detach()
    if projection.matrix is None:
        return _linear(weight[: projection.dim], None if bias is None else bias[: projection.dim])
    matrix = torch.from_numpy(projection.matrix)
    return _linear(matrix @ weight, None if bias is None else matrix @ bias)


def _own_stages(projection: Projection) -> list[nn.Module]:
    if projection.matrix is None:
        return [FirstElements(projection.dim)]
    return [_linear(torch.from_numpy(projection.matrix), None)]


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias=bias is not None)
    layer.weight = nn.Parameter(weight.clone().contiguous(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return layer

"""A torch model with only some tokens: its word table, and the output layers that have a row for each token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgeemb.torch_tables.copying import copy_module

_TOLERANCE = 1e-4


def without_tokens(
    module: nn.Module, table: str, kept: NDArray[np.int64], new_id: Callable[[int], int], *, heads: bool
) -> nn.Module:
    """A copy of a module whose word table has the rows of some tokens.

    :param module: the module.
    :param table: name of the word table's weight, float32[V, D].
    :param kept: int64[V'], the old id of each new one.
    :param new_id: gives the new id of an old one.
    :param heads: whether linear layers, and biases, with an element (or an input) for each token lose those of the others. If not, a layer that uses the word table in
        another way than by its rows keeps its own.
    :raises InputError: if the padding token is not among them.
    """
    copy = copy_module(module)
    old = copy.get_parameter(table)
    count = len(old)
    rows = torch.from_numpy(kept)
    smaller: dict[int, nn.Parameter] = {}  # weights that were one stay one

    def cut(weight: nn.Parameter) -> nn.Parameter:
        return smaller.setdefault(id(weight), nn.Parameter(weight.detach()[rows], requires_grad=False))

    for layer in list(copy.modules()):
        if isinstance(layer, nn.Embedding):
            if layer.weight is old:
                layer.weight = cut(old)
                layer.num_embeddings = len(kept)
                layer.padding_idx = None if layer.padding_idx is None else new_id(layer.padding_idx)
        elif heads:
            bias = layer._parameters.get("bias")
            if bias is not None and bias.shape == (count,):
                layer.bias = cut(bias)
            if isinstance(layer, nn.Linear) and layer.out_features == count:
                layer.weight = cut(layer.get_parameter("weight"))
                layer.out_features = len(kept)
            elif isinstance(layer, nn.Linear) and layer.in_features == count:
                # MobileBERT's output layer continues in the transposed weight of such a layer.
                columns = layer.weight.detach()[:, rows].contiguous()
                layer.weight = nn.Parameter(columns, requires_grad=False)
                layer.in_features = len(kept)
    return copy


def same_columns(
    module: nn.Module,
    smaller: nn.Module,
    examples: tuple[torch.Tensor, ...],
    old_examples: tuple[torch.Tensor, ...],
    kept: NDArray[np.int64],
) -> bool:
    """Whether the first output of a model with fewer tokens has the columns that the whole one has for them.

    :param module: the whole model.
    :param smaller: the one with fewer tokens.
    :param examples: inputs of the smaller one.
    :param old_examples: the same with old ids.
    :param kept: int64[V'], the old id of each new one.
    """
    with torch.no_grad():
        wanted = _first(module(*old_examples))
        try:
            found = _first(smaller(*examples))
        except RuntimeError:  # of a layer that expects every token
            return False
    if found.shape[-1] != len(kept) or found.shape[:-1] != wanted.shape[:-1]:
        return False
    wanted = wanted[..., torch.from_numpy(kept)]
    return torch.allclose(found, wanted, rtol=_TOLERANCE, atol=_TOLERANCE * float(wanted.abs().max()))


def _first(outputs: torch.Tensor | tuple[torch.Tensor, ...] | list[torch.Tensor]) -> torch.Tensor:
    return outputs[0] if isinstance(outputs, tuple | list) else outputs

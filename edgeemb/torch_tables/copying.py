"""Copies of modules that share the tables of the original, which are most of a model's memory."""

from __future__ import annotations

import copy

from torch import nn


def copy_module(module: nn.Module) -> nn.Module:
    """A copy of a module whose layers may be changed; weights that embedding layers alone hold are those of the original.

    :param module: the module. A weight that another layer shares, such as a tied head, is copied.
    """
    tables = {id(layer.weight): layer.weight for layer in module.modules() if isinstance(layer, nn.Embedding)}
    others = {
        id(parameter)
        for layer in module.modules()
        if not isinstance(layer, nn.Embedding)
        for parameter in layer.parameters(recurse=False)
    }
    memo: dict[int, object] = {key: weight for key, weight in tables.items() if key not in others}
    return copy.deepcopy(module, memo)

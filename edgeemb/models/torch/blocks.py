"""The transformer layers of a module, which run one after another."""

from __future__ import annotations

from typing import Any

from torch import nn


def layers_of(module: nn.Module) -> nn.ModuleList:
    """The transformer layers of a module: its longest list of modules; empty where there is no list.

    :param module: any module.
    """
    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList)]
    return max(lists, key=lambda layers: len(layers), default=nn.ModuleList())


def keep_first(module: nn.Module, count: int) -> None:
    """Take out all transformer layers but the first.

    :param module: the module, which is changed, and the configurations in it.
    :param count: how many layers are kept.
    """
    layers = layers_of(module)
    whole = len(layers)
    del layers[count:]
    configs: dict[int, Any] = {
        id(part.config): part.config for part in module.modules() if hasattr(part, "config")
    }
    for config in configs.values():
        if getattr(config, "num_hidden_layers", None) == whole:
            config.num_hidden_layers = count

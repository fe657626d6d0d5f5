"""The linear layers of a model's body, and what goes into them while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeemb.models.torch.model import Model

Feeds = Mapping[str, NDArray[Any]]


def linear_layers(module: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers by name, each once; not those whose weight another layer uses too, such as a head that is tied to a table.

    :param module: any module.
    """
    users: dict[int, int] = {}
    for _, parameter in module.named_parameters(remove_duplicate=False):
        users[id(parameter)] = users.get(id(parameter), 0) + 1
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and users[id(layer.weight)] == 1
    }


@contextmanager
def watched(layers: Mapping[str, nn.Module], see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Show the input of each layer to a function, every time that the layer runs.

    :param layers: by name.
    :param see: called with the name and the input.
    """

    def hook(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        return lambda _, inputs: see(name, inputs[0])

    handles = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def largest_inputs(
    model: Model, layers: Mapping[str, nn.Linear], feeds: Sequence[Feeds]
) -> dict[str, Tensor]:
    """The largest magnitude of each element of a layer's input over a sample, float32[inputs]; without layers that never run.

    :param model: the model that the layers are part of.
    :param layers: by name.
    :param feeds: the sample.
    """
    found: dict[str, Tensor] = {}

    def see(name: str, rows: Tensor) -> None:
        largest = rows.detach().reshape(-1, rows.shape[-1]).abs().amax(0)
        found[name] = torch.maximum(found[name], largest) if name in found else largest

    with watched(layers, see):
        for given in feeds:
            model.reference(given)
    return found


def agree(outputs: list[NDArray[Any]], others: list[NDArray[Any]], tolerance: float) -> bool:
    """Whether outputs are equal up to a fraction of their largest magnitude.

    :param outputs: of a model.
    :param others: of another.
    :param tolerance: the fraction.
    """
    return all(
        np.abs(mine - other).max(initial=0) <= tolerance * np.abs(mine).max(initial=0)
        for mine, other in zip(outputs, others, strict=True)
    )

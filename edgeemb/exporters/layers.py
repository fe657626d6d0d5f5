"""What each layer of a torch model gives, to find the first one where an export differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeemb.models.agreement import alike
from edgeemb.models.torch.model import Model
from edgeemb.tables import Table

#: What a layer gave, by its path in the module.
Results = list[tuple[str, NDArray[np.float32]]]


def results_of(module: nn.Module, model: Model, feeds: Mapping[str, NDArray[Any]]) -> Results:
    """The results of the innermost layers of a module, in the order in which they are computed.

    :param module: the module, or what was made of it.
    :param model: the model whose inputs it takes.
    :param feeds: an array per input.
    """
    found: Results = []

    def watch(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(layer: nn.Module, args: Any, result: Any) -> None:
            if isinstance(result, Tensor) and result.is_floating_point() and result.numel():
                found.append((path, result.detach().to(torch.float32).numpy().copy()))

        return note

    wanted = {path for path, layer in model.module.named_modules() if not list(layer.children())}
    hooks = [
        layer.register_forward_hook(watch(path)) for path, layer in module.named_modules() if path in wanted
    ]
    try:
        with torch.no_grad():
            module(*(torch.from_numpy(np.ascontiguousarray(feeds[info.name])) for info in model.inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def first_apart(wanted: Results, found: Results, floor: float) -> str | None:
    """The first layer whose result is not that of the original.

    :param wanted: what the layers of the original gave.
    :param found: what those of the export gave.
    :param floor: the agreement below which results differ.
    :return: its path; None if every layer of both agrees.
    """
    results: dict[str, list[NDArray[np.float32]]] = {}
    for path, value in found:
        results.setdefault(path, []).append(value)
    for path, value in wanted:
        own = results.get(path)
        if own and not alike(value, own.pop(0), floor):
            return path
    return None


def last_alike(wanted: Results, tensors: Sequence[NDArray[np.float32]], floor: float) -> str | None:
    """The first layer whose result, and that of all layers behind it, is among no tensors of a graph without names.

    :param wanted: what the layers of the original gave, for one text.
    :param tensors: what the graph gave: the rows of a text may be followed by padding.
    :param floor: the agreement below which results differ.
    :return: its path; None if the last layer's result is among them.
    """
    by_width: dict[int, list[NDArray[np.float32]]] = {}
    for tensor in tensors:
        if tensor.ndim and np.isfinite(tensor).all():
            by_width.setdefault(tensor.shape[-1], []).append(tensor.reshape(-1, tensor.shape[-1]))
    first: str | None = None
    for path, value in reversed(wanted):
        rows = value.reshape(-1, value.shape[-1])
        near = [tensor[: len(rows)] for tensor in by_width.get(rows.shape[1], []) if len(tensor) >= len(rows)]
        if any(alike(rows, tensor, floor) for tensor in near):
            return first
        first = path
    return first


def in_words(path: str | None, model: Model, tables: Mapping[str, Table]) -> str | None:
    """What a layer is called in an error.

    :param path: its path; None for no layer.
    :param model: the model.
    :param tables: its compressed tables by alias.
    """
    if path is None:
        return None
    layers = dict(model.module.named_modules())
    for alias in tables:
        weight = model.module.get_parameter(model.table(alias).name)
        if getattr(layers.get(path), "weight", None) is weight and isinstance(layers[path], nn.Embedding):
            return f"table {alias}"
    return f"layer {path}" if path else "its only layer"

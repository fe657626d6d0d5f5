"""Replacing the embedding layers of a module by other sources of rows.

A plain `nn.Embedding` is replaced by what computes the rows. A layer that does more (a subclass with a ``forward`` of its
own, such as a scaled embedding; hooks) stays, and its lookups are served with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from edgeemb.errors import ExportError
from edgeemb.torch_tables.copying import copy_module

#: Of a weight that is not there, these may be read.
_SHAPES = (Tensor.shape.__get__, Tensor.size)  # type: ignore[attr-defined]
_FREE = tuple(
    getattr(Tensor, name).__get__
    for name in ("dtype", "device", "layout", "requires_grad", "is_leaf", "grad", "data", "is_cuda", "ndim")
)


class LayerOverRows(nn.Module):
    """An embedding layer whose own ``forward`` runs on rows that come from elsewhere.

    :param layer: the layer; its weight is taken out of it.
    :param rows: maps ids int64[...] to float32[..., D].
    """

    def __init__(self, layer: nn.Embedding, rows: nn.Module) -> None:
        super().__init__()
        self.shape = layer.weight.shape
        self.layer = layer
        self.rows = rows
        # Apart from its rows, the layer uses only its type and device.
        layer.weight = nn.Parameter(layer.weight.detach()[:0].clone(), requires_grad=False)

    @property
    def weight(self) -> Tensor:
        """A tensor of the shape and type of the weight, without values."""
        return torch.empty(self.shape, dtype=self.layer.weight.dtype, device="meta")

    def forward(self, *args: Any, **options: Any) -> Any:
        """What the layer gives for these arguments."""
        with _Answered(self.layer.weight, self.shape, self.rows):
            return self.layer(*args, **options)


class _Answered(TorchFunctionMode):
    """Serves lookups in one weight with rows from elsewhere, and refuses any other use of the weight."""

    def __init__(self, weight: Tensor, shape: torch.Size, rows: nn.Module) -> None:
        super().__init__()
        self.weight = weight
        self.shape = shape
        self.rows = rows

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        given = [*args, *options.values()]
        if not any(value is self.weight for value in given):
            return func(*args, **options)
        if func in (nn.functional.embedding, torch.embedding):
            ids = next(value for value in given if isinstance(value, Tensor) and value is not self.weight)
            return self.rows(ids)
        if func in _SHAPES:
            return self.shape if len(args) < 2 else self.shape[args[1]]
        if func in _FREE:
            return func(*args, **options)
        name = getattr(func, "__name__", str(func))
        raise ExportError(
            f"an embedding layer passes its whole weight to {name}, where only lookups of its rows can be compressed: "
            "look the rows up with nn.functional.embedding"
        )


def other_uses(
    module: nn.Module, weights: Mapping[str, nn.Parameter], examples: Sequence[Tensor]
) -> dict[str, str]:
    """Which embedding weights `put_rows` cannot serve: the module takes more of them than its embedding layers look up, or nothing.

    A layer of another kind that shares a weight does not count: it keeps its own.

    :param module: the module; it is copied, and the copy run once.
    :param weights: weights of its embedding layers by any key.
    :param examples: inputs.
    :return: the reasons by key, for those that cannot be served.
    """
    copied = copy_module(module)
    watched = _Watched()
    for key, weight in weights.items():
        own = nn.Parameter(weight.detach(), requires_grad=False)
        watched.keys[id(own)] = key
        for layer, original in zip(copied.modules(), module.modules(), strict=True):
            if isinstance(original, nn.Embedding) and original.weight is weight:
                layer.weight = own
                layer.register_forward_pre_hook(watched.enter)
                layer.register_forward_hook(watched.leave)
    with torch.no_grad(), watched:
        copied(*examples)
    unread = {key: "the model looks up none of its rows" for key in weights if key not in watched.read}
    return watched.whole | unread


class _Watched(TorchFunctionMode):
    """Notes how weights are used while a module runs."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[int, str] = {}
        self.read: set[str] = set()
        self.whole: dict[str, str] = {}
        self._depth = 0

    def enter(self, layer: nn.Module, args: object) -> None:
        """An embedding layer begins."""
        self._depth += 1

    def leave(self, layer: nn.Module, args: object, result: object) -> None:
        """It has ended."""
        self._depth -= 1

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        for value in (*args, *options.values()):
            key = self.keys.get(id(value))
            if key is None or func in (*_SHAPES, *_FREE):
                continue
            self.read.add(key)
            if not self._depth or func not in (nn.functional.embedding, torch.embedding):
                name = getattr(func, "__name__", str(func))
                self.whole[key] = f"the model passes the whole table to {name}, not only ids to a layer"
        return func(*args, **options)


def put_rows(module: nn.Module, weight: nn.Parameter, rows: nn.Module) -> nn.Module:
    """Serve the lookups of a weight with other rows, in every layer that shares it.

    :param module: the module, which is changed.
    :param weight: the weight of one or more of its embedding layers.
    :param rows: maps ids int64[...] to float32[..., D].
    :return: the module; `rows`, or what stands for its layer, where it is such a layer itself.
    """
    made: dict[int, nn.Module] = {}

    def replacement(layer: nn.Embedding) -> nn.Module:
        if id(layer) not in made:
            made[id(layer)] = rows if _is_plain(layer) else LayerOverRows(layer, rows)
        return made[id(layer)]

    places = [
        (parent, name, layer)
        for parent in module.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Embedding) and layer.weight is weight
    ]
    if isinstance(module, nn.Embedding) and module.weight is weight:
        return replacement(module)
    for parent, name, layer in places:
        setattr(parent, name, replacement(layer))
    return module


def take_rows(module: nn.Module, rows: nn.Module, weight: Tensor) -> nn.Module:
    """Undo `put_rows`, with another weight.

    :param module: what `put_rows` gave; it is changed.
    :param rows: the rows that were put in.
    :param weight: float32[V, D], the weight of the layers from here on.
    :return: the module.
    """
    parameter = nn.Parameter(weight, requires_grad=False)

    def original(child: nn.Module) -> nn.Module | None:
        if child is rows:
            layer = nn.Embedding(weight.shape[0], weight.shape[1], _weight=weight)
        elif isinstance(child, LayerOverRows) and child.rows is rows:
            layer = child.layer
        else:
            return None
        layer.weight = parameter
        return layer

    root = original(module)
    if root is not None:
        return root
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            layer = original(child)
            if layer is not None:
                setattr(parent, name, layer)
    return module


def _is_plain(layer: nn.Embedding) -> bool:
    """Whether a layer does nothing but look up."""
    return (
        type(layer).forward is nn.Embedding.forward
        and type(layer).__call__ is nn.Embedding.__call__
        and "forward" not in vars(layer)
        and not layer._forward_hooks
        and not layer._forward_pre_hooks
    )

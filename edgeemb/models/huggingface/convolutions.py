"""Convolutions over the tokens of a text, which read nothing after its end: as where no padding follows.

transformers' ConvBERT (https://arxiv.org/abs/2008.02496) convolves the rows of padding like those of tokens, so that the vectors of a text depend on its
batch. Here these rows are zeros, as a convolution has beyond the ends of its input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

#: What a wrapped layer's names begin with.
_OWN = "layer."


class _Mask:
    """The mask of the call in progress; also the hook that notes it."""

    def __init__(self) -> None:
        # No tensor, which would be taken for a part of the module.
        self.of: Callable[[], Tensor] | None = None

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        mask = kwargs["attention_mask"]
        self.of = lambda: mask


class EndsWithText(nn.Module):
    """A layer around a convolution, with zeros in the places of padding.

    :param layer: the layer.
    :param mask: the mask of the call in progress.
    :param before: whether it is the convolution itself, whose input float32[batch, dim, length] gets the zeros; if not, its output does,
        float32[batch, length, dim].
    """

    def __init__(self, layer: nn.Module, mask: _Mask, *, before: bool) -> None:
        super().__init__()
        self.layer = layer
        self.mask = mask
        self.before = before
        # Checkpoints have the names of the layer itself.
        untyped: Any = self
        untyped.register_state_dict_post_hook(_without_own_name)
        untyped.register_load_state_dict_pre_hook(_with_own_name)

    def forward(self, rows: Tensor) -> Tensor:
        """:param rows: what the layer takes. :return: what it gives."""
        assert self.mask.of is not None
        counted = self.mask.of()
        found: Tensor = (
            self.layer(rows * counted[:, None, :]) if self.before else self.layer(rows) * counted[:, :, None]
        )
        return found


def _without_own_name(module: nn.Module, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
    for name in [name for name in state if name.startswith(f"{prefix}{_OWN}")]:
        state[prefix + name.removeprefix(f"{prefix}{_OWN}")] = state.pop(name)


def _with_own_name(module: nn.Module, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        state[f"{prefix}{_OWN}{name.removeprefix(prefix)}"] = state.pop(name)


def end_convolutions(body: nn.Module) -> None:
    """Let the convolutions of a ConvBERT end where a text does.

    :param body: the model, which is changed. It is called with ``attention_mask``, float32[batch, length].
    """
    mask = _Mask()
    body.register_forward_pre_hook(mask, with_kwargs=True)
    layers: list[Any] = [layer for layer in body.modules() if hasattr(layer, "key_conv_attn_layer")]
    for layer in layers:
        layer.key_conv_attn_layer = EndsWithText(layer.key_conv_attn_layer, mask, before=True)
        layer.conv_out_layer = EndsWithText(layer.conv_out_layer, mask, before=False)

"""Smoothing: what a few large elements of the activations would take of the grid is moved into the weights, exactly.

A linear layer computes W x. With factors f > 0, one for each element of x, that is (W diag(f)) (x / f): the columns of W grow where x has
outliers, and x / f has none. The factors are those of SmoothQuant (Xiao and others 2022, arXiv 2211.10438),

    f[j] = max |x[j]| ^ alpha / max |W[:, j]| ^ (1 - alpha),

scaled to a geometric mean of 1, with the largest values of x over calibration lines, and of W over all layers that read the same x.

x / f costs nothing where x is the output of a normalisation that nothing else reads: the division goes into its gain and bias, as in models that
normalise in front of each block. In BERT and its kin, the sum around the block reads the output too, and x / f is one multiplication, shared by all
layers that read it. Which of the two a model has is found by trying, with factors that are powers of two and so change no bit; no family of models is
known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.body.layers import Feeds, agree, largest_inputs, linear_layers, watched
from edgeemb.models.torch.model import Model
from edgeemb.torch_tables.copying import copy_module

#: How far outputs may move, as a fraction of the largest: float32 adds in another order.
TOLERANCE = 1e-5
#: Keeps factors finite where an element of x or a column of W is all but 0.
_LEAST = 1e-5
_SEED = 5


class ScaledLinear(nn.Linear):
    """A linear layer whose input is multiplied by constants first.

    :param layer: the layer, whose weight and bias it takes.
    :param factors: float32[inputs]; layers that read the same input share one tensor.
    """

    factors: Tensor

    def __init__(self, layer: nn.Linear, factors: Tensor) -> None:
        super().__init__(1, 1, bias=layer.bias is not None)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight = layer.weight
        self.bias = layer.bias
        self.register_buffer("factors", factors)
        self.train(layer.training)

    def forward(self, input: Tensor) -> Tensor:
        """:param input: float32[..., inputs]. :return: float32[..., outputs]."""
        return super().forward(input * self.factors)


@dataclass(frozen=True)
class Smoothed:
    """A model after smoothing.

    :param model: a changed copy, or the model itself where nothing could be done.
    :param folded: linear layers whose factors went into a normalisation.
    :param scaled: linear layers whose input is multiplied at run time.
    :param reason: why nothing was done; empty if something was.
    """

    model: Model
    folded: tuple[str, ...] = ()
    scaled: tuple[str, ...] = ()
    reason: str = ""


def smooth(model: Model, alphas: Mapping[str, float], feeds: Sequence[Feeds]) -> Smoothed:
    """Smooth the inputs of linear layers that read the output of a normalisation.

    :param model: the model, which is left as it is.
    :param alphas: how much of the range goes into the weights, from 0 to 1, by the name of the linear layer; a layer that is missing here is left
        as it is. Layers that read the same input get the mean.
    :param feeds: calibration inputs.
    """
    first = min(feeds, key=lambda given: sum(array.size for array in given.values()))
    copied = replace(model, module=copy_module(model.module).requires_grad_(False))
    every = linear_layers(copied.module)
    readers = norm_readers(copied, every, first)
    taken = {
        norm: some for norm, names in readers.items() if (some := [name for name in names if name in alphas])
    }
    if not taken:
        return Smoothed(model, reason="no matrix product to quantise reads the output of a normalisation")
    whole = {norm: names for norm, names in taken.items() if names == readers[norm]}
    free = _unshared(copied, whole, first)
    largest = largest_inputs(copied, {name: every[name] for names in taken.values() for name in names}, feeds)
    folded, scaled = list[str](), list[str]()
    for norm, names in taken.items():
        layers = [every[name] for name in names]
        alpha = sum(alphas[name] for name in names) / len(names)
        factors = smoothing_factors(largest[names[0]], [layer.weight for layer in layers], alpha)
        for layer in layers:
            layer.weight.copy_(layer.weight * factors)
        if norm in free:
            free[norm](copied.module.get_submodule(norm), 1 / factors)
            folded += names
            continue
        shared = 1 / factors
        for name, layer in zip(names, layers, strict=True):
            copied.module.set_submodule(name, ScaledLinear(layer, shared))
        scaled += names
    if not agree(model.reference(first), copied.reference(first), TOLERANCE):
        return Smoothed(
            model, reason=f"the smoothed model differs from the original by more than {TOLERANCE:g}"
        )
    return Smoothed(copied, tuple(folded), tuple(scaled))


def smoothing_factors(largest: Tensor, weights: list[Tensor], alpha: float) -> Tensor:
    """The factors of an input.

    :param largest: float32[inputs], the largest magnitude of each element.
    :param weights: float32[outputs, inputs] of each layer that reads it.
    :param alpha: how much of the range goes into the weights, from 0 to 1.
    :return: float32[inputs], with a geometric mean of 1.
    """
    columns = torch.stack([weight.abs().amax(0) for weight in weights]).amax(0)
    factors = largest.clamp(min=_LEAST) ** alpha / columns.clamp(min=_LEAST) ** (1 - alpha)
    result: Tensor = factors / factors.log().mean().exp()
    return result


def norm_readers(model: Model, layers: Mapping[str, nn.Linear], feeds: Feeds) -> dict[str, list[str]]:
    """Which linear layers read the output of which normalisation, as it is; layers that also read anything else are left out.

    :param model: a model.
    :param layers: linear layers by name.
    :param feeds: inputs.
    :return: names of the layers, by the name of the normalisation.
    """
    # The outputs are kept while the model runs, so that no other tensor gets their memory.
    outputs: dict[int, tuple[str, Tensor, int]] = {}
    sources: dict[str, set[str]] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(norm: nn.Module, _: tuple[Any, ...], output: Any) -> None:
            if isinstance(output, Tensor) and output.shape[-1:] == norm.get_parameter("weight").shape:
                outputs[output.data_ptr()] = (name, output, output._version)

        return hook

    def see(name: str, rows: Tensor) -> None:
        source, output, version = outputs.get(rows.data_ptr(), ("", rows, rows._version))
        same = output.shape == rows.shape and output.stride() == rows.stride() and version == rows._version
        sources.setdefault(name, set()).add(source if same else "")

    norms = [(name, part) for name, part in model.module.named_modules() if is_norm(part)]
    handles = [part.register_forward_hook(keep(name)) for name, part in norms]
    try:
        with watched(layers, see):
            model.reference(feeds)
    finally:
        for handle in handles:
            handle.remove()
    readers: dict[str, list[str]] = {}
    for name, found in sources.items():
        if len(found) == 1 and "" not in found:
            readers.setdefault(found.pop(), []).append(name)
    return readers


def is_norm(module: nn.Module) -> bool:
    """Whether a module has what a normalisation has: one gain for each element, perhaps a bias, and nothing else.

    :param module: any module.
    """
    own = dict(module.named_parameters())
    gain = own.get("weight")
    return (
        set(own) in ({"weight"}, {"weight", "bias"})
        and gain is not None
        and gain.dim() == 1
        and all(part.shape == gain.shape for part in own.values())
    )


def _scale_gain(norm: nn.Module, factors: Tensor) -> None:
    for part in norm.parameters(recurse=False):
        part.copy_(part * factors)


def _scale_gain_above_one(norm: nn.Module, factors: Tensor) -> None:
    """For normalisations whose gain is 1 + weight."""
    norm.weight.copy_((1 + norm.weight) * factors - 1)  # type: ignore[operator]


#: How the output of a normalisation is multiplied by factors, in the order in which that is tried.
_FORMS: tuple[Callable[[nn.Module, Tensor], None], ...] = (_scale_gain, _scale_gain_above_one)


def _unshared(
    model: Model, readers: Mapping[str, list[str]], feeds: Feeds
) -> dict[str, Callable[[nn.Module, Tensor], None]]:
    """The normalisations that nothing reads but those layers, and how each is scaled: found by trying."""
    if not readers:
        return {}
    wanted = model.reference(feeds)
    for form in _FORMS:
        if _unchanged(model, readers, form, feeds, wanted):
            return dict.fromkeys(readers, form)
    found = {}
    for norm, names in readers.items():
        for form in _FORMS:
            if _unchanged(model, {norm: names}, form, feeds, wanted):
                found[norm] = form
                break
    return found


def _unchanged(
    model: Model,
    readers: Mapping[str, list[str]],
    form: Callable[[nn.Module, Tensor], None],
    feeds: Feeds,
    wanted: list[Any],
) -> bool:
    """Whether the outputs stay as they are when normalisations are scaled by powers of two and their readers by the inverse."""
    random = torch.Generator().manual_seed(_SEED)
    before: list[tuple[Tensor, Tensor]] = []
    for norm, names in readers.items():
        part = model.module.get_submodule(norm)
        before += [(own, own.detach().clone()) for own in part.parameters(recurse=False)]
        factors = 2.0 ** (2 * torch.randint(0, 2, (before[-1][0].numel(),), generator=random) - 1)
        form(part, factors)
        for name in names:
            weight = model.module.get_submodule(name).get_parameter("weight")
            before.append((weight, weight.detach().clone()))
            weight.copy_(weight / factors)
    try:
        return agree(wanted, model.reference(feeds), TOLERANCE)
    finally:
        for tensor, values in before:
            tensor.copy_(values)

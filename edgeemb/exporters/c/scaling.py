"""Inputs of linear layers that are multiplied by constants, as the kernels compute them: within the normalisations and the sums around a block.

A normalisation writes y * factors, by its gain and bias, and the sum that reads y too multiplies it by 1 / factors. Where layers normalise in
front of their blocks, no sum reads y, but for the first layer, which may read the rows as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeemb.exporters.c.encoder import Encoder, Floats, Layer, Linear, Norm


def settle_factors(encoder: Encoder) -> Encoder:
    """The same encoder without factors at its linear layers.

    :param encoder: an encoder as `edgeemb.exporters.c.reading.read_encoder` finds it.
    """
    norm, layers = encoder.norm, list[Layer]()
    before = norm
    for layer in encoder.layers:
        layer, factors = _common(
            layer, ("query", "key", "value"), possible=_reads_a_norm(layer, encoder, first=not layers)
        )
        layer, inner = _common(layer, ("up", "gate"), possible=True)
        layer = replace(layer, output=_plain(layer.output), down=_plain(layer.down))
        if layer.before:
            if layer.attention_norm.plain:
                norm = _scaled(norm, factors)
                attention_norm = replace(layer.attention_norm, scale=_inverse(factors))
            else:
                attention_norm = _scaled(layer.attention_norm, factors)
            layers.append(
                replace(layer, attention_norm=attention_norm, mlp_norm=_scaled(layer.mlp_norm, inner))
            )
            continue
        after = _scaled(before, factors)
        if layers:
            layers[-1] = replace(layers[-1], mlp_norm=after)
        else:
            norm = after
        attention_norm = _scaled(replace(layer.attention_norm, scale=_inverse(factors)), inner)
        before = replace(layer.mlp_norm, scale=_inverse(inner))
        layers.append(replace(layer, attention_norm=attention_norm, mlp_norm=before))
    head = tuple(replace(dense, linear=_plain(dense.linear)) for dense in encoder.head)
    widen = None if encoder.widen is None else _plain(encoder.widen)
    return replace(encoder, norm=norm, widen=widen, layers=tuple(layers), head=head)


def _reads_a_norm(layer: Layer, encoder: Encoder, *, first: bool) -> bool:
    """Whether attention reads what a normalisation writes, and nothing is between them."""
    straight = first and encoder.widen is None
    if layer.before:
        return straight or not layer.attention_norm.plain
    return straight or not first


def _common(layer: Layer, names: Sequence[str], *, possible: bool) -> tuple[Layer, Floats | None]:
    """The layer without factors at linear layers that read the same rows, and those that they share; where they differ, or no normalisation can
    take them, the weights take them back."""
    linears = {name: linear for name, linear in layer.linears().items() if name in names}
    first, *others = [linear.factors for linear in linears.values()]
    if (
        possible
        and first is not None
        and all(other is not None and np.array_equal(first, other) for other in others)
    ):
        bare = {name: replace(linear, factors=None) for name, linear in linears.items()}
        return layer.with_linears(bare), first
    return layer.with_linears({name: _plain(linear) for name, linear in linears.items()}), None


def _plain(linear: Linear) -> Linear:
    """The layer with its factors in its weights."""
    if linear.factors is None:
        return linear
    return replace(linear, weight=linear.weight * linear.factors, factors=None, whole=None)


def _scaled(norm: Norm, factors: Floats | None) -> Norm:
    return norm if factors is None else replace(norm, gain=norm.gain * factors, bias=norm.bias * factors)


def _inverse(factors: Floats | None) -> Floats | None:
    return None if factors is None else (1 / factors).astype(np.float32)

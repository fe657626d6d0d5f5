"""Inputs of linear layers that are multiplied by constants, as the kernels compute them: within the normalisations and the sums around a block.

A normalisation writes y * factors, by its gain and bias, and the sum that reads y too multiplies it by 1 / factors.
"""

from __future__ import annotations

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
        layer, factors = _common(layer, scaled=bool(layers) or encoder.widen is None)
        after = _scaled(before, factors)
        if layers:
            layers[-1] = replace(layers[-1], mlp_norm=after)
        else:
            norm = after
        inner = layer.up.factors
        attention_norm = _scaled(replace(layer.attention_norm, scale=_inverse(factors)), inner)
        before = replace(layer.mlp_norm, scale=_inverse(inner))
        layers.append(
            replace(
                layer,
                query=replace(layer.query, factors=None),
                key=replace(layer.key, factors=None),
                value=replace(layer.value, factors=None),
                up=replace(layer.up, factors=None),
                output=_plain(layer.output),
                down=_plain(layer.down),
                attention_norm=attention_norm,
                mlp_norm=before,
            )
        )
    head = tuple(replace(dense, linear=_plain(dense.linear)) for dense in encoder.head)
    widen = None if encoder.widen is None else _plain(encoder.widen)
    return replace(encoder, norm=norm, widen=widen, layers=tuple(layers), head=head)


def _common(layer: Layer, *, scaled: bool) -> tuple[Layer, Floats | None]:
    """The factors that queries, keys and values share; where they differ, or no normalisation stands before them, the weights take them back."""
    found = [linear.factors for linear in (layer.query, layer.key, layer.value)]
    first = found[0]
    if (
        scaled
        and first is not None
        and all(other is not None and np.array_equal(first, other) for other in found)
    ):
        return layer, first
    query, key, value = _plain(layer.query), _plain(layer.key), _plain(layer.value)
    return replace(layer, query=query, key=key, value=value), None


def _plain(linear: Linear) -> Linear:
    """The layer with its factors in its weights."""
    if linear.factors is None:
        return linear
    return replace(linear, weight=linear.weight * linear.factors, factors=None)


def _scaled(norm: Norm, factors: Floats | None) -> Norm:
    return norm if factors is None else replace(norm, gain=norm.gain * factors, bias=norm.bias * factors)


def _inverse(factors: Floats | None) -> Floats | None:
    return None if factors is None else (1 / factors).astype(np.float32)

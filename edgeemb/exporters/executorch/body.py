"""Precision of everything but the tables, by torchao's recipes for XNNPACK."""

from __future__ import annotations

import torch
from torch import nn
from torchao.quantization.granularity import PerAxis, PerGroup
from torchao.quantization.quant_api import Int8DynamicActivationIntxWeightConfig, quantize_

#: Weights that share a scale in a 4-bit body.
GROUP = 32


def quantize_body(module: nn.Module, body: str) -> list[str]:
    """Quantise the linear layers of a module in place.

    Weights are int8 with a scale per output channel, or int4 in groups; activations become int8 at run time, with a scale per
    token (https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-quantization.html).

    :param module: the module.
    :param body: a key of `BODIES`.
    :return: remarks for the user.
    """
    if body == "fp32":
        return []
    int8 = body == "int8"
    config = Int8DynamicActivationIntxWeightConfig(
        weight_dtype=torch.int8 if int8 else torch.int4,  # type: ignore[attr-defined]
        weight_granularity=PerAxis(0) if int8 else PerGroup(GROUP),
        intx_choose_qparams_algorithm="hqq_scale_only",
    )
    skipped: list[str] = []

    def takes(layer: nn.Module, name: str) -> bool:
        if not isinstance(layer, nn.Linear):
            return False
        if not int8 and layer.in_features % GROUP:
            skipped.append(name)
            return False
        return True

    quantize_(module, config, filter_fn=takes)
    return [f"layer {name} stays float32: its inputs are not a multiple of {GROUP}" for name in skipped]

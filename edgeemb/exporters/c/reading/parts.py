"""Modules of torch as the parts of a C export, or a refusal that names them."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgeemb.body.smoothing import ScaledLinear
from edgeemb.errors import ExportError
from edgeemb.exporters.c.encoder import Floats, Linear, Norm

#: Enumerators of `runtimes/micro/layers.h`, by the class of the activation.
ACTIVATIONS = {
    "Identity": "EEM_IDENTITY",
    "ReLU": "EEM_RELU",
    "GELU": "EEM_GELU",
    "GELUActivation": "EEM_GELU",
    "NewGELUActivation": "EEM_GELU_TANH",
    "GELUTanh": "EEM_GELU_TANH",
    "FastGELUActivation": "EEM_GELU_TANH",
    "Tanh": "EEM_TANH",
    "Sigmoid": "EEM_SIGMOID",
    "SiLU": "EEM_SILU",
    "SiLUActivation": "EEM_SILU",
}


def linear(layer: nn.Module, path: str) -> Linear:
    """A linear layer.

    :param layer: the module.
    :param path: where it is in the model.
    :raises ExportError: if it is something else.
    """
    if type(layer) not in (nn.Linear, ScaledLinear):
        raise refused(layer, path)
    assert isinstance(layer, nn.Linear)
    bias = np.zeros(layer.out_features, np.float32) if layer.bias is None else floats(layer.bias)
    factors = floats(layer.factors) if isinstance(layer, ScaledLinear) else None
    return Linear(floats(layer.weight), bias, factors)


def outputs_of(whole: Linear, parts: int) -> list[Linear]:
    """A linear layer as several with as many outputs each.

    :param whole: the layer.
    :param parts: how many.
    """
    size = len(whole.bias) // parts
    return [
        replace(
            whole,
            weight=whole.weight[first : first + size],
            bias=whole.bias[first : first + size],
            whole=(whole.weight, first),
        )
        for first in range(0, size * parts, size)
    ]


def norm(layer: nn.Module, path: str) -> Norm:
    """A layer normalisation.

    :param layer: the module.
    :param path: where it is in the model.
    :raises ExportError: if it is something else, or has no gain.
    """
    if type(layer) is not nn.LayerNorm or len(layer.normalized_shape) != 1 or layer.weight is None:
        raise refused(layer, path)
    gain = floats(layer.weight)
    bias = np.zeros_like(gain) if layer.bias is None else floats(layer.bias)
    return Norm(gain, bias, float(layer.eps))


def activation(layer: Any, path: str) -> str:
    """The enumerator of an activation.

    :param layer: the module or function.
    :param path: where it is in the model.
    :raises ExportError: if the kernels do not have it.
    """
    name = (
        type(layer).__name__
        if isinstance(layer, nn.Module)
        else {"gelu": "GELU", "relu": "ReLU", "tanh": "Tanh"}.get(layer.__name__, "")
    )
    if name not in ACTIVATIONS:
        raise refused(layer, path)
    return ACTIVATIONS[name]


def floats(tensor: torch.Tensor) -> Floats:
    """The values of a parameter, float32.

    :param tensor: the parameter.
    """
    return np.ascontiguousarray(tensor.detach().to(torch.float32).numpy())


def refused(part: Any, path: str) -> ExportError:
    """The error for what the kernels cannot compute: its path, its class and the line where that class stands.

    :param part: the module or function.
    :param path: where it is in the model; empty for the whole.
    """
    kind = type(part) if not inspect.isroutine(part) else part
    try:
        line = inspect.getsourcelines(kind)[1]
        file = Path(inspect.getsourcefile(kind) or "").name
        where = f", {file} line {line}"
    except (OSError, TypeError):
        where = ""
    name = f"'{path}' " if path else ""
    return ExportError(
        f"the C runtime cannot compute {name}({kind.__name__}{where}): "
        "it takes encoders of BERT, RoBERTa, XLM-R, CamemBERT, data2vec, DistilBERT, MPNet, ALBERT, ELECTRA, ModernBERT, NomicBERT and GTE, and static "
        "embeddings; "
        "use runtime='onnx', or another model"
    )

"""What the C writer takes from a torch module: the parts of a transformer encoder, found by the structure of the supported families.

Whatever the kernels cannot compute is refused by its path in the module, its class and the line where that class stands.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgeemb.body.smoothing import ScaledLinear
from edgeemb.errors import ExportError
from edgeemb.exporters.c.encoder import Dense, Encoder, Floats, Layer, Linear, Norm, Words
from edgeemb.models.huggingface.modules import (
    FirstElements,
    Normalize,
    SentenceEncoder,
    SequenceClassifier,
)
from edgeemb.models.torch_model import Model
from edgeemb.models.words import WordsModel

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
}
#: Enumerators of `runtimes/micro/pooling.h`, by the name of the mode.
POOLINGS = {
    "cls": "EEM_CLS",
    "max": "EEM_MAX",
    "mean": "EEM_MEAN",
    "mean_sqrt_len_tokens": "EEM_MEAN_SQRT",
    "weightedmean": "EEM_WEIGHTED_MEAN",
    "lasttoken": "EEM_LAST",
}
_FAMILIES = ("BertModel", "RobertaModel", "XLMRobertaModel", "DistilBertModel")


def read_encoder(model: Model) -> Encoder:
    """The parts of a model.

    :param model: a loaded model.
    :raises ExportError: naming the first module that the kernels cannot compute.
    """
    module, prefix = model.module, ""
    words, kept = None, 0
    if isinstance(module, WordsModel):
        layer = module.projection
        words = Words(
            module.rows.form, _linear(layer, "projection") if isinstance(layer, nn.Linear) else None
        )
        module, prefix = module.inner, "inner."
    if isinstance(module, SentenceEncoder):
        body, path = module.body, f"{prefix}body"
        pooling = tuple(POOLINGS[mode] for mode in module.pooling.modes)
        stages = list(module.head.named_children())
        first = stages[0][1] if stages else None
        if isinstance(first, FirstElements):
            kept = first.count
            del stages[0]
        head, unit = _stages(stages, f"{prefix}head")
    elif isinstance(module, SequenceClassifier):
        whole: Any = module.body
        base = str(whole.base_model_prefix)
        body, path = getattr(whole, base), f"{prefix}body.{base}"
        pooling, unit = ("EEM_CLS",), False
        head = _classifier(whole)
    else:
        raise _refused(module, "")
    encoder = replace(_encoder(body, path, pooling, head, unit), kept=kept)
    return encoder if words is None else replace(encoder, word=words)


def _encoder(body: Any, path: str, pooling: tuple[str, ...], head: tuple[Dense, ...], unit: bool) -> Encoder:
    if type(body).__name__ not in _FAMILIES:
        raise _refused(*_culprit(body, path))
    distil = type(body).__name__ == "DistilBertModel"
    sums = body.embeddings
    types = getattr(sums, "token_type_embeddings", None)
    blocks = body.transformer.layer if distil else body.encoder.layer
    read = _distil_layer if distil else _bert_layer
    prefix = f"{path}.{'transformer' if distil else 'encoder'}.layer"
    layers = tuple(read(block, f"{prefix}.{number}") for number, block in enumerate(blocks))
    heads = int(body.config.num_attention_heads)
    dim = int(body.config.dim if distil else body.config.hidden_size)
    if dim % heads or dim // heads % 2:
        raise ExportError(
            f"{path}: heads of {dim / heads:g} elements are not supported by the C runtime: it takes an even number"
        )
    return Encoder(
        word=f"{path}.embeddings.word_embeddings.weight",
        position=f"{path}.embeddings.position_embeddings.weight",
        first_position=0
        if type(body).__name__ in ("BertModel", "DistilBertModel")
        else int(body.config.pad_token_id) + 1,
        constant=None if types is None else _floats(types.weight[0]),
        norm=_norm(sums.LayerNorm, f"{path}.embeddings.LayerNorm"),
        layers=layers,
        heads=heads,
        temperature=float((dim // heads) ** -0.5),
        pooling=pooling,
        head=head,
        unit=unit,
    )


def _bert_layer(block: Any, path: str) -> Layer:
    attention, output = block.attention.self, block.attention.output
    return Layer(
        query=_linear(attention.query, f"{path}.attention.self.query"),
        key=_linear(attention.key, f"{path}.attention.self.key"),
        value=_linear(attention.value, f"{path}.attention.self.value"),
        output=_linear(output.dense, f"{path}.attention.output.dense"),
        attention_norm=_norm(output.LayerNorm, f"{path}.attention.output.LayerNorm"),
        up=_linear(block.intermediate.dense, f"{path}.intermediate.dense"),
        down=_linear(block.output.dense, f"{path}.output.dense"),
        mlp_norm=_norm(block.output.LayerNorm, f"{path}.output.LayerNorm"),
        activation=_activation(
            block.intermediate.intermediate_act_fn, f"{path}.intermediate.intermediate_act_fn"
        ),
    )


def _distil_layer(block: Any, path: str) -> Layer:
    attention, mlp = block.attention, block.ffn
    return Layer(
        query=_linear(attention.q_lin, f"{path}.attention.q_lin"),
        key=_linear(attention.k_lin, f"{path}.attention.k_lin"),
        value=_linear(attention.v_lin, f"{path}.attention.v_lin"),
        output=_linear(attention.out_lin, f"{path}.attention.out_lin"),
        attention_norm=_norm(block.sa_layer_norm, f"{path}.sa_layer_norm"),
        up=_linear(mlp.lin1, f"{path}.ffn.lin1"),
        down=_linear(mlp.lin2, f"{path}.ffn.lin2"),
        mlp_norm=_norm(block.output_layer_norm, f"{path}.output_layer_norm"),
        activation=_activation(mlp.activation, f"{path}.ffn.activation"),
    )


def _stages(head: Sequence[tuple[str, nn.Module]], path: str) -> tuple[tuple[Dense, ...], bool]:
    """Dense layers with what follows each, and whether a normalisation ends them."""
    stages: list[Dense] = []
    unit = False
    for name, stage in head:
        where = f"{path}.{name}"
        if unit:
            raise _refused(stage, where)
        if isinstance(stage, Normalize):
            unit = True
        elif isinstance(stage, nn.Linear):
            stages.append(Dense(_linear(stage, where), "EEM_IDENTITY"))
        elif stages:
            stages[-1] = Dense(stages[-1].linear, _activation(stage, where))
        elif not isinstance(stage, nn.Identity | nn.Dropout):
            raise _refused(stage, where)
    return tuple(stages), unit


def _classifier(whole: Any) -> tuple[Dense, ...]:
    """The head of a sequence classifier: it reads the first token, as every supported family's does."""
    name = type(whole).__name__
    match name:
        case "BertForSequenceClassification":
            pooler = whole.bert.pooler
            first = Dense(
                _linear(pooler.dense, "body.bert.pooler.dense"),
                _activation(pooler.activation, "body.bert.pooler.activation"),
            )
            return first, Dense(_linear(whole.classifier, "body.classifier"), "EEM_IDENTITY")
        case "DistilBertForSequenceClassification":
            first = Dense(_linear(whole.pre_classifier, "body.pre_classifier"), "EEM_RELU")
            return first, Dense(_linear(whole.classifier, "body.classifier"), "EEM_IDENTITY")
        case "RobertaForSequenceClassification" | "XLMRobertaForSequenceClassification":
            head = whole.classifier
            first = Dense(_linear(head.dense, "body.classifier.dense"), "EEM_TANH")
            return first, Dense(_linear(head.out_proj, "body.classifier.out_proj"), "EEM_IDENTITY")
    raise _refused(whole, "body")


def _linear(layer: nn.Module, path: str) -> Linear:
    if type(layer) not in (nn.Linear, ScaledLinear):
        raise _refused(layer, path)
    assert isinstance(layer, nn.Linear)
    bias = np.zeros(layer.out_features, np.float32) if layer.bias is None else _floats(layer.bias)
    factors = _floats(layer.factors) if isinstance(layer, ScaledLinear) else None
    return Linear(_floats(layer.weight), bias, factors)


def _norm(layer: nn.Module, path: str) -> Norm:
    if (
        type(layer) is not nn.LayerNorm
        or len(layer.normalized_shape) != 1
        or layer.weight is None
        or layer.bias is None
    ):
        raise _refused(layer, path)
    return Norm(_floats(layer.weight), _floats(layer.bias), float(layer.eps))


def _activation(layer: Any, path: str) -> str:
    name = (
        type(layer).__name__
        if isinstance(layer, nn.Module)
        else {"gelu": "GELU", "relu": "ReLU", "tanh": "Tanh"}.get(layer.__name__, "")
    )
    if name not in ACTIVATIONS:
        raise _refused(layer, path)
    return ACTIVATIONS[name]


def _floats(tensor: torch.Tensor) -> Floats:
    return np.ascontiguousarray(tensor.detach().to(torch.float32).numpy())


def _culprit(body: Any, path: str) -> tuple[nn.Module, str]:
    """The attention of an unknown body, if there is one: the most common obstacle."""
    for name, module in body.named_modules():
        if type(module).__name__.endswith("SelfAttention"):
            return module, f"{path}.{name}"
    return body, path


def _refused(part: Any, path: str) -> ExportError:
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
        "it takes BERT, RoBERTa, XLM-R and DistilBERT encoders; use runtime='onnx', or another model"
    )

"""What the C writer takes from a torch module: the parts of a transformer encoder, found by the structure of the supported families.

Whatever the kernels cannot compute is refused by its path in the module, its class and the line where that class stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from edgeemb.errors import ExportError
from edgeemb.exporters.c.encoder import Decoder, Dense, Encoder, Words
from edgeemb.exporters.c.reading.families import FAMILIES
from edgeemb.exporters.c.reading.family import Family
from edgeemb.exporters.c.reading.parts import activation, floats, linear, norm, refused
from edgeemb.models.huggingface.modules import (
    FirstElements,
    Normalize,
    SentenceEncoder,
    SequenceClassifier,
    TokenEncoder,
    TokenModel,
)
from edgeemb.models.torch.model import Model
from edgeemb.models.words import WordsModel
from edgeemb.tasks.registry import MASKED_LM, QUESTION_ANSWERING, TOKEN_CLASSIFICATION
from edgeemb.torch_tables.heads import tied_layers

#: Enumerators of `runtimes/micro/pooling.h`, by the name of the mode.
POOLINGS = {
    "cls": "EEM_CLS",
    "max": "EEM_MAX",
    "mean": "EEM_MEAN",
    "mean_sqrt_len_tokens": "EEM_MEAN_SQRT",
    "weightedmean": "EEM_WEIGHTED_MEAN",
    "lasttoken": "EEM_LAST",
}
#: By the name of a task with a row for each token: how the class of its models ends, and from the family and a model its head and the path of
#: an output layer over the table of words, empty for none.
_TOKEN_HEADS: dict[str, tuple[str, Callable[[Family, Any], tuple[tuple[Dense, ...], str]]]] = {
    TOKEN_CLASSIFICATION.name: ("ForTokenClassification", lambda family, whole: (family.labeller(whole), "")),
    QUESTION_ANSWERING.name: ("ForQuestionAnswering", lambda family, whole: (family.answerer(whole), "")),
    MASKED_LM.name: ("ForMaskedLM", lambda family, whole: _masked(family, whole)),
}


def read_encoder(model: Model) -> Encoder:
    """The parts of a model.

    :param model: a loaded model.
    :raises ExportError: naming the first module that the kernels cannot compute.
    """
    module, prefix = model.module, ""
    words, kept, task, output = None, 0, None, ""
    if isinstance(module, WordsModel):
        layer = module.projection
        words = Words(module.rows.form, linear(layer, "projection") if isinstance(layer, nn.Linear) else None)
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
        body, path = _base(whole, f"{prefix}body", "ForSequenceClassification")
        family = _family(body, path)
        pooling, unit = (family.pooling(whole),), False
        head = family.classifier(whole)
    elif isinstance(module, TokenModel) and words is None:
        whole, task = module.body, model.task
        if task is None or task.name not in _TOKEN_HEADS:
            raise refused(whole, "body")
        ending, found = _TOKEN_HEADS[task.name]
        body, path = _base(whole, "body", ending)
        pooling, unit = (), False
        head, output = found(_family(body, path), whole)
    elif isinstance(module, TokenEncoder) and words is None:
        body, path, pooling = module.body, "body", ()
        head, unit = _stages(list(module.head.named_children()), "head")
    else:
        raise refused(module, "")
    encoder = replace(_encoder(body, path, pooling, head, unit), kept=kept, task=task)
    if output:
        encoder = replace(encoder, decoder=_decoder(model.module, output, str(encoder.word)))
    return encoder if words is None else replace(encoder, word=words)


def _masked(family: Family, whole: Any) -> tuple[tuple[Dense, ...], str]:
    dense, output = family.masked(whole)
    return (dense,), output


def _decoder(module: nn.Module, path: str, table: str) -> Decoder:
    """An output layer over the table of words."""
    layer: Any = module.get_submodule(path)
    if path not in tied_layers(module, module.get_parameter(table))[0]:
        raise ExportError(
            f"'{path}' has weights of its own: the C runtime computes logits over the table of words alone; use runtime='onnx'"
        )
    bias = np.zeros(layer.out_features, np.float32) if layer.bias is None else floats(layer.bias)
    return Decoder(table, bias)


def _base(whole: Any, path: str, task: str) -> tuple[Any, str]:
    """The encoder in a transformers model for a task, and its path; other models of its family are refused."""
    base = str(whole.base_model_prefix)
    body, inner = getattr(whole, base), f"{path}.{base}"
    _family(body, inner)
    if type(whole).__name__ != f"{type(body).__name__.removesuffix('Model')}{task}":
        raise refused(whole, path)
    return body, inner


def _family(body: Any, path: str) -> Family:
    if type(body).__name__ not in FAMILIES:
        raise refused(*_culprit(body, path))
    return FAMILIES[type(body).__name__]


def _encoder(body: Any, path: str, pooling: tuple[str, ...], head: tuple[Dense, ...], unit: bool) -> Encoder:
    family = _family(body, path)
    sums = family.sums
    types = getattr(body.embeddings, "token_type_embeddings", None)
    layers = tuple(family.layers(body, path))
    heads = int(body.config.num_attention_heads)
    widen = family.widen(body, path)
    first = norm(body.get_submodule(sums.norm), f"{path}.{sums.norm}")
    width = len(first.gain)
    dim = width if widen is None else len(widen.bias)
    if dim % heads or dim // heads % 2:
        raise ExportError(
            f"{path}: heads of {dim / heads:g} elements are not supported by the C runtime: it takes an even number"
        )
    if width > dim:
        raise ExportError(
            f"{path}: embeddings of {width} elements are wider than the layers, which have {dim}: the C runtime cannot narrow them"
        )
    if any(len(layer.query.bias) != dim for layer in layers):
        raise ExportError(
            f"{path}: the heads together are not as wide as the layers, which have {dim} elements: the C runtime cannot compute that"
        )
    return Encoder(
        word=f"{path}.{sums.word}.weight",
        position=f"{path}.{sums.position}.weight" if sums.position else None,
        first_position=family.first_position(body),
        types=None if types is None else floats(types.weight),
        norm=first,
        widen=widen,
        relative=family.relative(body, path),
        layers=layers,
        final=family.final(body, path),
        heads=heads,
        temperature=float((dim // heads) ** -0.5),
        pooling=pooling,
        head=head,
        unit=unit,
    )


def _stages(head: Sequence[tuple[str, nn.Module]], path: str) -> tuple[tuple[Dense, ...], bool]:
    """Dense layers with what follows each, and whether a normalisation ends them."""
    stages: list[Dense] = []
    unit = False
    for name, stage in head:
        where = f"{path}.{name}"
        if unit:
            raise refused(stage, where)
        if isinstance(stage, Normalize):
            unit = True
        elif isinstance(stage, nn.Linear):
            stages.append(Dense(linear(stage, where), "EEM_IDENTITY"))
        elif stages:
            stages[-1] = Dense(stages[-1].linear, activation(stage, where))
        elif not isinstance(stage, nn.Identity | nn.Dropout):
            raise refused(stage, where)
    return tuple(stages), unit


def _culprit(body: Any, path: str) -> tuple[nn.Module, str]:
    """The attention of an unknown body, if there is one: the most common obstacle."""
    for ending in ("SelfAttention", "Attention"):
        for name, module in body.named_modules():
            if type(module).__name__.endswith(ending):
                return module, f"{path}.{name}"
    return body, path

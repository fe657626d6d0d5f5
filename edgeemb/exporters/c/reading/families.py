"""The families of encoders that a C export takes, one record each, by the class of the body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgeemb.exporters.c.encoder import Dense, Layer, Linear, Relative
from edgeemb.exporters.c.reading.family import (
    Family,
    Names,
    last,
    masked_head,
    pooler_classifier,
    read_layer,
)
from edgeemb.exporters.c.reading.parts import activation, linear, norm
from edgeemb.exporters.c.reading.rotary import GTE, MODERN, NOMIC

_BERT = Names(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    mlp_norm="output.LayerNorm",
    activation="intermediate.intermediate_act_fn",
)
_MPNET = replace(
    _BERT,
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    output="attention.attn.o",
    attention_norm="attention.LayerNorm",
)
_DISTIL = Names(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    output="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    mlp_norm="output_layer_norm",
    activation="ffn.activation",
)
_ALBERT = Names(
    query="attention.query",
    key="attention.key",
    value="attention.value",
    output="attention.dense",
    attention_norm="attention.LayerNorm",
    up="ffn",
    down="ffn_output",
    mlp_norm="full_layer_layer_norm",
    activation="activation",
)


def _layers(names: Names, inner: str) -> Callable[[Any, str], Sequence[Layer]]:
    """Of a body whose layers are a list."""

    def all_of_them(body: Any, path: str) -> Sequence[Layer]:
        return [
            read_layer(names, block, f"{path}.{inner}.{number}")
            for number, block in enumerate(body.get_submodule(inner))
        ]

    return all_of_them


def _mpnet_relative(body: Any, path: str) -> Relative:
    def buckets(distances: NDArray[np.int64]) -> NDArray[np.int64]:
        found = body.encoder.relative_position_bucket(torch.from_numpy(distances))
        return np.asarray(found.numpy(), np.int64)

    return Relative(f"{path}.encoder.relative_attention_bias.weight", buckets)


def _albert_layers(body: Any, path: str) -> Sequence[Layer]:
    count, groups = body.config.num_hidden_layers, body.encoder.albert_layer_groups
    return [
        read_layer(_ALBERT, block, f"{path}.encoder.albert_layer_groups.{group}.albert_layers.{number}")
        for group in (int(at / (count / len(groups))) for at in range(count))
        for number, block in enumerate(groups[group].albert_layers)
    ]


def _albert_widen(body: Any, path: str) -> Linear:
    return linear(body.encoder.embedding_hidden_mapping_in, f"{path}.encoder.embedding_hidden_mapping_in")


def _electra_widen(body: Any, path: str) -> Linear | None:
    project = getattr(body, "embeddings_project", None)
    return None if project is None else linear(project, f"{path}.embeddings_project")


def _albert_classifier(whole: Any) -> tuple[Dense, ...]:
    first = Dense(
        linear(whole.albert.pooler, "body.albert.pooler"),
        activation(whole.albert.pooler_activation, "body.albert.pooler_activation"),
    )
    return first, last(whole.classifier, "body.classifier")


def _distil_classifier(whole: Any) -> tuple[Dense, ...]:
    first = Dense(linear(whole.pre_classifier, "body.pre_classifier"), "EEM_RELU")
    return first, last(whole.classifier, "body.classifier")


def _dense_classifier(kind: str) -> Callable[[Any], tuple[Dense, ...]]:
    """A head of two layers, with an activation that its class does not name."""

    def both(whole: Any) -> tuple[Dense, ...]:
        head = whole.classifier
        return Dense(linear(head.dense, "body.classifier.dense"), kind), last(
            head.out_proj, "body.classifier.out_proj"
        )

    return both


def _lm_head(whole: Any) -> tuple[Dense, str]:
    return masked_head(whole, "lm_head", "layer_norm", "lm_head.decoder")


def _albert_masked(whole: Any) -> tuple[Dense, str]:
    return masked_head(whole, "predictions", "LayerNorm", "predictions.decoder", "activation")


def _electra_masked(whole: Any) -> tuple[Dense, str]:
    return masked_head(whole, "generator_predictions", "LayerNorm", "generator_lm_head", "activation")


def _distil_masked(whole: Any) -> tuple[Dense, str]:
    dense = Dense(
        linear(whole.vocab_transform, "body.vocab_transform"),
        activation(whole.activation, "body.activation"),
        norm(whole.vocab_layer_norm, "body.vocab_layer_norm"),
    )
    return dense, "body.vocab_projector"


def _behind_padding(body: Any) -> int:
    """Positions begin behind the row of padding."""
    return int(body.config.pad_token_id) + 1


_ROBERTA = Family(
    _layers(_BERT, "encoder.layer"),
    _dense_classifier("EEM_TANH"),
    masked=_lm_head,
    first_position=_behind_padding,
)

#: By the class of the body.
FAMILIES = {
    "BertModel": Family(_layers(_BERT, "encoder.layer"), pooler_classifier),
    "RobertaModel": _ROBERTA,
    "XLMRobertaModel": _ROBERTA,
    "CamembertModel": _ROBERTA,
    "Data2VecTextModel": _ROBERTA,
    "DistilBertModel": Family(
        _layers(_DISTIL, "transformer.layer"), _distil_classifier, masked=_distil_masked
    ),
    "MPNetModel": Family(
        _layers(_MPNET, "encoder.layer"),
        _dense_classifier("EEM_TANH"),
        masked=_lm_head,
        first_position=lambda body: int(body.embeddings.padding_idx) + 1,
        relative=_mpnet_relative,
    ),
    "AlbertModel": Family(_albert_layers, _albert_classifier, masked=_albert_masked, widen=_albert_widen),
    "ElectraModel": Family(
        _layers(_BERT, "encoder.layer"),
        _dense_classifier("EEM_GELU"),
        masked=_electra_masked,
        widen=_electra_widen,
    ),
    "ModernBertModel": MODERN,
    "NomicBertModel": NOMIC,
    "GteModel": GTE,
}

"""The families of encoders that a C export takes, one record each, by the class of the body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgeemb.exporters.c.encoder import Dense, Layer, Linear, Relative
from edgeemb.exporters.c.reading.parts import activation, linear, norm


@dataclass(frozen=True)
class Family:
    """How a family holds its parts.

    :param layers: the layers in the order in which they run, from the body and its path; one that runs twice is there twice.
    :param classifier: the head of its sequence classifier, which reads the first token, from the whole model.
    :param first_position: row of the position table that the first token takes, from the body.
    :param widen: from the width of the embeddings to that of the layers, from the body and its path.
    :param relative: what is added to scores, from the body and its path.
    """

    layers: Callable[[Any, str], Sequence[Layer]]
    classifier: Callable[[Any], tuple[Dense, ...]]
    first_position: Callable[[Any], int] = lambda body: 0
    widen: Callable[[Any, str], Linear | None] = lambda body, path: None
    relative: Callable[[Any, str], Relative | None] = lambda body, path: None


def _layers(read: Callable[[Any, str], Layer], inner: str) -> Callable[[Any, str], Sequence[Layer]]:
    """Of a body whose layers are a list."""

    def all_of_them(body: Any, path: str) -> Sequence[Layer]:
        return [
            read(block, f"{path}.{inner}.{number}") for number, block in enumerate(body.get_submodule(inner))
        ]

    return all_of_them


def _bert_layer(block: Any, path: str) -> Layer:
    attention, output = block.attention.self, block.attention.output
    return Layer(
        query=linear(attention.query, f"{path}.attention.self.query"),
        key=linear(attention.key, f"{path}.attention.self.key"),
        value=linear(attention.value, f"{path}.attention.self.value"),
        output=linear(output.dense, f"{path}.attention.output.dense"),
        attention_norm=norm(output.LayerNorm, f"{path}.attention.output.LayerNorm"),
        **_bert_mlp(block, path),
    )


def _bert_mlp(block: Any, path: str) -> dict[str, Any]:
    inner = block.intermediate
    return {
        "up": linear(inner.dense, f"{path}.intermediate.dense"),
        "down": linear(block.output.dense, f"{path}.output.dense"),
        "mlp_norm": norm(block.output.LayerNorm, f"{path}.output.LayerNorm"),
        "activation": activation(inner.intermediate_act_fn, f"{path}.intermediate.intermediate_act_fn"),
    }


def _distil_layer(block: Any, path: str) -> Layer:
    attention, mlp = block.attention, block.ffn
    return Layer(
        query=linear(attention.q_lin, f"{path}.attention.q_lin"),
        key=linear(attention.k_lin, f"{path}.attention.k_lin"),
        value=linear(attention.v_lin, f"{path}.attention.v_lin"),
        output=linear(attention.out_lin, f"{path}.attention.out_lin"),
        attention_norm=norm(block.sa_layer_norm, f"{path}.sa_layer_norm"),
        up=linear(mlp.lin1, f"{path}.ffn.lin1"),
        down=linear(mlp.lin2, f"{path}.ffn.lin2"),
        mlp_norm=norm(block.output_layer_norm, f"{path}.output_layer_norm"),
        activation=activation(mlp.activation, f"{path}.ffn.activation"),
    )


def _mpnet_layer(block: Any, path: str) -> Layer:
    attention = block.attention.attn
    return Layer(
        query=linear(attention.q, f"{path}.attention.attn.q"),
        key=linear(attention.k, f"{path}.attention.attn.k"),
        value=linear(attention.v, f"{path}.attention.attn.v"),
        output=linear(attention.o, f"{path}.attention.attn.o"),
        attention_norm=norm(block.attention.LayerNorm, f"{path}.attention.LayerNorm"),
        **_bert_mlp(block, path),
    )


def _mpnet_relative(body: Any, path: str) -> Relative:
    def buckets(distances: NDArray[np.int64]) -> NDArray[np.int64]:
        found = body.encoder.relative_position_bucket(torch.from_numpy(distances))
        return np.asarray(found.numpy(), np.int64)

    return Relative(f"{path}.encoder.relative_attention_bias.weight", buckets)


def _albert_layer(block: Any, path: str) -> Layer:
    attention = block.attention
    return Layer(
        query=linear(attention.query, f"{path}.attention.query"),
        key=linear(attention.key, f"{path}.attention.key"),
        value=linear(attention.value, f"{path}.attention.value"),
        output=linear(attention.dense, f"{path}.attention.dense"),
        attention_norm=norm(attention.LayerNorm, f"{path}.attention.LayerNorm"),
        up=linear(block.ffn, f"{path}.ffn"),
        down=linear(block.ffn_output, f"{path}.ffn_output"),
        mlp_norm=norm(block.full_layer_layer_norm, f"{path}.full_layer_layer_norm"),
        activation=activation(block.activation, f"{path}.activation"),
    )


def _albert_layers(body: Any, path: str) -> Sequence[Layer]:
    count, groups = body.config.num_hidden_layers, body.encoder.albert_layer_groups
    return [
        _albert_layer(block, f"{path}.encoder.albert_layer_groups.{group}.albert_layers.{number}")
        for group in (int(at / (count / len(groups))) for at in range(count))
        for number, block in enumerate(groups[group].albert_layers)
    ]


def _albert_widen(body: Any, path: str) -> Linear:
    return linear(body.encoder.embedding_hidden_mapping_in, f"{path}.encoder.embedding_hidden_mapping_in")


def _electra_widen(body: Any, path: str) -> Linear | None:
    project = getattr(body, "embeddings_project", None)
    return None if project is None else linear(project, f"{path}.embeddings_project")


def _pooler_classifier(whole: Any) -> tuple[Dense, ...]:
    pooler = whole.bert.pooler
    first = Dense(
        linear(pooler.dense, "body.bert.pooler.dense"),
        activation(pooler.activation, "body.bert.pooler.activation"),
    )
    return first, _last(whole.classifier, "body.classifier")


def _albert_classifier(whole: Any) -> tuple[Dense, ...]:
    first = Dense(
        linear(whole.albert.pooler, "body.albert.pooler"),
        activation(whole.albert.pooler_activation, "body.albert.pooler_activation"),
    )
    return first, _last(whole.classifier, "body.classifier")


def _distil_classifier(whole: Any) -> tuple[Dense, ...]:
    first = Dense(linear(whole.pre_classifier, "body.pre_classifier"), "EEM_RELU")
    return first, _last(whole.classifier, "body.classifier")


def _dense_classifier(kind: str) -> Callable[[Any], tuple[Dense, ...]]:
    """A head of two layers, with an activation that its class does not name."""

    def both(whole: Any) -> tuple[Dense, ...]:
        head = whole.classifier
        return Dense(linear(head.dense, "body.classifier.dense"), kind), _last(
            head.out_proj, "body.classifier.out_proj"
        )

    return both


def _last(layer: Any, path: str) -> Dense:
    return Dense(linear(layer, path), "EEM_IDENTITY")


def _behind_padding(body: Any) -> int:
    """Positions begin behind the row of padding."""
    return int(body.config.pad_token_id) + 1


_ROBERTA = Family(
    _layers(_bert_layer, "encoder.layer"), _dense_classifier("EEM_TANH"), first_position=_behind_padding
)

#: By the class of the body.
FAMILIES = {
    "BertModel": Family(_layers(_bert_layer, "encoder.layer"), _pooler_classifier),
    "RobertaModel": _ROBERTA,
    "XLMRobertaModel": _ROBERTA,
    "DistilBertModel": Family(_layers(_distil_layer, "transformer.layer"), _distil_classifier),
    "MPNetModel": Family(
        _layers(_mpnet_layer, "encoder.layer"),
        _dense_classifier("EEM_TANH"),
        first_position=lambda body: int(body.embeddings.padding_idx) + 1,
        relative=_mpnet_relative,
    ),
    "AlbertModel": Family(_albert_layers, _albert_classifier, widen=_albert_widen),
    "ElectraModel": Family(
        _layers(_bert_layer, "encoder.layer"), _dense_classifier("EEM_GELU"), widen=_electra_widen
    ),
}

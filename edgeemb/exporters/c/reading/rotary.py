"""Families whose positions turn queries and keys: ModernBERT, NomicBERT and GTE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from edgeemb.exporters.c.encoder import Dense, Floats, Layer, Norm
from edgeemb.exporters.c.reading.family import (
    Family,
    Names,
    Sums,
    last,
    masked_head,
    pooler_classifier,
    read_layer,
)
from edgeemb.exporters.c.reading.parts import activation, linear, norm, outputs_of, refused

#: Kinds of rotary positions whose angles depend on the length of the text.
_BY_LENGTH = ("dynamic", "longrope")


def _rotation(body: Any, path: str, *kind: str) -> Callable[[int], Floats]:
    """What turns queries and keys.

    :param body: the body.
    :param path: where it is in the model.
    :param kind: type of the layers, where a body has several.
    """
    turns = body.rotary_emb
    if (turns.rope_type[kind[0]] if kind else turns.rope_type) in _BY_LENGTH:
        raise refused(turns, f"{path}.rotary_emb")

    def table(tokens: int) -> Floats:
        parts = turns(torch.zeros(1), torch.arange(tokens)[None], *kind)
        cosines, sines = (part[0, :, : part.shape[-1] // 2].numpy() for part in parts)
        return np.ascontiguousarray(np.concatenate([cosines, sines], axis=1), np.float32)

    return table


_SWIGLU = Names(
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    output="self_attn.o_proj",
    attention_norm="post_attention_layernorm",
    up="mlp.gate_proj",
    gate="mlp.up_proj",
    down="mlp.down_proj",
    mlp_norm="post_mlp_layernorm",
    activation="mlp.act_fn",
)


def _layers(body: Any, path: str) -> Sequence[Layer]:
    rotation = _rotation(body, path)
    return [
        replace(read_layer(_SWIGLU, block, f"{path}.layers.{number}"), rotation=rotation)
        for number, block in enumerate(body.layers)
    ]


def _modern_layer(body: Any, path: str, number: int) -> Layer:
    block, inner = body.layers[number], f"{path}.layers.{number}"
    kind = block.attention_type
    query, key, value = outputs_of(linear(block.attn.Wqkv, f"{inner}.attn.Wqkv"), 3)
    up, gate = outputs_of(linear(block.mlp.Wi, f"{inner}.mlp.Wi"), 2)
    mlp_norm = norm(block.mlp_norm, f"{inner}.mlp_norm")
    bare = number == 0 and isinstance(block.attn_norm, torch.nn.Identity)
    return Layer(
        query=query,
        key=key,
        value=value,
        output=linear(block.attn.Wo, f"{inner}.attn.Wo"),
        attention_norm=replace(mlp_norm, plain=True) if bare else norm(block.attn_norm, f"{inner}.attn_norm"),
        up=up,
        gate=gate,
        down=linear(block.mlp.Wo, f"{inner}.mlp.Wo"),
        mlp_norm=mlp_norm,
        activation=activation(block.mlp.act, f"{inner}.mlp.act"),
        before=True,
        rotation=_rotation(body, path, kind),
        window=int(body.config.sliding_window) if kind == "sliding_attention" else None,
    )


def _modern_layers(body: Any, path: str) -> Sequence[Layer]:
    return [_modern_layer(body, path, number) for number in range(len(body.layers))]


def _modern_final(body: Any, path: str) -> Norm:
    return norm(body.final_norm, f"{path}.final_norm")


def _modern_head(whole: Any) -> tuple[Dense, ...]:
    head = whole.head
    first = Dense(
        linear(head.dense, "body.head.dense"),
        activation(head.act, "body.head.act"),
        norm(head.norm, "body.head.norm"),
    )
    return first, last(whole.classifier, "body.classifier")


def _modern_masked(whole: Any) -> tuple[Dense, str]:
    return masked_head(whole, "head", "norm", "decoder", "act")


def _modern_pooling(whole: Any) -> str:
    return {"cls": "EEM_CLS", "mean": "EEM_MEAN"}[whole.config.classifier_pooling]


MODERN = Family(
    _modern_layers,
    _modern_head,
    labeller=_modern_head,
    answerer=_modern_head,
    masked=_modern_masked,
    pooling=_modern_pooling,
    sums=Sums(word="embeddings.tok_embeddings", norm="embeddings.norm", position=""),
    final=_modern_final,
)
NOMIC = GTE = Family(_layers, pooler_classifier, sums=Sums(position=""))

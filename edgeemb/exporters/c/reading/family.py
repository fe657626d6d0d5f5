"""What the C writer knows of a family of encoders: how its modules hold the parts of an export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

from edgeemb.exporters.c.encoder import Dense, Layer, Linear, Norm, Relative
from edgeemb.exporters.c.reading.parts import activation, linear, norm


@dataclass(frozen=True)
class Sums:
    """Where a body holds what its rows begin with: paths from the body; empty for what it has not.

    :param word: table of words.
    :param norm: normalisation of the sum.
    :param position: table of positions.
    """

    word: str = "embeddings.word_embeddings"
    norm: str = "embeddings.LayerNorm"
    position: str = "embeddings.position_embeddings"


def last(layer: Any, path: str) -> Dense:
    """A linear layer with nothing behind it.

    :param layer: the module.
    :param path: where it is in the model.
    """
    return Dense(linear(layer, path), "EEM_IDENTITY")


def masked_head(
    whole: Any, transform: str, norm_name: str, decoder: str, act: str = "", kind: str = "EEM_GELU"
) -> tuple[Dense, str]:
    """What rows go through in front of the output layer of a masked language model: dense layer, activation, normalisation.

    :param whole: a transformers model.
    :param transform: path of the module that holds them.
    :param norm_name: of the normalisation in it.
    :param decoder: path of the output layer.
    :param act: of the activation in it.
    :param kind: the activation, where its class does not name it.
    :return: these, and the path of the output layer.
    """
    held, path = whole.get_submodule(transform), f"body.{transform}"
    used = activation(getattr(held, act), f"{path}.{act}") if act else kind
    dense = Dense(
        linear(held.dense, f"{path}.dense"),
        used,
        norm(getattr(held, norm_name), f"{path}.{norm_name}"),
    )
    return dense, f"body.{decoder}"


@dataclass(frozen=True)
class Family:
    """How a family holds its parts.

    :param layers: the layers in the order in which they run, from the body and its path; one that runs twice is there twice.
    :param classifier: the head of its sequence classifier, from the whole model.
    :param labeller: the head of its token classifier, from the whole model.
    :param answerer: the head of its model for question answering, from the whole model.
    :param masked: of its masked language model, from the whole model: what rows go through, and the path of the output layer.
    :param pooling: enumerator of the pooling of its sequence classifier, from the whole model.
    :param sums: what the rows begin with.
    :param first_position: row of the position table that the first token takes, from the body.
    :param widen: from the width of the embeddings to that of the layers, from the body and its path.
    :param relative: what is added to scores, from the body and its path.
    :param final: normalisation behind the last layer, from the body and its path.
    """

    layers: Callable[[Any, str], Sequence[Layer]]
    classifier: Callable[[Any], tuple[Dense, ...]]
    labeller: Callable[[Any], tuple[Dense, ...]] = lambda whole: (last(whole.classifier, "body.classifier"),)
    answerer: Callable[[Any], tuple[Dense, ...]] = lambda whole: (last(whole.qa_outputs, "body.qa_outputs"),)
    masked: Callable[[Any], tuple[Dense, str]] = lambda whole: masked_head(
        whole, "cls.predictions.transform", "LayerNorm", "cls.predictions.decoder", "transform_act_fn"
    )
    pooling: Callable[[Any], str] = lambda whole: "EEM_CLS"
    sums: Sums = Sums()
    first_position: Callable[[Any], int] = lambda body: 0
    widen: Callable[[Any, str], Linear | None] = lambda body, path: None
    relative: Callable[[Any, str], Relative | None] = lambda body, path: None
    final: Callable[[Any, str], Norm | None] = lambda body, path: None


def pooler_classifier(whole: Any) -> tuple[Dense, ...]:
    """The pooler of the body, and the classifier.

    :param whole: a transformers model.
    """
    base = str(whole.base_model_prefix)
    pooler = getattr(whole, base).pooler
    first = Dense(
        linear(pooler.dense, f"body.{base}.pooler.dense"),
        activation(pooler.activation, f"body.{base}.pooler.activation"),
    )
    return first, last(whole.classifier, "body.classifier")


@dataclass(frozen=True)
class Names:
    """Where a layer holds its parts: paths from the layer; empty for what it has not."""

    query: str
    key: str
    value: str
    output: str
    attention_norm: str
    up: str
    down: str
    mlp_norm: str
    activation: str
    gate: str = ""


#: How each part of a layer is read.
_READ: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("query", "key", "value", "output", "up", "gate", "down"), linear),
    **dict.fromkeys(("attention_norm", "mlp_norm"), norm),
    "activation": activation,
}


def read_layer(names: Names, block: Any, path: str) -> Layer:
    """A layer.

    :param names: where its parts are.
    :param block: the module.
    :param path: where it is in the model.
    """
    return Layer(
        **{
            part: _READ[part](attrgetter(name)(block), f"{path}.{name}")
            for part, name in asdict(names).items()
            if name
        }
    )

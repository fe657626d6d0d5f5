"""The parts of a transformer encoder, as a C export holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.body.grid import Grid
from edgeemb.tasks.task import Task
from edgeemb.text.words import RowForm

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """A linear layer: float32[outputs, inputs] weights and float32[outputs] bias.

    :param factors: float32[inputs] that its input is multiplied by first; None for 1.
    :param grid: the grid that the weights lie on; None where none was chosen yet.
    :param whole: the matrix of the model that the weights are rows of, and the first of them; None where they are all of it.
    """

    weight: Floats
    bias: Floats
    factors: Floats | None = None
    grid: Grid | None = None
    whole: tuple[Floats, int] | None = None

    @property
    def block(self) -> int:
        """Inputs that share a scale at 4 bits; 0 at 8."""
        return self.grid.block if self.grid is not None and self.grid.bits == 4 else 0


@dataclass(frozen=True)
class Norm:
    """A layer normalisation: gain and bias float32[size].

    :param scale: float32[size] that multiplies the rows, but not what is added to them, in the sum around a block; None for 1.
    :param plain: whether rows stay as they are instead.
    """

    gain: Floats
    bias: Floats
    epsilon: float
    scale: Floats | None = None
    plain: bool = False


@dataclass(frozen=True)
class Layer:
    """One layer of the encoder.

    :param activation: enumerator of the kernels, behind `up`.
    :param gate: what multiplies the values behind the activation; None for nothing.
    :param before: whether the normalisations stand in front of attention and MLP; else the sum behind each is normalised.
    :param rotation: from a number of tokens to what turns queries and keys, float32[tokens, head]: cosines, then sines; None for nothing.
    :param window: tokens to either side that a token attends to; None for all.
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    mlp_norm: Norm
    activation: str
    gate: Linear | None = None
    before: bool = False
    rotation: Callable[[int], Floats] | None = None
    window: int | None = None

    def linears(self) -> dict[str, Linear]:
        """The linear layers by field, in the order in which they run."""
        names = ("key", "value", "query", "output", "up", "gate", "down")
        return {name: part for name in names if (part := getattr(self, name)) is not None}

    def with_linears(self, changed: Mapping[str, Linear]) -> Layer:
        """The layer with other linear layers.

        :param changed: those that change, by field.
        """
        parts: dict[str, Any] = dict(changed)
        return replace(self, **parts)


@dataclass(frozen=True)
class Dense:
    """A linear layer of the head, and what follows it: an activation, and then a normalisation unless it is None."""

    linear: Linear
    activation: str
    norm: Norm | None = None


@dataclass(frozen=True)
class Decoder:
    """An output layer over the rows of a table.

    :param table: path of the table's weight in the module.
    :param bias: float32[rows] that is added to the logits.
    """

    table: str
    bias: Floats


@dataclass(frozen=True)
class Words:
    """Rows that are computed from the bytes of words.

    :param form: how.
    :param projection: takes a row to the width of the encoder; None where it has it.
    """

    form: RowForm
    projection: Linear | None


@dataclass(frozen=True)
class Relative:
    """What is added to attention scores for how far apart a query and a key are.

    :param weight: path of the table's weight in the module, float32[buckets, heads].
    :param buckets: from distances, key less query, int64[...], to rows of the table.
    """

    weight: str
    buckets: Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Encoder:
    """A whole model.

    :param word: path of the word table's weight in the module, or how rows come without one.
    :param position: path of the position table's weight; None where positions are not in the rows.
    :param first_position: row of the position table that the first token takes.
    :param types: float32[types, width], of which one is added to every token. None without types.
    :param norm: normalisation of the embedding sum.
    :param widen: from the width of the embeddings to that of the layers; None where they are the same.
    :param relative: what is added to scores; None for nothing.
    :param layers: the layers in order.
    :param final: normalisation behind the last layer; None for none.
    :param heads: attention heads.
    :param temperature: factor of the attention scores.
    :param pooling: enumerators of the pooling modes, whose vectors are concatenated; none for a result with a row for each token.
    :param head: dense layers after the pooling, or of the row of each token.
    :param unit: whether the result, or each row of it, is scaled to length 1.
    :param kept: elements of the pooled vector that are kept, from the first, where no dense layer follows; 0 for all.
    :param task: what the rows of tokens are for, where the result has them.
    :param decoder: what makes logits of these rows, of which the best are the result; None where they are it.
    """

    word: str | Words
    position: str | None
    first_position: int
    types: Floats | None
    norm: Norm
    widen: Linear | None
    relative: Relative | None
    layers: tuple[Layer, ...]
    final: Norm | None
    heads: int
    temperature: float
    pooling: tuple[str, ...]
    head: tuple[Dense, ...]
    unit: bool
    kept: int = 0
    task: Task | None = None
    decoder: Decoder | None = None

    @property
    def width(self) -> int:
        """Elements of a row of the tables."""
        return len(self.norm.gain)

    @property
    def dim(self) -> int:
        """Elements of a token vector."""
        return self.width if self.widen is None else len(self.widen.bias)

    @property
    def per_token(self) -> bool:
        """Whether the result has a row for each token."""
        return not self.pooling

    @property
    def outputs(self) -> int:
        """Elements of the result, or of a row of it."""
        if self.head:
            return len(self.head[-1].linear.bias)
        return self.kept or self.dim * max(1, len(self.pooling))

    def pooled(self) -> Iterator[tuple[str, int, int]]:
        """Each pooling mode, where its part of the pooled vector begins, and how many elements of it are kept."""
        whole = self.dim * len(self.pooling) if self.head else self.outputs
        for number, mode in enumerate(self.pooling):
            begin = number * self.dim
            if begin < whole:
                yield mode, begin, min(self.dim, whole - begin)

    def linears(self) -> Iterator[Linear]:
        """Every linear layer, in the order in which they run."""
        if isinstance(self.word, Words) and self.word.projection is not None:
            yield self.word.projection
        if self.widen is not None:
            yield self.widen
        for layer in self.layers:
            yield from layer.linears().values()
        yield from (dense.linear for dense in self.head)

    def with_linears(self, change: Callable[[Linear], Linear]) -> Encoder:
        """The encoder with every linear layer changed.

        :param change: from what a layer is to what it becomes.
        """
        word = self.word
        if isinstance(word, Words) and word.projection is not None:
            word = replace(word, projection=change(word.projection))
        widen = None if self.widen is None else change(self.widen)
        layers = tuple(
            layer.with_linears({name: change(part) for name, part in layer.linears().items()})
            for layer in self.layers
        )
        head = tuple(replace(dense, linear=change(dense.linear)) for dense in self.head)
        return replace(self, word=word, widen=widen, layers=layers, head=head)

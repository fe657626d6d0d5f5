"""The settings of a training: rates, losses, precision, the student's shape. They are checked when created, before a model is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, get_args

from edgeemb.errors import SpecError
from edgeemb.text import words
from edgeemb.vectors.spec import VectorSpec

Precision = Literal["auto", "fp32", "bf16"]
#: Schedules of transformers that need nothing but the number of steps; each begins with a warm-up.
Schedule = Literal["cosine", "linear", "constant_with_warmup"]
#: Precisions of the body that can be trained for.
Grid = Literal["fp32", "int8", "int4"]
#: How a student begins.
Init = Literal["fresh", "first"]
#: What a student reads.
Tokens = Literal["teacher", "words"]


@dataclass(frozen=True)
class Losses:
    """Weights of the distillation losses; see `edgeemb.training.losses` for what each demands of the student. 0 leaves one out.

    :param cosine: sentence embeddings point where the teacher's point.
    :param similarity: the batch's matrix of similarities is the teacher's.
    :param ranking: each text's neighbours in the batch are ranked as by the teacher.
    :param tokens: the token states of the last layer point where the teacher's point.
    :param layers: the same for the embeddings and every layer.
    :param matryoshka: the first elements of an embedding alone, as many as `TrainingSettings.matryoshka_dims` says, give the teacher's similarities and ranks.
    :param binary: the signs of an embedding, and of its first elements where `TrainingSettings.matryoshka_dims` are given, do.
    :param elastic: the first transformer layers alone, as many as `TrainingSettings.elastic_layers` says, do.
    :raises SpecError: if a weight is negative or not finite, or all are 0.
    """

    cosine: float = 1.0
    similarity: float = 1.0
    ranking: float = 0.1
    tokens: float = 1.0
    layers: float = 0.0
    matryoshka: float = 0.0
    binary: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        weights = asdict(self).values()
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
            raise SpecError("loss weights are 0 or more, and one of them must be larger than 0")


def usual_losses(vectors: VectorSpec | None) -> Losses:
    """The losses of `edgeemb.adapt` where none are named: of projected vectors the teacher's ranks, and for the codes ``binary`` what signs give of them.

    Similarities of fewer dimensions are larger than the teacher's from the start, and nothing is gained by making them equal.

    :param vectors: the vectors that are projected; None for those of the model.
    """
    if vectors is None:
        return Losses()
    return Losses(cosine=0, similarity=0, tokens=0, ranking=1, binary=float(vectors.codes == "binary"))


def parse_losses(texts: Sequence[str]) -> Losses:
    """Loss weights from ``name=weight`` texts, each with commas between several; the others keep their defaults.

    :param texts: the texts.
    :raises SpecError: if a loss is unknown or a weight is not a number.
    """
    known = [field.name for field in fields(Losses)]
    weights: dict[str, float] = {}
    for item in (item for text in texts for item in text.split(",") if item):
        name, _, weight = item.partition("=")
        if name not in known:
            raise SpecError(
                f"loss '{name}' is not known: use {', '.join(known)}, such as cosine=1,tokens=0.5"
            )
        try:
            weights[name] = float(weight)
        except ValueError:
            raise SpecError(f"loss {item}: the weight is not a number, write {name}=1") from None
    return replace(Losses(), **weights)


@dataclass(frozen=True)
class TrainingSettings:
    """How training runs, apart from the number of steps and the learning rate.

    :param batch: texts in a step, over all processes.
    :param table_lr: peak learning rate of compressed tables.
    :param warmup: part of the steps in which the learning rates rise to their peaks.
    :param schedule: how the learning rates fall afterwards.
    :param weight_decay: weight decay of the body's matrices.
    :param clip: largest norm of the gradient.
    :param train_length: cut training texts at this many tokens.
    :param matryoshka_dims: numbers of first elements that the losses matryoshka and binary compare; by default a half, a quarter and an eighth of
        all with matryoshka, and none with binary alone.
    :param elastic_layers: numbers of first transformer layers that the loss elastic compares; by default half of all.
    :param precision: precision of the matrix products; auto takes bf16 where the processor multiplies it, weights stay fp32.
    :param torch_device: where to train: cpu, cuda or cuda:NUMBER.
    :param seed: seed of the order of texts and of everything random.
    :param evaluate_every: steps between two evaluations on the held-out texts.
    :param patience: stop after this many evaluations without a new best; 0 never stops early.
    :param checkpoint_every: steps between two checkpoints.
    :raises SpecError: if a value is not possible.
    """

    batch: int = 64
    table_lr: float = 1e-3
    warmup: float = 0.1
    schedule: Schedule = "cosine"
    weight_decay: float = 0.01
    clip: float = 1.0
    train_length: int = 64
    matryoshka_dims: tuple[int, ...] = ()
    elastic_layers: tuple[int, ...] = ()
    precision: Precision = "auto"
    torch_device: str = "cpu"
    seed: int = 0
    evaluate_every: int = 100
    patience: int = 0
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        for name in ("evaluate_every", "checkpoint_every"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "use 1 or more")
        _require(self.batch >= 2, "batch", self.batch, "similarities need 2 texts or more")
        _require(self.train_length >= 4, "train_length", self.train_length, "use 4 tokens or more")
        _require(self.patience >= 0, "patience", self.patience, "use 0 for never, or more")
        dims = self.matryoshka_dims
        _require(all(dim >= 1 for dim in dims), "matryoshka_dims", dims, "use 1 or more elements")
        layers = self.elastic_layers
        _require(all(count >= 1 for count in layers), "elastic_layers", layers, "use 1 or more layers")
        for name in ("table_lr", "clip"):
            _require_positive(name, getattr(self, name))
        _require(0 <= self.warmup < 1, "warmup", self.warmup, "use a fraction of the steps in [0, 1)")
        decay = self.weight_decay
        _require(math.isfinite(decay) and decay >= 0, "weight_decay", decay, "use 0 or more")
        for name, choices in (("schedule", get_args(Schedule)), ("precision", get_args(Precision))):
            _require(getattr(self, name) in choices, name, getattr(self, name), f"use {', '.join(choices)}")


@dataclass(frozen=True, kw_only=True)
class RunSettings(TrainingSettings):
    """The settings of one training, with its length and rate.

    :param steps: updates of the weights.
    :param lr: peak learning rate of the body.
    """

    steps: int
    lr: float

    @classmethod
    def of(cls, settings: TrainingSettings, steps: int, lr: float) -> RunSettings:
        """Settings with a number of steps and a learning rate."""
        return cls(
            **{field.name: getattr(settings, field.name) for field in fields(TrainingSettings)},
            steps=steps,
            lr=lr,
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.steps >= 1, "steps", self.steps, "use 1 or more")
        _require_positive("lr", self.lr)


@dataclass(frozen=True)
class Classifier:
    """A classifier head to train on a student, end to end.

    :param train: labelled texts to train a classifier on: text, label; separated by a tab.
    :param test: labelled texts to test the classifier on.
    :param class_steps: updates of the classifier.
    :param class_lr: peak learning rate of the classifier.
    :raises SpecError: if a number is not possible.
    """

    train: str | Path
    test: str | Path | None = None
    class_steps: int = 1000
    class_lr: float = 5e-4

    def __post_init__(self) -> None:
        _require(self.class_steps >= 1, "class_steps", self.class_steps, "use 1 or more")
        _require_positive("class_lr", self.class_lr)


@dataclass(frozen=True)
class StudentShape:
    """What a student looks like.

    :param layers: transformer layers.
    :param hidden: elements of a token state; 0 for the teacher's.
    :param heads: attention heads; 0 for one per 32 elements.
    :param init: begin with random weights (fresh), or with the teacher's first layers (first).
    :param tokens: what the student reads: the teacher's tokens, or words without any vocabulary.
    :param width: bytes of a word at most, where it reads words.
    :param max_length: cut texts at this many tokens; 0 for the teacher's limit.
    :raises SpecError: if a value is not possible.
    """

    layers: int = 2
    hidden: int = 0
    heads: int = 0
    init: Init = "fresh"
    tokens: Tokens = "teacher"
    width: int = words.DEFAULT_WIDTH
    max_length: int = 128

    def __post_init__(self) -> None:
        _require(self.layers >= 1, "layers", self.layers, "use 1 or more")
        for name, choices in (("init", get_args(Init)), ("tokens", get_args(Tokens))):
            _require(getattr(self, name) in choices, name, getattr(self, name), f"use {', '.join(choices)}")
        if self.hidden < 0 or self.heads < 0 or (self.hidden and self.hidden % (self.heads or 1)):
            raise SpecError(
                f"hidden {self.hidden} is not a multiple of the {self.heads} heads: change one of them"
            )
        fits = not self.max_length or self.max_length >= words.MIN_TOKENS
        _require(fits, "max_length", self.max_length, f"use {words.MIN_TOKENS} or more")
        if self.tokens == "words" and self.init == "first":
            raise SpecError(
                'a student that reads words cannot start from the layers of a teacher: use init="fresh"'
            )


def _require(fine: bool, name: str, value: object, advice: str) -> None:
    if not fine:
        shown = f'"{value}"' if isinstance(value, str) else value
        raise SpecError(f"{name}={shown} is not possible: {advice}")


def _require_positive(name: str, value: float) -> None:
    _require(math.isfinite(value) and value > 0, name, value, "use a positive number")

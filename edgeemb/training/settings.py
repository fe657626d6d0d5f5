"""What a training is told: length, rates, losses, precision. Checked when it is made, before a model is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

from edgeemb.errors import SpecError

PRECISIONS = ("auto", "fp32", "bf16")
#: Schedules of transformers that need nothing but the number of steps; each begins with a warm-up.
SCHEDULES = ("cosine", "linear", "constant_with_warmup")


@dataclass(frozen=True)
class Losses:
    """Weights of the distillation losses; see `edgeemb.training.losses` for what each asks of the student. 0 leaves one out.

    :param cosine: sentence embeddings point where the teacher's point.
    :param similarity: the batch's matrix of similarities is the teacher's.
    :param ranking: each text's neighbours in the batch are ranked as by the teacher.
    :param tokens: the token states of the last layer point where the teacher's point.
    :param layers: the same for the embeddings and every layer.
    """

    cosine: float = 1.0
    similarity: float = 1.0
    ranking: float = 0.1
    tokens: float = 1.0
    layers: float = 0.0

    def __post_init__(self) -> None:
        weights = asdict(self).values()
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
            raise SpecError("loss weights are numbers from 0 on, and one of them must be larger than 0")


def parse_losses(given: Sequence[str] | Mapping[str, float], base: Losses) -> Losses:
    """Loss weights from ``name=weight`` texts, each with commas between several, or from a mapping.

    :param given: what replaces weights of `base`.
    :param base: the weights where nothing is said.
    :raises SpecError: if a loss is unknown or a weight is no number.
    """
    if isinstance(given, Mapping):
        pairs = [(name, str(weight)) for name, weight in given.items()]
    else:
        items = [item for text in given for item in text.split(",") if item]
        pairs = [(item.partition("=")[0], item.partition("=")[2]) for item in items]
    known = [field.name for field in fields(Losses)]
    weights: dict[str, float] = {}
    for name, weight in pairs:
        if name not in known:
            raise SpecError(
                f"loss '{name}' is not known: use {', '.join(known)}, such as cosine=1,tokens=0.5"
            )
        try:
            weights[name] = float(weight)
        except ValueError:
            raise SpecError(f"loss {name}={weight}: the weight is no number, write {name}=1") from None
    return replace(base, **weights)


@dataclass(frozen=True)
class Settings:
    """How a training runs.

    :param steps: updates of the weights.
    :param batch: texts in a step, over all processes.
    :param lr: peak learning rate of the body.
    :param table_lr: peak learning rate of compressed tables.
    :param warmup: part of the steps in which the rates rise to their peaks.
    :param schedule: how they fall afterwards; one of `SCHEDULES`.
    :param weight_decay: of the body's matrices.
    :param clip: largest norm of the gradient.
    :param length: tokens of a training text at most.
    :param precision: of the matrix products; ``auto`` is bf16 where the processor multiplies it, the weights stay fp32.
    :param device: ``cpu``, ``cuda`` or ``cuda:<number>``.
    :param seed: of the order of texts and of everything random.
    :param evaluate_every: steps between two looks at the held-out texts.
    :param patience: such looks without a new best after which training ends; 0 for never.
    :param checkpoint_every: steps between two checkpoints.
    """

    steps: int = 1000
    batch: int = 64
    lr: float = 1e-4
    table_lr: float = 1e-3
    warmup: float = 0.1
    schedule: str = "cosine"
    weight_decay: float = 0.01
    clip: float = 1.0
    length: int = 64
    precision: str = "auto"
    device: str = "cpu"
    seed: int = 0
    evaluate_every: int = 100
    patience: int = 0
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        for name in ("steps", "evaluate_every", "checkpoint_every"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "use 1 or more")
        _require(self.batch >= 2, "batch", self.batch, "similarities need 2 texts or more")
        _require(self.length >= 4, "length", self.length, "use 4 tokens or more")
        _require(self.patience >= 0, "patience", self.patience, "use 0 for never, or more")
        for name in ("lr", "table_lr", "clip"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, name, value, "use a positive number")
        _require(0 <= self.warmup < 1, "warmup", self.warmup, "use a part of the steps in [0, 1)")
        _require(
            math.isfinite(self.weight_decay) and self.weight_decay >= 0,
            "weight_decay",
            self.weight_decay,
            "use 0 or more",
        )
        _require(self.schedule in SCHEDULES, "schedule", self.schedule, f"use {', '.join(SCHEDULES)}")
        _require(self.precision in PRECISIONS, "precision", self.precision, f"use {', '.join(PRECISIONS)}")


def _require(fine: bool, name: str, value: object, advice: str) -> None:
    if not fine:
        raise SpecError(f"{name.replace('_', '-')} {value} is not possible: {advice}")

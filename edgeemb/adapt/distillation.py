"""The task of `edgeemb adapt` and `edgeemb distill`: be like the teacher on plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from edgeemb.adapt.encode import States, batch_of
from edgeemb.adapt.losses import cosine_loss, ranking_loss, similarities, similarity_loss, token_loss
from edgeemb.adapt.settings import Losses
from edgeemb.adapt.texts import Ids, matching_tokens, tokenize
from edgeemb.errors import SpecError
from edgeemb.evaluate import spearman
from edgeemb.model import Model
from edgeemb.modules import SentenceEncoder

_HELD_BATCH = 64


class Pairing:
    """Texts as a student and its teacher read them.

    :param student: the student's model.
    :param teacher: the teacher's model.
    :param texts: the texts.
    :param length: tokens at most.
    """

    def __init__(self, student: Model, teacher: Model, texts: Sequence[str], length: int) -> None:
        own, other = (Tokenizer.from_str(model.tokenizer_json or "") for model in (student, teacher))
        prompted = [teacher.prompt + text for text in texts]
        self.places: list[Ids] | None = None
        if student.tokenizer_json == teacher.tokenizer_json:
            self.student = self.teacher = tokenize(own, prompted, length)
        else:
            self.student, self.teacher, self.places = matching_tokens(own, other, prompted, length)


class Distillation:
    """A `edgeemb.adapt.task.Task`: the sentence embeddings and token states of a teacher.

    :param student: what learns, as a model whose module is a `SentenceEncoder`.
    :param teacher: what it learns from; a model like it.
    :param texts: texts to learn from.
    :param held_out: texts to judge by.
    :param weights: weights of the losses.
    :param length: tokens of a text at most.
    :param device: where the tensors live.
    :param half: multiply matrices in bfloat16.
    :raises SpecError: if a loss compares what has different sizes.
    """

    def __init__(
        self,
        student: Model,
        teacher: Model,
        texts: Sequence[str],
        held_out: Sequence[str],
        weights: Losses,
        length: int,
        device: torch.device,
        half: bool,
    ) -> None:
        self.weights = weights
        self.device = device
        self.half = half
        self.module: nn.Module = States(encoder_of(student)).to(device)
        self._teacher = States(encoder_of(teacher)).to(device).requires_grad_(False)
        self._texts = Pairing(student, teacher, texts, length)
        self._held = Pairing(student, teacher, held_out, length)
        self.lengths = np.array([len(ids) for ids in self._texts.student], np.int64)
        self._wanted = self._encode(self._teacher, self._held.teacher)
        self._check_sizes(student, teacher)

    def _check_sizes(self, student: Model, teacher: Model) -> None:
        mine, theirs = (int(model.outputs[0].axes[1]) for model in (student, teacher))
        if self.weights.cosine and mine != theirs:
            raise SpecError(
                f"the student's embeddings have {mine} elements, the teacher's {theirs}: use --loss cosine=0"
            )
        widths = [int(encoder_of(model).body.config.hidden_size) for model in (student, teacher)]  # type: ignore[union-attr, arg-type]
        if (self.weights.tokens or self.weights.layers) and widths[0] != widths[1]:
            raise SpecError(
                f"the student's token states have {widths[0]} elements, the teacher's {widths[1]}: use --loss tokens=0,layers=0"
            )
        depths = [int(encoder_of(model).body.config.num_hidden_layers) for model in (student, teacher)]  # type: ignore[union-attr, arg-type]
        if self.weights.layers and depths[0] != depths[1]:
            raise SpecError(
                f"the student has {depths[0]} layers, the teacher {depths[1]}: use --loss layers=0"
            )

    def loss(self, forward: Callable[..., Any], index: NDArray[np.int64]) -> Tensor:
        """The weighted sum of the losses.

        :param forward: stands for `module`.
        :param index: places of the texts.
        """
        texts = self._texts
        ids, mask = batch_of([texts.student[place] for place in index], self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            with torch.no_grad():
                feeds = (ids, mask)
                if texts.places is not None:
                    feeds = batch_of([texts.teacher[place] for place in index], self.device)
                wanted, wanted_states = self._teacher(*feeds)
            given, states = forward(ids, mask)
        weights = self.weights
        total = torch.zeros((), device=self.device)
        if weights.cosine:
            total = total + weights.cosine * cosine_loss(given, wanted)
        if weights.similarity:
            total = total + weights.similarity * similarity_loss(given, wanted)
        if weights.ranking:
            total = total + weights.ranking * ranking_loss(given, wanted)
        if weights.tokens or weights.layers:
            counts = mask.to(torch.float32)
            if texts.places is not None:
                places, there = batch_of([texts.places[place] + 1 for place in index], self.device)
                counts = ((places > 0) & (there > 0)).to(torch.float32)
                wanted_states = [_taken(state, (places - 1).clamp(min=0)) for state in wanted_states]
            if weights.tokens:
                total = total + weights.tokens * token_loss(states[-1], wanted_states[-1], counts)
            if weights.layers:
                every = zip(states, wanted_states, strict=True)
                apart = [token_loss(mine, theirs, counts) for mine, theirs in every]
                total = total + weights.layers * torch.stack(apart).mean()
        return total

    def score(self) -> float:
        """Spearman correlation, times 100, between the student's and the teacher's similarities of all pairs of held-out texts."""
        vectors = self._encode(self.module, self._held.student)
        if not torch.isfinite(vectors).all():
            return float("nan")
        mine, theirs = (_upper(similarities(rows)) for rows in (vectors, self._wanted))
        return 100 * spearman(mine, theirs)

    def _encode(self, module: nn.Module, texts: Sequence[Ids]) -> Tensor:
        order = np.argsort([len(ids) for ids in texts], kind="stable")
        chunks = []
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            for low in range(0, len(order), _HELD_BATCH):
                part = order[low : low + _HELD_BATCH]
                chunks.append(module(*batch_of([texts[place] for place in part], self.device))[0].float())
        return torch.cat(chunks)[torch.from_numpy(np.argsort(order)).to(self.device)]


def encoder_of(model: Model) -> SentenceEncoder:
    """The module of a model that embeds text.

    :raises SpecError: if it is another kind of model.
    """
    if not isinstance(model.module, SentenceEncoder):
        raise SpecError(
            f"{model.name} is a {model.kind} model: training by distillation is for sentence encoders, "
            "which edgeemb load gives the kind 'embedding'"
        )
    return model.module


def _taken(states: Tensor, places: Tensor) -> Tensor:
    """States of other tokens: float[batch, m, D] at int64[batch, n] to float[batch, n, D]."""
    return states.gather(1, places[:, :, None].expand(-1, -1, states.shape[2]))


def _upper(matrix: Tensor) -> NDArray[np.float64]:
    """Each pair once, of similarities without the diagonal: float[n, n - 1] to float64[n * (n - 1) / 2]."""
    count = len(matrix)
    rows, columns = np.triu_indices(count, 1)
    return np.asarray(matrix.double().cpu().numpy()[rows, columns - 1], np.float64)

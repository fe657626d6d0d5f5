"""The task of `edgeemb adapt` and `edgeemb distill`: match the teacher on plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from edgeemb.errors import SpecError
from edgeemb.metrics import spearman
from edgeemb.models.huggingface.modules import Dense, SentenceEncoder
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model
from edgeemb.tasks.registry import CAUSAL_LM, EMBEDDING, MASKED_LM
from edgeemb.training.encode import Encoded, States, batch_of
from edgeemb.training.losses import (
    cosine_loss,
    firsts,
    ranking_loss,
    relation_loss,
    signs,
    similarities,
    similarity_loss,
    token_loss,
)
from edgeemb.training.settings import Losses
from edgeemb.training.texts import Ids, matching_tokens, tokenize

_HELD_BATCH = 64
_BLOCK = 16


@dataclass(frozen=True)
class Reading:
    """Texts as a student and its teacher read them.

    :param student: the student's ids of each text.
    :param teacher: the teacher's.
    :param same: whether these are the same.
    :param places: for each token of the student the teacher's token with the same characters, or -1; None where they are the same, or
        not known.
    """

    student: list[Ids]
    teacher: list[Ids]
    same: bool
    places: list[Ids] | None = None


def read_as(student: Model, teacher: Model, texts: Sequence[str], length: int) -> Reading:
    """Read texts with the tokenizers of two models.

    :param student: the student's model.
    :param teacher: the teacher's model.
    :param texts: the texts.
    :param length: tokens at most.
    """
    own, other = (Tokenizer.from_str(model.tokenizer_json or "") for model in (student, teacher))
    prompted = [teacher.prompt + text for text in texts]
    length = min(length, student.max_length, teacher.max_length)
    if student.tokenizer_json == teacher.tokenizer_json:
        ids = tokenize(own, prompted, length)
        return Reading(ids, ids, same=True)
    mine, theirs, places = matching_tokens(own, other, prompted, length)
    return Reading(mine, theirs, same=False, places=places)


class Distillation:
    """A `edgeemb.training.loop.task.Task`: the sentence embeddings and token states of a teacher.

    :param student: what learns.
    :param teacher: what it learns from.
    :param texts: texts to learn from.
    :param held_out: texts to judge by.
    :param weights: weights of the losses.
    :param device: where the tensors live; the modules are moved there.
    :param half: multiply matrices in bfloat16.
    :param draws: texts that all steps together will take, repeated ones included.
    :param dims: numbers of first elements of an embedding that serve alone, for the losses matryoshka and binary.
    """

    def __init__(
        self,
        student: States,
        teacher: States,
        texts: Reading,
        held_out: Reading,
        weights: Losses,
        device: torch.device,
        half: bool,
        *,
        draws: int,
        dims: Sequence[int] = (),
    ) -> None:
        self.weights = weights
        self._dims = dims
        self.device = device
        self.half = half
        self.module: nn.Module = student.to(device)
        self._teacher = teacher.to(device).requires_grad_(False)
        self._texts = texts
        self._held = held_out
        self.lengths = np.array([len(ids) for ids in texts.student], np.int64)
        self._wanted = self._encode(self._teacher, held_out.teacher)
        self._blocks = _Blocks([len(ids) for ids in texts.teacher])
        #: What the teacher said of each text before, where only its vectors are asked for. It reads texts in whole blocks then, which is for nothing
        #: where most are never asked for.
        self._said: Tensor | None = None
        if not (weights.tokens or weights.layers) and draws >= len(texts.teacher):
            self._said = torch.full((len(texts.teacher), self._wanted.shape[1]), float("nan"))

    def loss(self, forward: Callable[..., Any], index: NDArray[np.int64]) -> Tensor:
        """The weighted sum of the losses.

        :param forward: stands for `module`.
        :param index: places of the texts.
        """
        texts = self._texts
        ids, mask = batch_of([texts.student[place] for place in index], self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            wanted, wanted_states = self._ask(index)
            given, states, shallow = forward(ids, mask)
        weights = self.weights
        total = torch.zeros((), device=self.device)
        if weights.cosine:
            total = total + weights.cosine * cosine_loss(given, wanted)
        if weights.similarity:
            total = total + weights.similarity * similarity_loss(given, wanted)
        if weights.ranking:
            total = total + weights.ranking * ranking_loss(given, wanted)
        if weights.matryoshka:
            total = total + weights.matryoshka * relation_loss(firsts(given, self._dims), wanted)
        if weights.binary:
            total = total + weights.binary * relation_loss(signs(given, self._dims), wanted)
        if weights.elastic:
            total = total + weights.elastic * self._elastic([one.vectors for one in shallow], wanted)
        if weights.tokens or weights.layers:
            counts = mask.to(torch.float32)
            if texts.places is not None:
                places, there = batch_of([texts.places[place] + 1 for place in index], self.device)
                counts = ((places > 0) & (there > 0)).to(torch.float32)
                wanted_states = [_taken(state, (places - 1).clamp(min=0)) for state in wanted_states]
            if weights.tokens:
                total = total + weights.tokens * token_loss(states[-1], wanted_states[-1], counts)
            if weights.tokens and weights.elastic:
                apart = [token_loss(one.last, wanted_states[-1], counts) for one in shallow]
                total = total + weights.elastic * weights.tokens * torch.stack(apart).mean()
            if weights.layers:
                every = zip(states, wanted_states, strict=True)
                apart = [token_loss(mine, theirs, counts) for mine, theirs in every]
                total = total + weights.layers * torch.stack(apart).mean()
        return total

    def _elastic(self, shallow: Sequence[Tensor], wanted: Tensor) -> Tensor:
        """How far the vectors of the first layers alone are from the teacher's: compared as those of all layers are."""
        apart = relation_loss([view for vectors in shallow for view in self._views(vectors)], wanted)
        if self.weights.cosine:
            near = torch.stack([cosine_loss(vectors, wanted) for vectors in shallow]).mean()
            apart = apart + self.weights.cosine * near
        return apart

    def _views(self, vectors: Tensor) -> list[Tensor]:
        """Embeddings as they are compared: whole, and as the losses matryoshka and binary see them."""
        views = [vectors]
        if self.weights.matryoshka:
            views += firsts(vectors, self._dims)
        if self.weights.binary:
            views += signs(vectors, self._dims)
        return views

    @torch.no_grad()
    def _ask(self, index: NDArray[np.int64]) -> tuple[Tensor, Sequence[Tensor]]:
        """The teacher's vectors of some texts, and its states where they are needed."""
        said = self._said
        if said is None:
            answer: Encoded = self._teacher(
                *batch_of([self._texts.teacher[place] for place in index], self.device)
            )
            return answer.vectors, answer.states
        for block in self._blocks.of(index[said[index, 0].isnan().numpy()]):
            said[block] = self._encode(self._teacher, [self._texts.teacher[place] for place in block]).cpu()
        return said[index].to(self.device), ()

    def score(self) -> float:
        """Spearman correlation, times 100, between the student's and the teacher's similarities of all pairs of held-out texts; with the losses
        matryoshka, binary and elastic the mean of those of the whole embeddings and of each view that the losses compare."""
        depths = self._depths(self.module, self._held.student)
        if not all(torch.isfinite(vectors).all() for vectors in depths):
            return float("nan")
        wanted = _upper(similarities(self._wanted))
        views = [view for vectors in depths for view in self._views(vectors)]
        return 100 * float(np.mean([_agreement(_upper(similarities(view)), wanted) for view in views]))

    def _encode(self, module: nn.Module, texts: Sequence[Ids]) -> Tensor:
        return self._depths(module, texts)[0]

    def _depths(self, module: nn.Module, texts: Sequence[Ids]) -> list[Tensor]:
        """The vectors of texts, and those of the first layers alone where the module gives them, float32[texts, dim] each."""
        order = np.argsort([len(ids) for ids in texts], kind="stable")
        chunks = list[list[Tensor]]()
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            for low in range(0, len(order), _HELD_BATCH):
                part = order[low : low + _HELD_BATCH]
                given: Encoded = module(*batch_of([texts[place] for place in part], self.device))
                whole = [given.vectors, *(one.vectors for one in given.shallow)]
                chunks.append([vectors.float() for vectors in whole])
        back = torch.from_numpy(np.argsort(order)).to(self.device)
        return [torch.cat(parts)[back] for parts in zip(*chunks, strict=True)]


class _Blocks:
    """Texts in blocks of similar length, which the teacher reads together.

    A text's vector depends in its last bits on what shares its batch: blocks that are always the same keep a resumed training equal.

    :param lengths: tokens of each text.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self._order = np.argsort(np.asarray(lengths), kind="stable")
        self._block = np.empty(len(lengths), np.int64)
        self._block[self._order] = np.arange(len(lengths)) // _BLOCK

    def of(self, places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The blocks that hold some texts, each as int64[n]."""
        return [
            self._order[number * _BLOCK : (number + 1) * _BLOCK] for number in np.unique(self._block[places])
        ]


def first_dims(weights: Losses, dims: Sequence[int], student: SentenceEncoder) -> tuple[int, ...]:
    """Numbers of first elements that the losses matryoshka and binary compare; none without them.

    :param weights: weights of the losses.
    :param dims: what was asked for; empty for a half, a quarter and an eighth with the loss matryoshka, and for none with binary alone.
    :param student: what learns.
    :raises SpecError: if one is not below the size of an embedding, or they are given without a loss that compares them.
    """
    size = _sizes(student)["vector"]
    if dims and not (weights.matryoshka or weights.binary):
        raise SpecError(
            "matryoshka_dims are for the losses matryoshka and binary: give one a weight, such as 1"
        )
    if any(dim >= size for dim in dims):
        raise SpecError(f"matryoshka_dims {max(dims)}: an embedding has {size} elements, use fewer")
    if dims or not weights.matryoshka:
        return tuple(dims)
    return tuple(size // part for part in (2, 4, 8) if size >= part)


def check_losses(weights: Losses, student: SentenceEncoder, teacher: SentenceEncoder) -> None:
    """Refuse losses that compare what has different sizes.

    :raises SpecError: naming the first.
    """
    mine, theirs = (_sizes(encoder) for encoder in (student, teacher))
    if weights.cosine and mine["vector"] != theirs["vector"]:
        raise SpecError(
            f"the student's embeddings have {mine['vector']} elements, the teacher's {theirs['vector']}: give the loss cosine the weight 0"
        )
    if (weights.tokens or weights.layers) and mine["hidden"] != theirs["hidden"]:
        raise SpecError(
            f"the student's token states have {mine['hidden']} elements, the teacher's {theirs['hidden']}: "
            "give the losses tokens and layers the weight 0"
        )
    if weights.layers and mine["layers"] != theirs["layers"]:
        raise SpecError(
            f"the student has {mine['layers']} layers, the teacher {theirs['layers']}: give the loss layers the weight 0"
        )


def _sizes(encoder: SentenceEncoder) -> dict[str, int]:
    config: Any = encoder.body.config
    hidden = int(config.hidden_size)
    dense = [layer.linear if isinstance(layer, Dense) else layer for layer in encoder.head]
    widths = [layer.out_features for layer in dense if isinstance(layer, nn.Linear)]
    vector = widths[-1] if widths else hidden * len(encoder.pooling.modes)
    return {"vector": vector, "hidden": hidden, "layers": int(config.num_hidden_layers)}


def read_teacher(source: Model | Any) -> Model:
    """The model to learn from; of a language model its body.

    :param source: the model, or what `edgeemb.load` takes.
    """
    if isinstance(source, Model):
        return source
    model = load_torch(source)
    return (
        load_torch(source, task=EMBEDDING.name) if model.kind in (MASKED_LM.name, CAUSAL_LM.name) else model
    )


def encoder_of(model: Model) -> SentenceEncoder:
    """The module of a model that embeds text.

    :raises SpecError: if it is another kind of model.
    """
    if not isinstance(model.module, SentenceEncoder):
        raise SpecError(
            f"{model.name} is a {model.kind} model of class {type(model.module).__name__}: "
            "training by distillation is for sentence encoders with a vocabulary"
        )
    return model.module


def _taken(states: Tensor, places: Tensor) -> Tensor:
    """States of other tokens: float[batch, m, D] at int64[batch, n] to float[batch, n, D]."""
    return states.gather(1, places[:, :, None].expand(-1, -1, states.shape[2]))


def _agreement(given: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Spearman's correlation; 0 where all are the same, as the similarities of a few signs may be: they rank nothing."""
    return spearman(given, wanted) if np.ptp(given) > 0 else 0.0


def _upper(matrix: Tensor) -> NDArray[np.float64]:
    """Each pair once, of similarities without the diagonal: float[n, n - 1] to float64[n * (n - 1) / 2]."""
    count = len(matrix)
    rows, columns = np.triu_indices(count, 1)
    return np.asarray(matrix.double().cpu().numpy()[rows, columns - 1], np.float64)

"""Training a model for several depths: the vectors that its first layers alone would give.

A model that was trained so is exported with as many layers as a device has time for, as 2D Matryoshka sentence embeddings are (Li and others 2024,
arXiv 2402.14776). The layers of one pass serve all depths: what the model makes of its last states is made of earlier ones too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.errors import SpecError
from edgeemb.models.huggingface.modules import SentenceEncoder
from edgeemb.models.torch.blocks import keep_first, layers_of
from edgeemb.training.encode import States, batch_of
from edgeemb.training.settings import Losses
from edgeemb.training.texts import Ids

#: How far a vector of the first layers, as training has it, may be from that of the model without the others: 1 - cosine.
_NEAR = 1e-4
#: Texts that show it.
_TEXTS = 8


def elastic_layers(weights: Losses, layers: Sequence[int], student: SentenceEncoder) -> tuple[int, ...]:
    """Numbers of first layers that the loss elastic compares; none without it.

    :param weights: weights of the losses.
    :param layers: what was asked for; empty for half of all.
    :param student: what learns.
    :raises SpecError: if one is not below the number of all, or they are given without the loss.
    """
    every = len(layers_of(student))
    if not weights.elastic:
        if layers:
            raise SpecError("elastic_layers are for the loss elastic: give it a weight, such as 1")
        return ()
    if every < 2 or any(count >= every for count in layers):
        raise SpecError(f"elastic_layers {max(layers, default=1)}: the student has {every} layers, use fewer")
    return tuple(layers) or (every // 2,)


def with_depths(student: States, depths: Sequence[int], texts: Sequence[Ids]) -> States:
    """A student that also gives the vectors of its first layers.

    :param student: what learns.
    :param depths: numbers of first layers.
    :param texts: some texts as the student reads them, to see that each depth gives the vectors of a model without the other layers.
    :raises SpecError: if one gives others.
    """
    if not depths:
        return student
    ids, mask = batch_of(texts[:_TEXTS], torch.device("cpu"))
    found = States(student.encoder, student.rows, depths, _closing(student, ids, mask))
    _check(found, ids, mask)
    return found


@torch.no_grad()
def _closing(student: States, ids: Tensor, mask: Tensor) -> str:
    """The path of what makes the last states of those of the last layer, as in models that normalise in front of each block; empty where the last layer
    gives the last states itself."""
    body = student.encoder.body
    inside = {id(part) for part in layers_of(body).modules()}
    outputs: dict[str, Any] = {}

    def keep(path: str) -> Callable[..., None]:
        return lambda _, __, output: outputs.update({path: output})

    handles = [
        part.register_forward_hook(keep(path))
        for path, part in body.named_modules()
        if id(part) not in inside and not list(part.children())
    ]
    try:
        last = student(ids, mask).states[-1]
    finally:
        for handle in handles:
            handle.remove()
    return next((path for path, output in outputs.items() if output is last), "")


@torch.no_grad()
def _check(student: States, ids: Tensor, mask: Tensor) -> None:
    for count, (vectors, _) in zip(student.depths, student(ids, mask).shallow, strict=True):
        alone = States(copy.deepcopy(student.encoder), student.rows)
        keep_first(alone.encoder, count)
        cosines = nn.functional.cosine_similarity(alone(ids, mask).vectors, vectors, dim=1)
        if not bool((cosines > 1 - _NEAR).all()):
            raise SpecError(
                f"the loss elastic: {type(student.encoder.body).__name__} does not give the states of its layers as they are, leave it out"
            )

"""The losses of a student, which is to reproduce the sentence embeddings and token states of its teacher.

All losses are means over the batch, at most about 2, and 0 for a perfect student.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

#: Sharpness of the ranking loss: similarities of sentence embeddings differ by a few hundredths where it matters.
TEMPERATURE = 0.05


def cosine_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine of each pair of embeddings.

    :param student: float[batch, D].
    :param teacher: float[batch, D].
    """
    return (1 - functional.cosine_similarity(student, teacher, dim=1)).mean()


def similarities(vectors: Tensor) -> Tensor:
    """Cosine of every pair of a batch, without those of a text with itself.

    :param vectors: float[batch, D].
    :return: float32[batch, batch - 1].
    """
    unit = functional.normalize(vectors.float(), dim=1)
    with torch.autocast(unit.device.type, enabled=False):
        matrix = unit @ unit.T
    count = len(matrix)
    return matrix.flatten()[1:].view(count - 1, count + 1)[:, :-1].reshape(count, count - 1)


def similarity_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared difference of the similarity matrices, relative to how much the teacher's vary.

    The dimensions of the two may differ.

    :param student: float[batch, D].
    :param teacher: float[batch, E].
    """
    wanted = similarities(teacher)
    return (similarities(student) - wanted).square().mean() / wanted.var(unbiased=False).clamp(min=1e-6)


def ranking_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How far the student's distribution over each text's neighbours is from the teacher's (Kullback-Leibler).

    Near neighbours count most, and a shift of all similarities costs nothing: unlike squared errors it does not pull a start with good
    ranks towards the mean. Relational distillation after Park et al. 2019 (arXiv 1904.05068) in the form of Fang et al. 2021, "SEED"
    (arXiv 2101.04731), with the batch as the queue.

    :param student: float[batch, D].
    :param teacher: float[batch, E].
    """
    wanted = functional.log_softmax(similarities(teacher) / TEMPERATURE, dim=1)
    given = functional.log_softmax(similarities(student) / TEMPERATURE, dim=1)
    return functional.kl_div(given, wanted, reduction="batchmean", log_target=True)


def relation_loss(views: Sequence[Tensor], teacher: Tensor) -> Tensor:
    """The similarity and the ranking loss of several views of the student's embeddings, each compared with the teacher's whole ones; their mean.

    :param views: float[batch, any] each, such as `firsts` or `signs` of the embeddings.
    :param teacher: float[batch, E].
    """
    apart = [similarity_loss(view, teacher) + ranking_loss(view, teacher) for view in views]
    return torch.stack(apart).mean()


def firsts(vectors: Tensor, dims: Sequence[int]) -> list[Tensor]:
    """The first elements of embeddings alone, as Matryoshka representations train them (Kusupati et al. 2022, arXiv 2205.13147).

    :param vectors: float[batch, D].
    :param dims: numbers of first elements, each below D.
    :return: float[batch, dim] for each.
    """
    return [vectors[:, :dim] for dim in dims]


def signs(vectors: Tensor, dims: Sequence[int] = ()) -> list[Tensor]:
    """The signs of embeddings, and those of their first elements alone: 1 where an element is above 0, else -1, as the vectors `binary` store them.

    Gradients pass through where an element is not larger than a mean one (the straight-through estimator, Bengio et al. 2013,
    arXiv 1308.3432; for binary embeddings Gan et al. 2023, "Binary Embedding-based Retrieval at Tencent", arXiv 2302.08714).

    :param vectors: float[batch, D].
    :param dims: numbers of first elements, each below D.
    :return: float32[batch, D], and float32[batch, dim] for each of dims.
    """
    even = functional.normalize(vectors.float(), dim=1) * vectors.shape[1] ** 0.5
    soft = even.clamp(-1, 1)
    hard = soft + (torch.where(even > 0, 1.0, -1.0) - soft).detach()
    return [hard, *firsts(hard, dims)]


def token_loss(student: Tensor, teacher: Tensor, counts: Tensor) -> Tensor:
    """One minus the cosine of token states, over the tokens that count.

    :param student: float[batch, length, D].
    :param teacher: float[batch, length, D].
    :param counts: float32[batch, length], 1 where a token counts, else 0.
    """
    apart = 1 - functional.cosine_similarity(student.float(), teacher.float(), dim=2)
    return (apart * counts).sum() / counts.sum().clamp(min=1)

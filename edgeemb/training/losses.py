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


def matryoshka_loss(student: Tensor, teacher: Tensor, dims: Sequence[int]) -> Tensor:
    """The similarity and the ranking loss of the first elements of the student's embeddings, compared with the teacher's whole ones.

    Matryoshka representations (Kusupati et al. 2022, arXiv 2205.13147), with the teacher's similarities in the place of labels. The mean over sizes.

    :param student: float[batch, D].
    :param teacher: float[batch, E].
    :param dims: numbers of first elements, each below D.
    """
    apart = [
        similarity_loss(student[:, :dim], teacher) + ranking_loss(student[:, :dim], teacher) for dim in dims
    ]
    return torch.stack(apart).mean()


def token_loss(student: Tensor, teacher: Tensor, counts: Tensor) -> Tensor:
    """One minus the cosine of token states, over the tokens that count.

    :param student: float[batch, length, D].
    :param teacher: float[batch, length, D].
    :param counts: float32[batch, length], 1 where a token counts, else 0.
    """
    apart = 1 - functional.cosine_similarity(student.float(), teacher.float(), dim=2)
    return (apart * counts).sum() / counts.sum().clamp(min=1)

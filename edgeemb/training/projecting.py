"""The projection of a model's vectors as a layer that learns: it begins as an export would fit it.

A student whose vectors have fewer dimensions begins with principal or learned ones of the teacher, as in homomorphic projective distillation (Zhao and others
2022, arXiv 2203.07687), and learns to rank texts with them as the teacher's whole vectors do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeemb.errors import SpecError
from edgeemb.models.shrinking.vectors import vectors_of
from edgeemb.models.torch.model import Model
from edgeemb.training.settings import Losses
from edgeemb.vectors.fit import Projection, enough_texts, fit_vectors
from edgeemb.vectors.spec import VectorSpec


def project(student: Model, spec: VectorSpec, texts: Sequence[str], losses: Losses, seed: int) -> Model:
    """A model with a projection behind its vectors, a layer without bias whose result gets length 1. Its other layers are the model's own.

    :param student: a sentence encoder.
    :param spec: which dimensions are kept, and whether they are rotated for their signs.
    :param texts: texts to learn from, of which some are drawn to fit the projection.
    :param losses: what the student is to learn.
    :param seed: seed of the draw, and of a rotation.
    :raises SpecError: if the vectors cannot have the spec, or the losses want them as they were.
    """
    if losses.cosine:
        raise SpecError(
            "the loss cosine compares the elements of vectors, which a projection mixes: give it the weight 0"
        )
    drawn = np.random.default_rng(seed).permutation(len(texts))[: enough_texts(spec)]
    vectors = vectors_of(student, [texts[place] for place in drawn])
    found = fit_vectors(spec, vectors, seed).projection
    rows = np.eye(found.dim, vectors.shape[1], dtype=np.float32) if found.matrix is None else found.matrix
    return student.with_projection(Projection(found.dim, rows))

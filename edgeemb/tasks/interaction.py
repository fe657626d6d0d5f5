"""Texts with a vector per token, compared token by token (late interaction, https://arxiv.org/abs/2004.12832)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeemb.errors import InputError


def max_sim(queries: Sequence[ArrayLike], documents: Sequence[ArrayLike]) -> NDArray[np.float32]:
    """How well each document answers each query: of each vector of the query the largest dot product with one of the document's, summed.

    :param queries: of each query float32[tokens, D], one vector at least.
    :param documents: the same of each document.
    :return: float32[queries, documents].
    :raises InputError: if a text has no vectors, or they are of different sizes.
    """
    left, right = _checked(queries, "query"), _checked(documents, "document")
    widths = sorted({each.shape[1] for each in (*left, *right)})
    if len(widths) > 1:
        raise InputError(f"vectors have {widths[0]} and {widths[-1]} elements: compare those of one model")
    found = np.empty((len(left), len(right)), np.float32)
    for place, query in enumerate(left):
        found[place] = [(query @ document.T).max(axis=1).sum() for document in right]
    return found


def _checked(texts: Sequence[ArrayLike], what: str) -> list[NDArray[np.float32]]:
    found = [np.asarray(each, np.float32) for each in texts]
    for number, each in enumerate(found, 1):
        if each.ndim != 2 or not each.size:
            raise InputError(
                f"{what} {number} has the shape {list(each.shape)}: give the vectors of each text, float32[tokens, D]"
            )
    return found

"""Searches with models that give a text no one dense vector: a vector per token (ColBERT), or a weight per token of the vocabulary (SPLADE).

Documents are encoded a few at a time and only their scores are kept, because what these models give for a whole corpus seldom fits in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError
from edgeemb.progress import Progress
from edgeemb.report.encoding import DOCUMENT_PROMPTS, QUERY_PROMPTS, first_prompt
from edgeemb.runtimes.session import Session
from edgeemb.tasks.interaction import max_sim
from edgeemb.tasks.registry import MULTI_VECTOR, SPARSE

Floats = NDArray[np.float32]
#: Documents that are in memory at once.
_DOCUMENTS = 64
#: Bytes of a token's number beside its weight.
_ID_BYTES = 4
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Scores:
    """How well each document answers each query.

    :param name: how they are compared.
    :param bytes: bytes that are stored for a document, on average.
    :param scores: float32[queries, documents].
    """

    name: str
    bytes: int
    scores: Floats


def _by_tokens(session: Session, queries: Sequence[str], documents: Iterator[list[str]]) -> Scores:
    """MaxSim, over float32 vectors."""
    asked = session.encode_tokens(queries, query=True)
    parts, floats, count = list[Floats](), 0, 0
    for some in documents:
        found = session.encode_tokens(some)
        parts.append(_finite(max_sim(asked, found)))
        floats += sum(vectors.size for vectors in found)
        count += len(some)
    return Scores("float32 per token, MaxSim", round(_FLOAT_BYTES * floats / count), np.hstack(parts))


def _by_weights(session: Session, queries: Sequence[str], documents: Iterator[list[str]]) -> Scores:
    """Dot products of weights, of which those above 0 are stored."""
    asked = session.encode(queries, prompt=first_prompt(session, QUERY_PROMPTS))
    prompt = first_prompt(session, DOCUMENT_PROMPTS)
    parts, weights, count = list[Floats](), 0, 0
    for some in documents:
        found = session.encode(some, prompt=prompt)
        parts.append(_finite(asked @ found.T))
        weights += int(np.count_nonzero(found))
        count += len(some)
    return Scores(
        "sparse weights, dot product", round((_ID_BYTES + _FLOAT_BYTES) * weights / count), np.hstack(parts)
    )


#: How the texts of a task are compared, by its name.
_WAYS: Mapping[str, Callable[[Session, Sequence[str], Iterator[list[str]]], Scores]] = {
    MULTI_VECTOR.name: _by_tokens,
    SPARSE.name: _by_weights,
}


def is_scored(session: Session) -> bool:
    """Whether texts are compared by `score_all`, not as one dense vector each.

    :param session: what is evaluated.
    """
    return session.manifest.kind in _WAYS


def score_all(
    session: Session, queries: Sequence[str], documents: Sequence[str], progress: Progress
) -> Scores:
    """How well each document answers each query.

    :param session: of a task that `is_scored`.
    :param queries: the queries, which are encoded as the model reads queries.
    :param documents: the documents.
    :param progress: called with (documents done, documents in all).
    :raises InputError: if a text is empty, or an output is not finite.
    """

    def some() -> Iterator[list[str]]:
        for low in range(0, len(documents), _DOCUMENTS):
            yield list(documents[low : low + _DOCUMENTS])
            progress(min(low + _DOCUMENTS, len(documents)), len(documents))

    return _WAYS[session.manifest.kind](session, queries, some())


def _finite(scores: Floats) -> Floats:
    if not np.isfinite(scores).all():
        raise InputError(
            "the model gives outputs with NaN or infinite values: check it with a few texts first"
        )
    return scores

"""Encoding the texts that quality is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError
from edgeemb.progress import Progress, silent
from edgeemb.runtimes.session import Session

#: Texts between two reports of progress; large enough that sorting by length within them pays.
CHUNK_TEXTS = 512
#: Names of the prompts that sentence-transformers puts in front of queries, and of documents.
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class Encoder(Protocol):
    """What can be evaluated: a session, or anything else that embeds text."""

    def encode(self, texts: Sequence[str], batch_size: int = ...) -> NDArray[np.float32]:
        """Embed texts as float32[n, D]."""
        ...


def embed(
    session: Encoder, texts: Sequence[str], *, batch_size: int = 32, progress: Progress = silent
) -> NDArray[np.float32]:
    """Embed texts, each different one once. Vectors that are stored as codes are what these stand for.

    :param session: what embeds them.
    :param texts: n texts; repeated ones are computed once.
    :param batch_size: texts a batch.
    :param progress: called with (different texts done, different texts in all).
    :return: float32[n, D].
    :raises InputError: if an embedding is not finite.
    """
    place: dict[str, int] = {}
    index = [place.setdefault(text, len(place)) for text in texts]
    # Sorting by length lets a chunk hold texts that need about the same padding.
    order = sorted(place, key=len)
    chunks = []
    for start in range(0, len(order), CHUNK_TEXTS):
        chunk = order[start : start + CHUNK_TEXTS]
        chunks.append(_encoded(session, chunk, batch_size))
        if not np.isfinite(chunks[-1]).all():
            raise InputError(
                "the model gives embeddings with NaN or infinite values: check it with a few texts first"
            )
        progress(start + len(chunk), len(order))
    sorted_vectors = np.concatenate(chunks)
    vectors = np.empty_like(sorted_vectors)
    vectors[[place[text] for text in order]] = sorted_vectors
    return np.asarray(vectors[index], np.float32)


def first_prompt(session: Session, names: Sequence[str]) -> str | None:
    """The first prompt of some names that a bundle has; None where it has none of them.

    :param session: the open bundle.
    :param names: names of prompts.
    """
    return next((name for name in names if name in session.manifest.prompts), None)


def _encoded(session: Encoder, texts: Sequence[str], batch_size: int) -> NDArray[np.float32]:
    """Texts as floats, with what their codes lose."""
    found = session.encode(texts, batch_size=batch_size)
    form = session.vectors if isinstance(session, Session) else None
    return np.asarray(found if form is None else form.unpack(found), np.float32)

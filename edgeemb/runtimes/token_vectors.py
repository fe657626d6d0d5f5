"""What a session does with a vector per token: queries and documents of multi-vector models (ColBERT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import DOCUMENT, QUERY, LateInteraction
from edgeemb.runtimes.opened import OpenModel
from edgeemb.tasks.interaction import max_sim


@dataclass(frozen=True)
class Reading:
    """How a model for a vector per token reads a query, or a document.

    :param prompt: what is put in front of the text.
    :param length: tokens of the longest text, special tokens and prompt included; 0 for what the model takes.
    :param expansion: tokens that a shorter text is filled up to; 0 for no filling.
    :param filler: id of the token that it is filled up with.
    :param attend: whether the other tokens attend to these.
    :param skipped: ids of tokens whose vectors are left out.
    """

    prompt: str
    length: int = 0
    expansion: int = 0
    filler: int = 0
    attend: bool = False
    skipped: tuple[int, ...] = ()

    @property
    def filled(self) -> bool:
        """Whether texts may end with tokens to which no other attends."""
        return self.expansion > 0 and not self.attend


class Interacting(Protocol):
    """What says how texts are read: a manifest, or a loaded model."""

    @property
    def prompt(self) -> str: ...
    @property
    def prompts(self) -> Mapping[str, str]: ...
    @property
    def interaction(self) -> LateInteraction | None: ...


def reading_of(model: Interacting, *, query: bool) -> Reading:
    """How queries or documents are read.

    :param model: a multi-vector model, or the manifest of one.
    :param query: whether they are queries; if not, they are documents.
    """
    kind, form = QUERY if query else DOCUMENT, model.interaction
    prompt = model.prompts.get(kind, model.prompt)
    if form is None:
        return Reading(prompt)
    return Reading(
        prompt,
        form.query_length if query else form.document_length,
        form.expansion if query else 0,
        form.filler or 0,
        form.attend,
        tuple(sorted(form.skipped)) if kind in form.skips else (),
    )


def encode_tokens(
    session: OpenModel, texts: Sequence[str], *, query: bool, prompt: str | None
) -> list[NDArray[np.float32]]:
    """See `Session.encode_tokens`."""
    reading = reading_of(session.manifest, query=query)
    prefix = reading.prompt if prompt is None else session.prefix(prompt)
    found = []
    for encoding in session.encodings([prefix + text for text in texts], limit=reading.length or None):
        ids = encoding.ids.tolist()
        filled = ids + [reading.filler] * (reading.expansion - len(ids))
        feeds = session.feeds([filled])
        if reading.filled:
            feeds[session.manifest.inputs[1].name][:, len(ids) :] = 0
        vectors = np.asarray(session.run(feeds)[0, : len(filled)], np.float32)
        found.append(vectors[~np.isin(filled, reading.skipped)])
    return found


def score(session: OpenModel, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """How well texts answer a query, float32[len(texts)]."""
    queries = encode_tokens(session, [query], query=True, prompt=None)
    found: NDArray[np.float32] = max_sim(queries, encode_tokens(session, texts, query=False, prompt=None))[0]
    return found

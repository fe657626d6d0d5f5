"""What a session does with a vector per token: queries and documents of multi-vector models (ColBERT)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import DOCUMENT, QUERY, LateInteraction
from edgeemb.errors import InputError
from edgeemb.runtimes.opened import OpenModel
from edgeemb.tasks.interaction import max_sim


def encode_tokens(
    session: OpenModel, texts: Sequence[str], *, query: bool, prompt: str | None
) -> list[NDArray[np.float32]]:
    """See `Session.encode_tokens`."""
    kind = QUERY if query else DOCUMENT
    if prompt is None and kind in session.manifest.prompts:
        prompt = kind
    prefix = session.prefix(prompt)
    form = session.manifest.interaction
    expansion, limit = 0, None
    if form is not None:
        expansion = form.expansion if query else 0
        limit = form.query_length if query else form.document_length
        _check_expansion(session, form, expansion)
    found = []
    for encoding in session.encodings([prefix + text for text in texts], limit=limit):
        ids = encoding.ids.tolist()
        filled = ids + [0 if form is None or form.filler is None else form.filler] * (expansion - len(ids))
        feeds = session.feeds([filled])
        if form is not None and not form.attend:
            feeds[session.manifest.inputs[1].name][:, len(ids) :] = 0
        vectors = np.asarray(session.run(feeds)[0, : len(filled)], np.float32)
        if form is not None and kind in form.skips:
            vectors = vectors[~np.isin(filled, form.skipped)]
        found.append(vectors)
    return found


def _check_expansion(session: OpenModel, form: LateInteraction, expansion: int) -> None:
    if expansion and not form.attend and session.runtime.skips_padding:
        raise InputError(
            f"{session.path} fills queries up with tokens that the mask leaves out, and {session.runtime.title} computes no vectors of these: "
            "export it for another runtime, such as onnx"
        )


def score(session: OpenModel, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """How well texts answer a query, float32[len(texts)]."""
    queries = encode_tokens(session, [query], query=True, prompt=None)
    found: NDArray[np.float32] = max_sim(queries, encode_tokens(session, texts, query=False, prompt=None))[0]
    return found

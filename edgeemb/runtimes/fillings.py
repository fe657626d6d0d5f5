"""Tokens that a place of a text may hold: a masked one, or the one after the text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError
from edgeemb.runtimes.answers import check_task, reference_tokenizer
from edgeemb.runtimes.opened import OpenModel
from edgeemb.tables.top import TOKENS, best_of
from edgeemb.tasks.answers import Filling, probabilities
from edgeemb.tasks.registry import CAUSAL_LM, MASKED_LM
from edgeemb.tasks.windows import ending
from edgeemb.text.spellings import spelling


def fill(session: OpenModel, texts: Sequence[str], top: int) -> list[list[list[Filling]]]:
    """See `Session.fill`."""
    check_task(session, MASKED_LM)
    mask = session.manifest.mask_id
    if mask is None:
        raise InputError(f"{session.path} has no mask token: its tokenizer names none")
    _check_top(session, top)
    tokenizer = reference_tokenizer(session)
    found = []
    for number, encoding in enumerate(session.encodings(texts), 1):
        places = np.flatnonzero(encoding.ids == mask)
        if not len(places):
            token = tokenizer.id_to_token(mask)
            raise InputError(f"text {number} has no masked place: write {token} where a word is to be found")
        given = session.feeds([encoding.ids.tolist()], [encoding.types.tolist()])
        outputs = [np.asarray(output)[0] for output in session.run_at(given, places)]
        found.append(_best(tokenizer, outputs, top))
    return found


def next_tokens(session: OpenModel, texts: Sequence[str], top: int) -> list[list[Filling]]:
    """See `Session.next_tokens`."""
    check_task(session, CAUSAL_LM)
    _check_top(session, top)
    tokenizer = reference_tokenizer(session)
    found = []
    for whole in session.encodings(texts, limit=0):
        encoding = whole.at(ending(whole.texts, session.manifest.max_length))
        outputs = session.run_all(session.feeds([encoding.ids.tolist()]))
        found += _best(tokenizer, [np.asarray(output) for output in outputs], top)
    return found


def _best(tokenizer: Any, outputs: Sequence[NDArray[Any]], top: int) -> list[list[Filling]]:
    """The most probable tokens of some places.

    :param outputs: logits float32[places, V]; or the best of them in order, and int64[places, best], which tokens these belong to.
    """
    scores = probabilities(outputs[0], "softmax")
    if len(outputs) > 1:
        tokens = outputs[1]
    else:
        scores, tokens = best_of(scores, scores.shape[1])
    return [_fillings(tokenizer, *place, top) for place in zip(tokens, scores, strict=True)]


def _check_top(session: OpenModel, top: int) -> None:
    """Refuse to give more tokens than there are, where a bundle gives the best alone."""
    most = session.manifest.outputs[0].axes[-1]
    ranked = [info.name for info in session.manifest.outputs[1:]] == [TOKENS]
    if ranked and isinstance(most, int) and top > most:
        raise InputError(
            f"{session.path} gives the {most} best tokens of a place: ask for top={most} or fewer, or export it with a larger `head`"
        )


def _fillings(
    tokenizer: Any, order: NDArray[np.int64], scores: NDArray[np.float32], top: int
) -> list[Filling]:
    """The first `top` ids that stand for a token, with their scores: models may have more columns than their tokenizer has tokens."""
    named = (
        (spelling(tokenizer, int(token)) if token >= 0 else None, float(score))
        for token, score in zip(order, scores, strict=True)
    )
    return list(islice((Filling(text, score) for text, score in named if text is not None), top))

"""The answers of a session for each task: texts in, and what `edgeemb.tasks.answers` makes of the outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import TOKENIZER
from edgeemb.errors import BundleError, InputError
from edgeemb.files import read_text
from edgeemb.native.tokenizer import Encoding
from edgeemb.runtimes import token_vectors
from edgeemb.runtimes.opened import OpenModel, Text
from edgeemb.tasks.answers import (
    Class,
    Ranked,
    Span,
    Word,
    best_spans,
    classes,
    probabilities,
    spans,
    words,
)
from edgeemb.tasks.registry import (
    CLASSIFICATION,
    CROSS_ENCODER,
    MULTI_VECTOR,
    QUESTION_ANSWERING,
    SPARSE,
    TASKS,
    TOKEN_CLASSIFICATION,
)
from edgeemb.tasks.task import Task
from edgeemb.tasks.windows import windows
from edgeemb.text.tokenizer import MAX_BYTES, parse_tokenizer


def classify(session: OpenModel, texts: Sequence[Text]) -> list[list[Class]]:
    """See `Session.classify`."""
    check_task(session, CLASSIFICATION)
    scores = probabilities(session.encode(texts), session.manifest.activation or "softmax")
    return [classes(row, _labels(session, len(row))) for row in scores]


def rank(session: OpenModel, query: str, texts: Sequence[str]) -> list[Ranked]:
    """See `Session.rank`."""
    if session.task is MULTI_VECTOR:
        logits = token_vectors.score(session, query, texts)
    else:
        check_task(session, CROSS_ENCODER)
        logits = session.encode([(query, text) for text in texts])[:, 0]
    scores = probabilities(logits, session.manifest.activation)
    order = np.argsort(-logits, kind="stable")
    return [Ranked(int(place), texts[place], float(scores[place])) for place in order]


def label_words(session: OpenModel, texts: Sequence[str]) -> list[list[Word]]:
    """See `Session.label_words`."""
    check_task(session, TOKEN_CLASSIFICATION)
    found = []
    for text, (encoding, (logits,)) in zip(texts, _per_token(session, texts), strict=True):
        scores = probabilities(logits, "softmax")
        found.append(words(text, _offsets(encoding), scores, _labels(session, scores.shape[1])))
    return found


def answer(
    session: OpenModel, question: str, text: str, top: int, longest: int, overlap: int | None
) -> list[Span]:
    """See `Session.answer`."""
    check_task(session, QUESTION_ANSWERING)
    for name, value, least in (("top", top, 1), ("longest", longest, 1), ("overlap", overlap, 0)):
        if value is not None and value < least:
            raise InputError(f"{name}={value} is out of range: use {least} or more")
    (whole,) = session.encodings([(question, text)], limit=0)
    found = []
    for places in windows(whole.texts, session.manifest.max_length, overlap):
        window = whole.at(places)
        start, end = _outputs(session, window)
        found.append(spans(text, _offsets(window), window.texts, start, end, top=top, longest=longest))
    return best_spans(found, top)


def weigh_tokens(
    session: OpenModel, texts: Sequence[str], top: int | None, prompt: str | None
) -> list[dict[str, float]]:
    """See `Session.weigh_tokens`."""
    check_task(session, SPARSE)
    tokenizer = reference_tokenizer(session)
    found = []
    for row in session.encode(texts, prompt=prompt):
        order = np.argsort(-row, kind="stable")[: top if top is not None else len(row)]
        found.append(
            {str(tokenizer.id_to_token(int(token))): float(row[token]) for token in order if row[token] > 0}
        )
    return found


def _per_token(session: OpenModel, texts: Sequence[Text]) -> Iterator[tuple[Encoding, list[NDArray[Any]]]]:
    """Tokens and outputs of each text; outputs end where the text does."""
    for encoding in session.encodings(texts):
        yield encoding, _outputs(session, encoding)


def _outputs(session: OpenModel, encoding: Encoding) -> list[NDArray[Any]]:
    """The outputs for a text, a row per token."""
    feeds = session.feeds([encoding.ids.tolist()], [encoding.types.tolist()])
    return [np.asarray(output)[0, : len(encoding.ids)] for output in session.run_all(feeds)]


def check_task(session: OpenModel, task: Task) -> None:
    """Refuse a method that is not the one for a bundle's task.

    :param session: a session.
    :param task: what the method is for.
    :raises InputError: naming the method that is.
    """
    kind = TASKS.get(session.manifest.kind)
    if kind is not task:
        has = (
            "gives raw outputs: use session.run"
            if kind is None
            else f"is for {kind.title}: use session.{kind.method}"
        )
        raise InputError(f"{session.path} {has}")


def _labels(session: OpenModel, count: int) -> list[str]:
    """Names of the classes; numbers where the model has none."""
    labels = session.manifest.labels
    return labels if len(labels) == count else [str(number) for number in range(count)]


def _offsets(encoding: Encoding) -> NDArray[np.int64]:
    assert encoding.offsets is not None
    return encoding.offsets


def reference_tokenizer(session: OpenModel) -> Any:
    """The bundle's tokenizer in the form that knows the tokens of ids.

    :param session: a session.
    """
    path = session.path / TOKENIZER
    return parse_tokenizer(read_text(path, MAX_BYTES, BundleError), str(path), BundleError)

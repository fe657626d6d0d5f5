"""The answers of a session for each task: texts in, and what `edgeemb.tasks.answers` makes of the outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import TOKENIZER
from edgeemb.errors import BundleError, InputError
from edgeemb.files import read_text
from edgeemb.native.tokenizer import Encoding
from edgeemb.runtimes import token_vectors
from edgeemb.tables.top import TOKENS
from edgeemb.tasks.answers import (
    Class,
    Filling,
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
    MASKED_LM,
    MULTI_VECTOR,
    QUESTION_ANSWERING,
    SPARSE,
    TASKS,
    TOKEN_CLASSIFICATION,
)
from edgeemb.tasks.task import Task
from edgeemb.tasks.windows import windows
from edgeemb.text.tokenizer import MAX_BYTES, parse_tokenizer

if TYPE_CHECKING:
    from edgeemb.runtimes.session import Session, Text


def classify(session: Session, texts: Sequence[Text]) -> list[list[Class]]:
    """See `Session.classify`."""
    check_task(session, CLASSIFICATION)
    scores = probabilities(session.encode(texts), session.manifest.activation or "softmax")
    return [classes(row, _labels(session, len(row))) for row in scores]


def rank(session: Session, query: str, texts: Sequence[str]) -> list[Ranked]:
    """See `Session.rank`."""
    if session.task is MULTI_VECTOR:
        logits = token_vectors.score(session, query, texts)
    else:
        check_task(session, CROSS_ENCODER)
        logits = session.encode([(query, text) for text in texts])[:, 0]
    scores = probabilities(logits, session.manifest.activation)
    order = np.argsort(-logits, kind="stable")
    return [Ranked(int(place), texts[place], float(scores[place])) for place in order]


def label_words(session: Session, texts: Sequence[str]) -> list[list[Word]]:
    """See `Session.label_words`."""
    check_task(session, TOKEN_CLASSIFICATION)
    found = []
    for text, (encoding, (logits,)) in zip(texts, _per_token(session, texts), strict=True):
        scores = probabilities(logits, "softmax")
        found.append(words(text, _offsets(encoding), scores, _labels(session, scores.shape[1])))
    return found


def answer(
    session: Session, question: str, text: str, top: int, longest: int, overlap: int | None
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


def fill(session: Session, texts: Sequence[str], top: int) -> list[list[list[Filling]]]:
    """See `Session.fill`."""
    check_task(session, MASKED_LM)
    mask = session.manifest.mask_id
    if mask is None:
        raise InputError(f"{session.path} has no mask token: its tokenizer names none")
    tokenizer = _reference_tokenizer(session)
    found = []
    ranked = [info.name for info in session.manifest.outputs[1:]] == [TOKENS]
    if ranked:
        _check_top(session, top)
    for number, encoding in enumerate(session.encodings(texts), 1):
        places = np.flatnonzero(encoding.ids == mask)
        if not len(places):
            token = tokenizer.id_to_token(mask)
            raise InputError(f"text {number} has no masked place: write {token} where a word is to be found")
        given = session.feeds([encoding.ids.tolist()], [encoding.types.tolist()])
        logits, *best = (np.asarray(output)[0] for output in session.run_at(given, places))
        scores = probabilities(logits, "softmax")
        if ranked:
            (tokens,) = best
        else:
            tokens = np.argsort(-scores, axis=1, kind="stable")
            scores = np.take_along_axis(scores, tokens, axis=1)
        found.append(
            [
                [
                    Filling(_spelled(tokenizer, token), score)
                    for token, score in _known(tokenizer, *place, top)
                ]
                for place in zip(tokens, scores, strict=True)
            ]
        )
    return found


def _check_top(session: Session, top: int) -> None:
    most = session.manifest.outputs[0].axes[-1]
    if isinstance(most, int) and top > most:
        raise InputError(
            f"{session.path} gives the {most} best tokens of a place: ask for top={most} or fewer, or export it with a larger `head`"
        )


def _spelled(tokenizer: Any, token: int) -> str:
    """A token as text; one that shows nothing, such as a special token, by its name."""
    text = str(tokenizer.decode([token]))
    return text if text.strip() else str(tokenizer.id_to_token(token))


def _known(
    tokenizer: Any, order: NDArray[np.int64], scores: NDArray[np.float32], top: int
) -> list[tuple[int, float]]:
    """The first `top` ids that stand for a token, with their scores: models may have more columns than their tokenizer has tokens."""
    tokens = ((int(token), float(score)) for token, score in zip(order, scores, strict=True))
    known = (pair for pair in tokens if pair[0] >= 0 and tokenizer.id_to_token(pair[0]) is not None)
    return list(islice(known, top))


def weigh_tokens(
    session: Session, texts: Sequence[str], top: int | None, prompt: str | None
) -> list[dict[str, float]]:
    """See `Session.weigh_tokens`."""
    check_task(session, SPARSE)
    tokenizer = _reference_tokenizer(session)
    found = []
    for row in session.encode(texts, prompt=prompt):
        order = np.argsort(-row, kind="stable")[: top if top is not None else len(row)]
        found.append(
            {str(tokenizer.id_to_token(int(token))): float(row[token]) for token in order if row[token] > 0}
        )
    return found


def _per_token(session: Session, texts: Sequence[Text]) -> Iterator[tuple[Encoding, list[NDArray[Any]]]]:
    """Tokens and outputs of each text; outputs end where the text does."""
    for encoding in session.encodings(texts):
        yield encoding, _outputs(session, encoding)


def _outputs(session: Session, encoding: Encoding) -> list[NDArray[Any]]:
    """The outputs for a text, a row per token."""
    feeds = session.feeds([encoding.ids.tolist()], [encoding.types.tolist()])
    return [np.asarray(output)[0, : len(encoding.ids)] for output in session.run_all(feeds)]


def check_task(session: Session, task: Task) -> None:
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


def _labels(session: Session, count: int) -> list[str]:
    """Names of the classes; numbers where the model has none."""
    labels = session.manifest.labels
    return labels if len(labels) == count else [str(number) for number in range(count)]


def _offsets(encoding: Encoding) -> NDArray[np.int64]:
    assert encoding.offsets is not None
    return encoding.offsets


def _reference_tokenizer(session: Session) -> Any:
    """The bundle's tokenizer in the form that knows the tokens of ids."""
    path = session.path / TOKENIZER
    return parse_tokenizer(read_text(path, MAX_BYTES, BundleError), str(path), BundleError)

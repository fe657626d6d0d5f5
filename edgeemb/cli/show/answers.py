"""How `edgeemb run` shows the answers of each task; `edgeemb.tasks.registry` names these functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgeemb.errors import InputError
from edgeemb.runtimes.session import Session
from edgeemb.tasks.answers import parts

#: Values of a vector that are printed.
_SHOWN_VALUES = 6
#: Classes and tokens that are printed where nothing else is asked for.
_SHOWN = 5


@dataclass(frozen=True)
class Asked:
    """What was asked for besides the texts.

    :param query: what texts are ranked for, or the question that they answer.
    :param pair: the second text of each pair.
    :param prompt: name of the prompt.
    :param top: answers per text; None for the task's default.
    """

    query: str | None = None
    pair: str | None = None
    prompt: str | None = None
    top: int | None = None


@dataclass(frozen=True)
class Shown:
    """The answer to one text.

    :param text: the text.
    :param says: what people read.
    :param output: what stands in JSON.
    """

    text: str
    says: str
    output: Any


def show_vectors(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The start of each vector."""
    _refuse(asked, "query", "pair", "top")
    rows = session.encode(texts, prompt=asked.prompt)
    return [Shown(text, _vector(row), row.tolist()) for text, row in zip(texts, rows, strict=True)]


def show_classes(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The classes of each text, the most probable first."""
    _refuse(asked, "query", "prompt")
    given = texts if asked.pair is None else [(text, asked.pair) for text in texts]
    found = [each[: asked.top or _SHOWN] for each in session.classify(given)]
    return [
        Shown(
            text, ", ".join(f"{one.label} ({one.score:.3f})" for one in each), [asdict(one) for one in each]
        )
        for text, each in zip(texts, found, strict=True)
    ]


def show_ranking(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The texts in the order in which they answer the query."""
    _refuse(asked, "pair", "prompt")
    found = session.rank(_query(asked, "the query that the texts are ranked for"), texts)
    return [Shown(one.text, f"{one.score:.4f}", asdict(one)) for one in found[: asked.top]]


def show_words(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The words of each text with their labels, those of one entity joined."""
    _refuse(asked, "query", "pair", "prompt", "top")
    shown = []
    for text, words in zip(texts, session.label_words(texts), strict=True):
        found = parts(text, words)
        says = ", ".join(f"{one.text} = {one.label} ({one.score:.3f})" for one in found)
        shown.append(Shown(text, says or "nothing labelled", [asdict(one) for one in found]))
    return shown


def show_spans(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The parts of each text that answer the question."""
    _refuse(asked, "pair", "prompt")
    question = _query(asked, "the question")
    shown = []
    for text in texts:
        found = session.answer(question, text, asked.top or 1)
        says = ", ".join(
            f"{one.text} ({one.score:.3f}, characters {one.start} to {one.end})" for one in found
        )
        shown.append(Shown(text, says or "no answer", [asdict(one) for one in found]))
    return shown


def show_fillings(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The most probable tokens of each masked place."""
    _refuse(asked, "query", "pair", "prompt")
    found = session.fill(texts, asked.top or _SHOWN)
    return [
        Shown(
            text,
            "; ".join(", ".join(f"{one.token} ({one.score:.3f})" for one in place) for place in places),
            [[asdict(one) for one in place] for place in places],
        )
        for text, places in zip(texts, found, strict=True)
    ]


def show_next_tokens(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The most probable tokens after each text."""
    _refuse(asked, "query", "pair", "prompt")
    return [
        Shown(
            text,
            ", ".join(f"{one.token!r} ({one.score:.3f})" for one in place),
            [asdict(one) for one in place],
        )
        for text, place in zip(texts, session.next_tokens(texts, asked.top or _SHOWN), strict=True)
    ]


def show_weights(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The tokens of the largest weights."""
    _refuse(asked, "query", "pair")
    shown = []
    for text, weights in zip(texts, session.weigh_tokens(texts, prompt=asked.prompt), strict=True):
        first = list(weights.items())[: asked.top or _SHOWN]
        says = ", ".join(f"{token} {weight:.3f}" for token, weight in first)
        shown.append(Shown(text, f"{says} ({len(weights)} tokens)", weights))
    return shown


def show_token_vectors(session: Session, texts: Sequence[str], asked: Asked) -> list[Shown]:
    """The texts in the order in which they answer the query; without one, how many vectors each text has, and the start of the first."""
    if asked.query is not None:
        return show_ranking(session, texts, asked)
    _refuse(asked, "pair", "top")
    found = session.encode_tokens(texts, prompt=asked.prompt)
    return [
        Shown(text, f"{len(rows)} vectors, the first {_vector(rows[0])}", rows.tolist())
        for text, rows in zip(texts, found, strict=True)
    ]


def _vector(row: Any) -> str:
    form, unit = {"i": ("{:+d}", "values"), "u": ("{:02x}", "bytes")}.get(
        row.dtype.kind, ("{:+.4f}", "values")
    )
    values = " ".join(form.format(value) for value in row[:_SHOWN_VALUES])
    return f"[{values}{' ...' if len(row) > _SHOWN_VALUES else ''}] ({len(row)} {unit})"


def _query(asked: Asked, what: str) -> str:
    if asked.query is None:
        raise InputError(f"this bundle needs {what}: give it with `query`")
    return asked.query


def _refuse(asked: Asked, *names: str) -> None:
    """Refuse what a task has no use for."""
    for name in names:
        if getattr(asked, name) is not None:
            raise InputError(f"`{name}` means nothing to this bundle: leave it out")

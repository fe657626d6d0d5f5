"""What there is to know of a task, in one record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A task of text models.

    :param name: the kind of its models, in manifests and for ``task=``.
    :param title: its name for people.
    :param heads: endings of the names of transformers' classes that compute it; none where other files than the class's name tell.
    :param autos: Auto classes of transformers that load such a model; the first that knows its family does.
    :param outputs: names of its outputs, in the graph and in transformers' result.
    :param method: the method of a session that gives its answers.
    :param shows: how `edgeemb run` shows them: a function ``show(session, texts, asked) -> list[Shown]`` (`edgeemb.cli.show.answers`), named
        as ``module:function``.
    :param per_token: whether outputs have a row for each token; those of padding mean nothing.
    :param per_vocabulary: whether an output has a column for each token of the vocabulary, and loses those that the vocabulary loses.
    :param pairs: whether it takes pairs of texts.
    """

    name: str
    title: str
    heads: tuple[str, ...]
    autos: tuple[str, ...]
    outputs: tuple[str, ...]
    method: str
    shows: str
    per_token: bool = False
    per_vocabulary: bool = False
    pairs: bool = False

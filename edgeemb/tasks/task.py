"""What there is to know of a task, in one record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A task of text models.

    :param name: the kind of its models, in manifests and for ``task=``.
    :param title: its name for people.
    :param heads: endings of the names of transformers' classes that compute it.
    :param autos: Auto classes of transformers that load such a model; the first that knows its family does.
    :param outputs: names of its outputs, in the graph and in transformers' result.
    """

    name: str
    title: str
    heads: tuple[str, ...]
    autos: tuple[str, ...]
    outputs: tuple[str, ...]

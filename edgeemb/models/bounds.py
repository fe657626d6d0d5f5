"""Which input of a model is bounded by what: ids must name rows of every table that they go to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edgeemb.models.base import TensorInfo


@dataclass(frozen=True)
class Fed:
    """A constant whose rows the values of an input select, unchanged but for their shape and type.

    :param input: name of the input.
    :param rows: rows of the constant.
    :param table: alias of the table that it is; None for a constant that is no table of the model.
    """

    input: str
    rows: int
    table: str | None


def bound_inputs(inputs: Iterable[TensorInfo], fed: Sequence[Fed]) -> tuple[TensorInfo, ...]:
    """The inputs, and for those that hold ids the table that they go to and the bound of their values.

    :param inputs: inputs as the graph declares them.
    :param fed: what each format's reader has found in the graph, the largest table first.
    :return: `inputs` with `table`, the first one that an input feeds, and `rows`, the least of all that it feeds.
    """
    bounded = []
    for info in inputs:
        own = [each for each in fed if each.input == info.name]
        table = next((each.table for each in own if each.table is not None), None)
        bounded.append(replace(info, table=table, rows=min((each.rows for each in own), default=None)))
    return tuple(bounded)

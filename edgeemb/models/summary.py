"""What is in a model: its tables and what they weigh."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgeemb.models.base import LoadedModel


@dataclass(frozen=True)
class TableSummary:
    """A table of a model: its names, shape, bytes as it came, share of the model's bytes, and whether an output layer shares it."""

    alias: str
    name: str
    role: str
    rows: int
    dim: int
    bytes: int
    share: float
    tied: bool


@dataclass(frozen=True)
class ModelSummary:
    """A model and its tables.

    :param name: name of the model.
    :param kind: ``embedding``, ``classification`` or ``module``.
    :param bytes: bytes of all weights, tables included.
    :param tables: its tables, the largest first.
    """

    name: str
    kind: str
    bytes: int
    tables: tuple[TableSummary, ...]

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return asdict(self)


def inspect_model(model: LoadedModel) -> ModelSummary:
    """Weigh a model's tables.

    :param model: a loaded model.
    """
    total = model.weight_bytes()
    tables = tuple(
        TableSummary(
            table.alias,
            table.name,
            table.role,
            table.rows,
            table.dim,
            table.bytes,
            table.bytes / total,
            table.tied,
        )
        for table in model.tables
    )
    return ModelSummary(model.name, model.kind, total, (*_computed_rows(model, total), *tables))


def _computed_rows(model: LoadedModel, total: int) -> tuple[TableSummary, ...]:
    """What replaces a word table if rows are computed from words: a few constants, which are not weights."""
    if model.words is None:
        return ()
    stored = sum(array.nbytes for array in model.words.arrays().values())
    return (
        TableSummary(
            "word", model.words.spec, "word", 0, model.words.dim, stored, stored / total, tied=False
        ),
    )

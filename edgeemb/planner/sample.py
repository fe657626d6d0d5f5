"""How well a table preserves a model's output, on a sample of sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.models.agreement import agreements_of, depends_on_tables, worst_of
from edgeemb.models.base import LoadedModel
from edgeemb.models.lines import line_feeds, line_ids
from edgeemb.tables import Table
from edgeemb.tables.head import why_no_head


class Sample:
    """The sentences (or examples) of a model, and its outputs for them.

    Only the rows of ids in the sentences are replaced: other rows do not affect the outputs.

    :param model: the model to imitate.
    :param alias: the table that is replaced.
    :param corpus: text whose lines are the sample; None for the packaged sentences. A model that takes no text has its examples.
    :param seed: seed of the choice of lines.
    :raises InputError: if the corpus cannot be read.
    """

    def __init__(self, model: LoadedModel, alias: str, corpus: Path | None, seed: int) -> None:
        self._model = model
        self._alias = alias
        self._weight = model.table_weight(alias)
        rows = len(self._weight)
        if model.tokenizer_json is None:
            self._feeds = model.examples()
            self._count = len(self._feeds)
            self.ids: NDArray[np.int64] = np.arange(rows)
            self.counts: NDArray[np.float64] = np.ones(rows)
        else:
            tokens = line_ids(model, corpus, seed)
            self._feeds = line_feeds(model, tokens)
            self._count = len(tokens)
            found = np.bincount(np.concatenate([np.array(ids, np.int64) for ids in tokens]), minlength=rows)
            self.ids = np.flatnonzero(found)
            self.counts = found[self.ids].astype(np.float64)
        self._outputs = self._run(model)
        self._counting = depends_on_tables(model, self._feeds[0], self._outputs[0])

    def __len__(self) -> int:
        return self._count

    def agreement(self, table: Table) -> float:
        """How near the model's outputs with a replaced table come to those with its own: the mean of the worst output, by the measure that
        suits it (see `edgeemb.models.agreement`), a cosine for vectors.

        :param table: a fitted table.
        """
        shared = self._model.table(self._alias).tied and not why_no_head(table)
        if shared:  # as an output layer, every row counts
            rows = table.reconstruct()
        else:
            rows = self._weight.copy()
            rows[self.ids] = table.rows(self.ids)
        outputs = self._run(self._model.with_rows(self._alias, rows, shared=shared))
        found = agreements_of(self._model, self._feeds[0], self._outputs, outputs, self._counting)
        return worst_of(found).mean

    def _run(self, model: LoadedModel) -> list[list[NDArray[Any]]]:
        """All outputs of each batch of sentences, or of each example."""
        return [model.reference(feeds) for feeds in self._feeds]

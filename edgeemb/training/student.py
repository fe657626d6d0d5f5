"""Students: a copy of the teacher with other tables, or a smaller model of the same family."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.models.shrinking.vocabulary import word_tokens
from edgeemb.models.torch.model import Model
from edgeemb.progress import Progress, silent
from edgeemb.tables import Table, encode, reads_tokens
from edgeemb.tables.spec import Spec
from edgeemb.text.corpus import count_tokens
from edgeemb.torch_tables.placing import put_rows, take_rows
from edgeemb.torch_tables.trainable import TrainableTable


def copied(model: Model) -> Model:
    """A model whose module can be changed without changing the one given.

    :param model: a loaded model.
    """
    return replace(model, module=copy.deepcopy(model.module))


def frequency_in(model: Model, texts: Sequence[str]) -> NDArray[np.float64]:
    """How often training texts look up each row of the word table.

    :param model: the model.
    :param texts: the texts.
    :return: float64[V], positive, sums to 1.
    """
    counts = count_tokens(Tokenizer.from_str(model.tokenizer_json or ""), texts, special=True).ids
    frequency = np.ones(model.word_table.rows)
    frequency[: len(counts)] += counts
    return np.asarray(model.row_frequency(frequency / frequency.sum()), np.float64)


def fit_start(
    model: Model, specs: Mapping[str, Spec], texts: Sequence[str], seed: int, progress: Progress = silent
) -> dict[str, Table]:
    """The tables that training begins with.

    A table that was already trained is used as it is if the same spec is requested again.

    :param model: the student.
    :param specs: specs by alias.
    :param texts: training texts, whose token frequencies weight the fit of the word table.
    :param seed: equal seeds give equal tables.
    :param progress: called with (rows done, rows in all) of the table at work.
    :raises SpecError: if a spec does not fit its table.
    """
    tables = {}
    for alias, spec in specs.items():
        stored = model.fitted.get(alias)
        word = model.table(alias).role == "word"
        tables[alias] = (
            stored
            if stored is not None and stored.spec == spec
            else encode(
                model.table_weight(alias),
                spec,
                frequency=frequency_in(model, texts) if word else None,
                tokens=word_tokens(model) if word and reads_tokens(spec) else None,
                seed=seed,
                progress=progress,
                name=f"table {alias}",
            )
        )
    return tables


def put_tables(model: Model, tables: Mapping[str, Table]) -> dict[str, TrainableTable]:
    """Replace tables of a model's module by ones that learn.

    :param model: the student; its module is changed.
    :param tables: where they begin, by alias.
    :return: the new modules by alias.
    """
    placed = {}
    for alias, table in tables.items():
        placed[alias] = TrainableTable(table, model.table_weight(alias))
    weights = {alias: model.module.get_parameter(model.table(alias).name) for alias in tables}
    for alias, module in placed.items():
        put_rows(model.module, weights[alias], module)
    return placed


def take_tables(model: Model, placed: Mapping[str, TrainableTable]) -> Model:
    """The model with plain tables again, which hold the decoded rows, and with the trained tables beside them.

    :param model: the student; its module is changed.
    :param placed: what `put_tables` gave.
    """
    fitted = {alias: module.fitted() for alias, module in placed.items()}
    for alias, module in placed.items():
        rows = torch.from_numpy(fitted[alias].reconstruct())
        take_rows(model.module, module, rows)
    return replace(model, fitted=fitted)

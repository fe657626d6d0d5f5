"""Which table of a model gets which spec, and fitting the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgeemb.errors import SpecError
from edgeemb.memory import page_out
from edgeemb.models.base import LoadedModel
from edgeemb.models.shrinking.reach import check_reached
from edgeemb.models.shrinking.vocabulary import word_frequency, word_tokens
from edgeemb.progress import Progress, silent
from edgeemb.tables import Table, encode, reads_tokens
from edgeemb.tables.registry import suited
from edgeemb.tables.request import TableRequest
from edgeemb.tables.spec import KEEP, Spec, parse_spec

#: Spec of position and type tables that nothing else is said about.
SMALL_TABLE = "int8"


@dataclass(frozen=True)
class Chosen:
    """The specs of a model's tables.

    :param specs: specs by alias, in the order of the model's tables; a table that is missing here stays as it is.
    :param notes: by alias, where a default was changed to suit a table, and why, or that it stays as it is: sentences for people.
    :param named: tables that a spec was asked for by name.
    :param meant: tables that the spec without a name is for; empty where there is none.
    :param kept: tables that were asked to stay as they are.
    """

    specs: dict[str, Spec]
    notes: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    meant: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


def choose_specs(model: LoadedModel, wanted: TableRequest, default: str) -> Chosen:
    """The spec of every table of a model.

    A bare spec is for the word table, or for every table if none is recognised as the word table; ``name=spec`` is for one table. Position and
    type tables that are not named get `SMALL_TABLE`; tables that are neither, such as relative attention biases, stay as they are. A table that
    was trained inside the model keeps its spec until another is asked for. The default is changed where its options do not suit the width of a
    table; a spec that was asked for is taken as it is. ``keep`` leaves a table as it is; without a name, every table that nothing else is said
    about.

    :param model: a loaded model.
    :param wanted: what was asked for. The table of a goal gets the default until the planner has chosen.
    :param default: spec where `wanted` says nothing.
    :raises SpecError: if a spec is given for words whose rows are computed.
    :raises ModelError: if a table is named that the model does not have.
    """
    bare, keep_all = (None, True) if wanted.bare == KEEP else (wanted.bare, False)
    for alias in (*wanted.named, *([wanted.planned] if wanted.planned else [])):
        model.table(alias)
    planned = None if wanted.goal is None else wanted.planned or model.word_table.alias
    trained = {
        alias: table.spec
        for alias, table in model.fitted.items()
        if bare is None or model.table(alias).role in ("position", "type")
    }
    asked = {alias: KEEP for alias in _aliases(model) if keep_all and alias != planned} | dict(wanted.named)
    # A table that was trained is kept as it was trained.
    kept = {alias for alias, spec in asked.items() if spec == KEEP and alias not in model.fitted}
    trained |= {
        alias: model.fitted[alias].spec for alias, spec in asked.items() if spec == KEEP and alias not in kept
    }
    named = {**trained, **{alias: spec for alias, spec in asked.items() if spec != KEEP}}
    if bare is not None and model.words is not None:
        raise SpecError(
            f"{model.name} computes the rows of its words, so there is no table for '{bare}': leave `table` out, or name a table of "
            f"{', '.join(table.alias for table in model.tables)}"
        )
    check_reached(model, bare, named)
    word = bare or parse_spec(default)
    by_role = {"word": word, "position": parse_spec(SMALL_TABLE), "type": parse_spec(SMALL_TABLE)}
    if not any(table.role == "word" for table in model.tables):
        by_role["other"] = word
    specs: dict[str, Spec] = {}
    notes = {alias: f"table {alias} stays as it is" for alias in _aliases(model) if alias in kept}
    for table in model.tables:
        spec = named.get(table.alias, by_role.get(table.role))
        if spec is None or table.alias in kept:
            continue
        if table.alias not in named and spec is not bare:
            fitting = suited(spec, table.dim)
            if fitting != spec and table.alias != planned:
                notes[table.alias] = (
                    f"table {table.alias} is stored as {fitting}: the default {spec} does not suit its {table.dim} columns"
                )
            spec = fitting
        specs[table.alias] = spec
    meant = {alias for alias, spec in specs.items() if spec is bare and alias not in named}
    return Chosen(specs, notes, frozenset(wanted.named) - kept, frozenset(meant), frozenset(kept))


def _aliases(model: LoadedModel) -> list[str]:
    return [table.alias for table in model.tables]


def fit_tables(
    model: LoadedModel,
    specs: Mapping[str, Spec],
    *,
    corpus: Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Table]:
    """Fit every table of a model.

    :param model: a loaded model.
    :param specs: specs by alias.
    :param corpus: text whose token frequencies weight the fit of the word table, or None.
    :param seed: equal seeds give equal tables.
    :param progress: called with (rows done, rows in all) of the table at work.
    :return: tables by alias.
    :raises SpecError: if a spec does not fit its table.
    :raises InputError: if the corpus cannot be used.
    """
    tables = {}
    for alias, spec in specs.items():
        stored = model.fitted.get(alias)
        if stored is not None and stored.spec == spec:
            tables[alias] = stored
            continue
        word = model.table(alias).role == "word"
        frequency = word_frequency(model, corpus) if word else None
        weight = model.table_weight(alias)
        tables[alias] = encode(
            weight,
            spec,
            frequency=frequency,
            tokens=word_tokens(model) if word and reads_tokens(spec) else None,
            seed=seed,
            progress=progress,
            name=f"table {alias}",
        )
        page_out(weight)
    return tables

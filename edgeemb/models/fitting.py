"""Which table gets which spec: reading `table` values and fitting the tables they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeemb.errors import SpecError
from edgeemb.models.base import LoadedModel
from edgeemb.models.reach import check_reached
from edgeemb.models.vocabulary import word_frequency, word_tokens
from edgeemb.progress import Progress, silent
from edgeemb.tables import Table, codec_of, encode, reads_tokens
from edgeemb.tables.request import read_specs
from edgeemb.tables.spec import Spec, parse_spec

#: Spec of position and type tables that nothing else is said about.
SMALL_TABLE = "int8"


def choose_specs(
    model: LoadedModel, wanted: str | Sequence[str] | Mapping[str, str], default: str
) -> dict[str, Spec]:
    """The spec of every table of a model.

    A bare spec is for the word table, or for every table of a model that has none known as such; ``name=spec`` is for one table. Position and
    type tables that are not named get `SMALL_TABLE`; tables that are neither, such as relative attention biases, stay as they are. A table that
    was trained inside the model keeps its spec until another is asked for.

    :param model: a loaded model.
    :param wanted: one spec, a list of specs and ``name=spec`` entries, or a mapping from table to spec.
    :param default: spec where `wanted` says nothing.
    :return: specs by alias, in the order of the model's tables; a table that is missing here stays as it is.
    :raises SpecError: if a spec does not parse, or two bare specs are given.
    :raises ModelError: if a table is named that the model has not.
    """
    named, bare = read_specs(wanted)
    for alias in named:
        model.table(alias)
    trained = {
        alias: table.spec
        for alias, table in model.fitted.items()
        if bare is None or model.table(alias).role in ("position", "type")
    }
    named = trained | named
    if bare is not None and model.words is not None:
        raise SpecError(
            f"{model.name} computes the rows of its words, there is no table for '{bare}': leave `table` out, or name a table of "
            f"{', '.join(table.alias for table in model.tables)}"
        )
    check_reached(model, bare, named)
    bare = bare or parse_spec(default)
    by_role = {"word": bare, "position": parse_spec(SMALL_TABLE), "type": parse_spec(SMALL_TABLE)}
    if not any(table.role == "word" for table in model.tables):
        by_role["other"] = bare
    chosen = {table.alias: named.get(table.alias, by_role.get(table.role)) for table in model.tables}
    specs = {alias: spec for alias, spec in chosen.items() if spec is not None}
    for spec in specs.values():
        codec_of(spec)
    return specs


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
        tables[alias] = encode(
            model.table_weight(alias),
            spec,
            frequency=frequency,
            tokens=word_tokens(model) if word and reads_tokens(spec) else None,
            seed=seed,
            progress=progress,
            name=f"table {alias}",
        )
    return tables

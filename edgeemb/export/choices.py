"""Which table gets which spec: reading ``--table`` values and fitting the tables they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.errors import SpecError
from edgeemb.model_info import LoadedModel
from edgeemb.progress import Progress, silent
from edgeemb.tables import Table, codec_of, encode, reads_tokens
from edgeemb.tables.spec import Spec, parse_spec
from edgeemb.text.corpus import token_frequency
from edgeemb.text.token_bytes import token_bytes

#: Spec of position and type tables that nothing else is said about.
SMALL_TABLE = "int8"

_NAMED = re.compile(r"([\w.\-/]+)=(.+)")


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
            f"{model.name} computes the rows of its words, there is no table for '{bare}': leave --table out, or name a table of "
            f"{', '.join(table.alias for table in model.tables)}"
        )
    bare = bare or parse_spec(default)
    by_role = {"word": bare, "position": parse_spec(SMALL_TABLE), "type": parse_spec(SMALL_TABLE)}
    if not any(table.role == "word" for table in model.tables):
        by_role["other"] = bare
    chosen = {table.alias: named.get(table.alias, by_role.get(table.role)) for table in model.tables}
    specs = {alias: spec for alias, spec in chosen.items() if spec is not None}
    for spec in specs.values():
        codec_of(spec)
    return specs


def check_specs(wanted: str | Sequence[str] | Mapping[str, str]) -> None:
    """Refuse specs that no table could have, before a model is loaded for them.

    :param wanted: as in `choose_specs`.
    :raises SpecError: if a spec does not parse, its codec or an option is unknown, or two bare specs are given.
    """
    named, bare = read_specs(wanted)
    for spec in [*named.values(), *([bare] if bare else [])]:
        codec_of(spec)


def read_specs(wanted: str | Sequence[str] | Mapping[str, str]) -> tuple[dict[str, Spec], Spec | None]:
    """Read ``--table`` values.

    :param wanted: as in `choose_specs`.
    :return: specs by the name of their table, and the spec that has none.
    :raises SpecError: if a spec does not parse, or two bare specs are given.
    """
    if isinstance(wanted, Mapping):
        return {alias: parse_spec(text) for alias, text in wanted.items()}, None
    named: dict[str, Spec] = {}
    bare: list[Spec] = []
    for text in [wanted] if isinstance(wanted, str) else wanted:
        match = _NAMED.fullmatch(text)
        if match is None:
            bare.append(parse_spec(text))
        else:
            named[match[1]] = parse_spec(match[2])
    if len(bare) > 1:
        raise SpecError(
            f"two specs without a table's name ('{bare[0]}' and '{bare[1]}'): write NAME=SPEC for all but one"
        )
    return named, bare[0] if bare else None


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


def word_tokens(model: LoadedModel) -> list[bytes] | None:
    """The bytes of the token of each row of a model's word table.

    :param model: a loaded model.
    :return: one byte string a row; None without a tokenizer, or where rows stand for other things than tokens.
    """
    rows = model.word_table.rows
    if model.tokenizer_json is None or (model.inputs[0].rows or rows) != rows:
        return None
    return token_bytes(model.tokenizer_json, rows)


def word_frequency(model: LoadedModel, corpus: Path | None) -> NDArray[np.float64] | None:
    """How often a corpus looks up each row of a model's word table.

    :param model: a loaded model.
    :param corpus: a text file, or a folder of them, or None.
    :return: float64[V], positive; None without a corpus or a tokenizer.
    :raises InputError: if the corpus cannot be used.
    """
    if corpus is None or model.tokenizer_json is None:
        return None
    ids = model.inputs[0].rows or model.word_table.rows
    return model.row_frequency(token_frequency(Tokenizer.from_str(model.tokenizer_json), corpus, ids))

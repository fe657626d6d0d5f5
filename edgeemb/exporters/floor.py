"""How close an export must be to its original: below the floor of its precision it is not written, and the error says where the two first differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeemb.body.precision import PRECISIONS
from edgeemb.errors import ExportError, SpecError
from edgeemb.exporters.choice import Choice
from edgeemb.exporters.parity import run_both
from edgeemb.exporters.writers import Apart, locator_for
from edgeemb.models.agreement import agreements_of, worst_of
from edgeemb.models.base import LoadedModel
from edgeemb.runtimes.session import Session
from edgeemb.tables import Table

#: Below this agreement the user is told that it is the tables that lose so much.
_LITTLE = 0.8


def check_floor(
    model: LoadedModel,
    tables: Mapping[str, Table],
    session: Session,
    choice: Choice,
    parity: Mapping[str, Any],
    folder: Path,
    heads: Collection[str] = (),
) -> tuple[str, ...]:
    """Refuse an export that does not compute what its model does.

    How much a table loses is the user's choice, so an export far from the original is compared with the original using exactly the rows that
    its tables give.

    :param model: what was written.
    :param tables: its compressed tables by alias.
    :param session: the export.
    :param choice: what it was made for.
    :param parity: how near it comes to the original.
    :param folder: the folder that was written.
    :param heads: tables that an output layer shares in it.
    :return: a note for the user if the tables, or short lengths, alone lose that much.
    :raises ExportError: if the export is below the floor of its precision, with the first table or layer that differs.
    """
    floor = PRECISIONS[choice.body].floor
    if parity["cosine_mean"] >= floor:
        return ()
    same = _with_tables(model, tables, heads)
    if same is None:
        return ()
    # A runtime of fixed lengths may cut texts earlier.
    longest = min(model.max_length, session.manifest.max_length)
    same = replace(same, max_length=longest)
    runs = run_both(same, session)
    worst = worst_of(agreements_of(same, runs.feeds[0], runs.wanted, runs.found))
    if worst.mean >= floor:
        if parity["cosine_mean"] >= _LITTLE:
            return ()
        if longest < model.max_length:
            cut = worst_of(
                agreements_of(model, runs.feeds[0], list(map(model.reference, runs.feeds)), runs.found)
            )
            if cut.mean >= _LITTLE:
                return (
                    f"texts are cut at {longest} tokens, where the model takes {model.max_length} "
                    f"(mean agreement {parity['cosine_mean']:.2f}, {cut.mean:.2f} with the same tokens): export it with longer lengths",
                )
        return (
            f"the tables keep little of the model (mean agreement {parity['cosine_mean']:.2f}): choose a finer spec, or train them with 'edgeemb adapt'",
        )
    locate = locator_for(choice.runtime)
    place = None if locate is None else locate(Apart(same, tables, choice.body, runs.feeds[0], floor, folder))
    raise ExportError(
        f"output '{worst.output}' of the export has a mean {worst.measure} of {worst.mean:.4f} to the original with the same tables, below {floor} "
        f"for body {choice.body}: they first differ at {place or 'the body'}; use another body"
    )


def _with_tables(
    model: LoadedModel, tables: Mapping[str, Table], heads: Collection[str]
) -> LoadedModel | None:
    """The model with the rows that its compressed tables give; None if it cannot be built."""
    if model.runtimes and any(model.table(alias).tied for alias in tables):
        return None  # a layer of a finished model that shares a table would get the rows too, and keeps its own in the export
    try:
        for alias, table in tables.items():
            model = model.with_rows(alias, table.reconstruct(), shared=alias in heads)
    except SpecError:
        return None
    return model

"""Whether a requested table spec applies to a table."""

from __future__ import annotations

from collections.abc import Mapping

from edgeemb.errors import SpecError
from edgeemb.models.base import LoadedModel
from edgeemb.tables.spec import KEEP, Spec


def check_reached(model: LoadedModel, bare: Spec | None, named: Mapping[str, Spec]) -> None:
    """Refuse a spec without a table's name that no table gets.

    :param model: a loaded model.
    :param bare: that spec; None where there is none.
    :param named: specs given for particular tables, by alias.
    :raises SpecError: with what looks like a table and is none, and why.
    """
    roles = {table.role for table in model.tables}
    meant = "word" if "word" in roles else "other"
    if bare in (None, KEEP) or any(
        table.role == meant and table.alias not in named for table in model.tables
    ):
        return
    held = ", ".join(f"{table.alias} ({table.rows} x {table.dim})" for table in model.tables)
    near = "; ".join(
        f"'{name}' looks like one, but it {reason}" for name, reason in model.near_tables().items()
    )
    raise SpecError(
        f"'{bare}' reaches no table of {model.name}, which has {held} only; "
        f"{near or 'nothing else looks like a table'}: name one as NAME=SPEC, or leave the spec out"
    )

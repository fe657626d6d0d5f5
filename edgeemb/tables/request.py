"""Table requests: which table gets which spec, as callers write it, parsed once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, Union

from edgeemb.errors import SpecError
from edgeemb.tables.goal import Goal, parse_goal
from edgeemb.tables.registry import coder_of
from edgeemb.tables.spec import KEEP, Spec, parse_spec

#: What callers may give: one spec, a list of ``spec`` and ``name=spec``, or a mapping from a table's name to its spec.
Tables: TypeAlias = Union[str, Sequence[str], Mapping[str, str]]

_NAMED = re.compile(r"([\w.\-/]+)=(.+)", re.DOTALL)


@dataclass(frozen=True)
class TableRequest:
    """Which table gets which spec.

    :param named: specs by the name of their table.
    :param bare: the spec without a name, which is for the word table; None if there is none.
    :param goal: what the planner is to reach for a table, in the place of its spec; None where nothing is ``auto``.
    :param planned: the name of that table; None for the word table.
    """

    named: Mapping[str, Spec] = field(default_factory=dict)
    bare: Spec | None = None
    goal: Goal | None = None
    planned: str | None = None

    def __str__(self) -> str:
        entries = {name: str(spec) for name, spec in self.named.items()}
        if self.bare is not None:
            entries[""] = str(self.bare)
        if self.goal is not None:
            entries[self.planned or ""] = f"auto:{self.goal}"
        return " ".join(f"{name}={spec}" if name else spec for name, spec in sorted(entries.items()))


def read_tables(wanted: Tables) -> TableRequest:
    """Parse what a caller wrote, and refuse what no table could have, before a model is loaded.

    :param wanted: specs and goals.
    :return: the request; every spec in it is `KEEP`, or has a known codec with options in their range.
    :raises SpecError: if a spec or a goal does not parse, its codec or an option is unknown, or two are for one table.
    """
    named: dict[str, Spec] = {}
    bare: list[Spec] = []
    goals: list[tuple[str | None, Goal]] = []
    for name, text in _entries(wanted):
        goal = parse_goal(text)
        if goal is not None:
            goals.append((name, goal))
            continue
        spec = parse_spec(text)
        if spec != KEEP:
            coder_of(spec)
        if name is None:
            bare.append(spec)
        elif name in named:
            raise SpecError(f"two specs for table '{name}' ('{named[name]}' and '{spec}'): give one")
        else:
            named[name] = spec
    if len(bare) > 1:
        raise SpecError(
            f"two specs without a table's name ('{bare[0]}' and '{bare[1]}'): write NAME=SPEC for all but one"
        )
    if len(goals) > 1:
        raise SpecError(
            "auto is given for two tables, but one search plans one table: give specs for the others"
        )
    planned, goal = goals[0] if goals else (None, None)
    if goal is not None and planned is None and bare:
        raise SpecError(f"auto and '{bare[0]}' are both for the word table: write NAME=SPEC for one of them")
    if planned in named:
        raise SpecError(f"auto and '{named[planned]}' are both for table '{planned}': give one of them")
    return TableRequest(named, bare[0] if bare else None, goal, planned)


def _entries(wanted: Tables) -> list[tuple[str | None, str]]:
    """The name of a table, or None, and what is wanted of it."""
    if isinstance(wanted, Mapping):
        return [(name, text) for name, text in wanted.items()]
    entries: list[tuple[str | None, str]] = []
    for text in [wanted] if isinstance(wanted, str) else wanted:
        match = _NAMED.fullmatch(text)
        entries.append((None, text) if match is None else (match[1], match[2]))
    return entries

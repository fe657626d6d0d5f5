"""Which table gets which spec: reading table requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edgeemb.errors import SpecError
from edgeemb.tables import codec_of
from edgeemb.tables.spec import Spec, parse_spec

_NAMED = re.compile(r"([\w.\-/]+)=(.+)")


def check_specs(wanted: str | Sequence[str] | Mapping[str, str]) -> None:
    """Refuse specs that no table could have, before a model is loaded for them.

    :param wanted: as in `choose_specs`.
    :raises SpecError: if a spec does not parse, its codec or an option is unknown, or two bare specs are given.
    """
    named, bare = read_specs(wanted)
    for spec in [*named.values(), *([bare] if bare else [])]:
        codec_of(spec)


def read_specs(wanted: str | Sequence[str] | Mapping[str, str]) -> tuple[dict[str, Spec], Spec | None]:
    """Read `table` values.

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

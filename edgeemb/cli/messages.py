"""Errors on the command line: the library names Python parameters, and here they become flags."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

#: ``force=True``, ``ops="builtin"``, ``lengths=[16]``, ``batch=1``; not the options of a spec, which follow a colon, a comma or a quote.
_GIVEN = re.compile(
    r"(?<![\w:,.'-])(\w+)=(True|\"[^\"]*\"|'[^']*'|\[[^\]]*\]|nan|inf|-?[0-9][0-9.e+-]*[0-9]|-?[0-9])"
)
_NAMED = re.compile(r"`(\w+)`")


def as_flags(message: str, main: click.Group) -> str:
    """A message of the library, in the words of the command line.

    :param message: names parameters as ``name=value`` or as `` `name` ``.
    :param main: the group of commands, whose options give the flags.
    """
    flags = dict(_flags(main))

    def given(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        if name not in flags:
            return match[0]
        if value == "True":
            return flags[name]
        return f"{flags[name]} " + value.strip("\"'[]").replace(", ", ",")

    message = _GIVEN.sub(given, message)
    return _NAMED.sub(lambda match: flags.get(match[1], match[0]), message)


def _flags(group: click.Group) -> Iterator[tuple[str, str]]:
    """The flag of each parameter of every command; an option means the same in all of them, so the command does not matter."""
    for command in group.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name is not None:
                yield parameter.name, max(parameter.opts, key=len)

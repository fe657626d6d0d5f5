"""The group of all commands: expected errors are one line, and the list of commands shows whole sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, cast

import click

from edgeemb.cli.messages import as_flags
from edgeemb.errors import EdgeembError, SpecError

#: Where a context keeps what the group was called with.
COMMAND_LINE = "edgeemb.command_line"

#: How torch, ONNX Runtime and the C++ library say that memory is short; they raise RuntimeError over it.
_NO_MEMORY = ("can't allocate memory", "bad_alloc", "not enough memory", "failed to allocate memory")


def _is_memory(error: BaseException) -> bool:
    """Whether an error, or what it comes from, says that there is not enough memory."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or any(text in str(seen).lower() for text in _NO_MEMORY):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@dataclass(frozen=True)
class Member:
    """A command, which is imported when it is asked for.

    :param name: its name, and that of the object that it is.
    :param module: the module of this package that has it.
    :param summary: the first sentence of its help.
    """

    name: str
    module: str
    summary: str


class _Imported(Mapping[str, click.Command]):
    """Commands by name, each imported when it is looked up."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._places = {member.name: f"edgeemb.cli.{member.module}:{member.name}" for member in members}

    def __getitem__(self, name: str) -> click.Command:
        command: click.Command = resolve_name(self._places[name])
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Commands(click.Group):
    """A group whose expected errors are one line on standard error.

    :param members: its commands, in the order in which they are listed.
    """

    def __init__(self, name: str | None, *, members: Sequence[Member], **how: Any) -> None:
        super().__init__(name, **how)
        self.commands = cast("MutableMapping[str, click.Command]", _Imported(members))  # none is added
        self.members = members

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[COMMAND_LINE] = tuple(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EdgeembError as error:
            click.echo(f"error: {as_flags(str(error), self)}", err=True)
            ctx.exit(2 if isinstance(error, SpecError) else 1)
        except (MemoryError, RuntimeError) as error:
            if not _is_memory(error):
                raise
            click.echo(
                "error: out of memory: nothing was written; use a smaller model or batch, or a larger machine",
                err=True,
            )
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted: nothing was left behind", err=True)
            ctx.exit(1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without cutting off their sentences."""
        with formatter.section("Commands"):
            formatter.write_dl([(member.name, member.summary) for member in self.members])

"""The group of all commands: expected errors are one line, and the list of commands shows whole sentences."""

from __future__ import annotations

from typing import Any

import click

from edgeemb.cli.messages import as_flags
from edgeemb.errors import EdgeembError, SpecError

_LONGEST_HELP = 200


class Commands(click.Group):
    """A group whose expected errors are one line on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EdgeembError as error:
            click.echo(f"error: {as_flags(str(error), self)}", err=True)
            ctx.exit(2 if isinstance(error, SpecError) else 1)
        except KeyboardInterrupt:
            click.echo("interrupted: nothing was left behind", err=True)
            ctx.exit(1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without cutting off their sentences."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(_LONGEST_HELP)) for name, command in self.commands.items()]
            )

"""The group of all commands: expected errors are one line, and the list of commands shows whole sentences."""

from __future__ import annotations

from typing import Any

import click

from edgeemb.cli.messages import as_flags
from edgeemb.errors import EdgeembError, SpecError

_LONGEST_HELP = 200


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


class Commands(click.Group):
    """A group whose expected errors are one line on standard error."""

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
            formatter.write_dl(
                [(name, command.get_short_help_str(_LONGEST_HELP)) for name, command in self.commands.items()]
            )

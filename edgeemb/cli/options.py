"""What the commands share: options, and how results are printed."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

FOLDER = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
ops_option = click.option(
    "--ops",
    type=click.Choice(["auto", "builtin", "custom"]),
    default="auto",
    show_default=True,
    help="Lookup to use.",
)


def numbers(text: str | None, option: str) -> tuple[int, ...]:
    """The whole numbers of an option, with commas between.

    :param text: as written; None or empty for none.
    :param option: what it is called, for the error.
    :raises UsageError: if it is anything else.
    """
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.UsageError(
            f"{option} {text}: write whole numbers with commas between, such as 16,128"
        ) from None


def print_result(as_json: bool, values: Callable[[], Any], draw: Callable[[Console], None]) -> None:
    """Print a command's result.

    :param as_json: print JSON.
    :param values: gives the JSON values.
    :param draw: prints for people.
    """
    if as_json:
        click.echo(json.dumps(values(), indent=2, ensure_ascii=False, default=_plain))
    else:
        draw(Console())


def _plain(value: object) -> Any:
    """JSON for what json does not know: dataclasses, tuples in them, paths."""
    return vars(value) if hasattr(value, "__dict__") else str(value)


def command_line() -> str:
    """The command line as typed, for the manifest; the program's own path says nothing to others."""
    return shlex.join(["edgeemb", *sys.argv[1:]])

"""What the commands share: options, and how results are printed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console

from edgeemb.cli.group import COMMAND_LINE

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


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
    """The command line as typed, for the manifest, without the program's own path."""
    return shlex.join(["edgeemb", *click.get_current_context().meta[COMMAND_LINE]])

"""`edgeemb codecs`: how a table can be stored, and how large it is then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from edgeemb.cli.options import json_option, print_result

if TYPE_CHECKING:
    from edgeemb.tables.listing import Listed

_SHAPE = re.compile(r"([1-9][0-9]{0,9})x([1-9][0-9]{0,5})")
_FLOAT_BYTES = 4


def _read_shape(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    match = _SHAPE.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"'{value}' is not a shape: write rows and columns, such as 30522x384")
    return int(match[1]), int(match[2])


@click.command()
@click.option(
    "--shape",
    metavar="ROWSxCOLUMNS",
    callback=_read_shape,
    default="30522x384",
    show_default=True,
    help="Shape of the table that sizes are given for.",
)
@json_option
def codecs(shape: tuple[int, int], as_json: bool) -> None:
    """List how a table can be stored, with the size of an example and what each codec is good for."""
    from edgeemb.tables.listing import list_codecs  # the codecs take a while to import

    rows, dim = shape
    found = list_codecs(rows, dim)
    print_result(
        as_json,
        lambda: {"rows": rows, "dim": dim, "codecs": [item.to_json() for item in found]},
        lambda console: _print(console, rows, dim, found),
    )


def _print(console: Console, rows: int, dim: int, found: Sequence[Listed]) -> None:
    whole = rows * dim * _FLOAT_BYTES
    console.print(f"A table of {rows} x {dim}, {whole / 1e6:.4g} MB in float32:")
    table = Table(
        "spec",
        Column("MB", justify="right", no_wrap=True),
        Column("of float32", justify="right", no_wrap=True),
        "good for",
        box=None,
        pad_edge=False,
    )
    for item in found:
        size = "" if item.bytes is None else f"{item.bytes / 1e6:.4g}"
        part = "" if item.bytes is None else f"{item.bytes / whole:.1%}"
        purpose = Text(item.good_for)
        if item.note:
            purpose.append(f" ({item.note})", style="dim")
        table.add_row(Text(item.spec), size, part, purpose)
    console.print(table)
    composing = ", ".join(item.codec for item in found if item.composes)
    trained = ", ".join(item.codec for item in found if item.trained)
    console.print(
        f"'+' says how the arrays of {composing} are stored, as in lowrank:rank=128+int8.\n"
        f"{trained} are meant to be trained (edgeemb adapt): without training they lose far more than others of their size.",
        style="dim",
    )

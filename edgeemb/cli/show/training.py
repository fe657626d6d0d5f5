"""What the training commands show people: progress, and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from edgeemb.cli.show import printing as show

if TYPE_CHECKING:
    from edgeemb.training.loop.task import Report
    from edgeemb.training.result import Trained

_Steps = Callable[[str, int, int], None]
_Watch = Callable[["Report"], None]
_BAR = 24


@contextmanager
def training(*, quiet: bool) -> Iterator[tuple[_Steps, _Watch]]:
    """Progress on standard error while the block runs; nothing if that is not a terminal.

    One line per evaluation on the held-out texts stays on the screen, so that a glance shows whether training still helps.

    :param quiet: show nothing.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield (lambda step, done, total: None), (lambda report: None)
        return
    with Live(Text("Loading the model"), console=console, transient=True) as live:

        def step(name: str, done: int, total: int) -> None:
            live.update(Text(f"{show.STEPS.get(name, name)} {f'{done}/{total}' if total else ''}"))

        def watch(report: Report) -> None:
            if report.score is not None:
                live.console.print(Text(_line(report)))
            filled = _BAR * report.step // report.steps
            live.update(Text(f"[{'=' * filled}{' ' * (_BAR - filled)}] {_line(report)}"))

        yield step, watch


def _line(report: Report) -> str:
    parts = [f"step {report.step}/{report.steps}", f"loss {report.loss:.4f}", f"{report.rate:.0f} tokens/s"]
    if report.score is not None:
        parts.append(f"held-out {report.score:.2f}")
    if report.best is not None:
        parts.append(f"best {report.best:.2f}")
    return "  ".join(parts)


def print_trained(console: Console, result: Trained) -> None:
    """Print how a training ended.

    :param console: where to.
    :param result: what it gave.
    """
    console.print(
        Text.assemble(
            f"Held-out score {result.start:.2f} before training, ",
            (f"{result.best:.2f}", "bold"),
            f" at step {result.best_step} of {result.steps} ({result.texts} texts)",
        )
    )
    if result.accuracy is not None:
        console.print(f"Test: {result.accuracy:.2f}% of the texts right")
    for alias, size in result.tables.items():
        console.print(f"Table {alias}: {size / 1e6:.3g} MB")
    console.print(Text(f"Export it: edgeemb export {result.path}", style="dim"))

"""What the recipes share: options, training with a log, and the figures of the exported bundle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

import edgeemb
from edgeemb.adapt.task import Report
from edgeemb.evaluate import evaluate_sts
from edgeemb.runtimes import describe

_Function = TypeVar("_Function", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--corpus", type=PATH, multiple=True, required=True, help="Plain text: files or folders."),
    click.option("--sts", type=PATH, help="Scored sentence pairs to evaluate on."),
    click.option(
        "--out", type=PATH, default=Path("build/examples"), show_default=True, help="Where results go."
    ),
    click.option("--steps", type=int, help="Updates of the weights. [default: the recipe's]"),
    click.option("--device", default="cpu", show_default=True, help="cpu or cuda."),
    click.option("--seed", default=0, show_default=True, help="Seed of everything random."),
    click.option("--resume", is_flag=True, help="Go on from the checkpoint."),
)


def options(function: _Function) -> _Function:
    """The options of every recipe."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def printed(report: Report) -> None:
    """Print a line at each look at the held-out texts.

    :param report: where the training stands.
    """
    if report.score is not None:
        click.echo(
            f"step {report.step}/{report.steps}  loss {report.loss:.4f}  {report.rate:.0f} tokens/s  held-out {report.score:.2f}"
        )


def bundle_figures(model: Path, bundle: Path, sts: Path | None, **export: Any) -> dict[str, Any]:
    """Export a model and measure the bundle.

    :param model: the model's folder.
    :param bundle: the bundle's folder, replaced if it is there.
    :param sts: scored sentence pairs, or None.
    :param export: options of `edgeemb.export`.
    :return: sizes in bytes and the Spearman correlation, as JSON values.
    """
    edgeemb.export(model, bundle, force=True, **export)
    figures: dict[str, Any] = {"bundle": dict(describe(bundle).sizes)}
    if sts is not None:
        with edgeemb.open(bundle) as session:
            figures["sts"] = evaluate_sts(session, sts).spearman
    return figures


def finish(name: str, out: Path, begun: float, figures: dict[str, Any]) -> None:
    """Print a recipe's figures and keep them in ``<out>/<name>.json``.

    :param name: name of the recipe.
    :param out: where results go.
    :param begun: `time.time()` when it began.
    :param figures: JSON values.
    """
    text = json.dumps({"recipe": name, "minutes": round((time.time() - begun) / 60, 1), **figures}, indent=1)
    (out / f"{name}.json").write_text(text + "\n", "utf-8")
    click.echo(text)

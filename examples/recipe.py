"""What the recipes share: options, training with a log, and the figures of the exported bundle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

import edgeemb
from edgeemb.report.evaluation import evaluate_sts
from edgeemb.runtimes import describe
from edgeemb.training.loop.task import Report
from edgeemb.training.result import Trained

_Function = TypeVar("_Function", bound=Callable[..., Any])
MODEL = "all-MiniLM-L6-v2"
PATH = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--corpus", type=PATH, multiple=True, required=True, help="Plain text: files or folders."),
    click.option("--sts", type=PATH, help="Scored sentence pairs to evaluate on."),
    click.option(
        "--out", type=PATH, default=Path("build/examples"), show_default=True, help="Where results go."
    ),
    click.option("--steps", type=int, help="Updates of the weights. [default: the recipe's]"),
    click.option("--torch-device", "device", default="cpu", show_default=True, help="cpu or cuda."),
    click.option("--seed", default=0, show_default=True, help="Seed of everything random."),
    click.option("--resume", is_flag=True, help="Continue from the checkpoint."),
)


def options(function: _Function) -> Callable[..., Any]:
    """The options of every recipe that trains MiniLM, handed on as one `Run`."""

    @wraps(function)
    def started(
        corpus: tuple[Path, ...],
        sts: Path | None,
        out: Path,
        steps: int | None,
        device: str,
        seed: int,
        resume: bool,
        **others: Any,
    ) -> Any:
        return function(Run(corpus, sts, out, steps, device, seed, resume), **others)

    for option in reversed(_OPTIONS):
        started = option(started)
    return started


class Run:
    """A recipe at work.

    :param corpus: plain text to learn from.
    :param sts: scored sentence pairs, or None.
    :param out: where results go.
    :param steps: updates of the weights; None for the recipe's own.
    :param device: where to train, as PyTorch calls it.
    :param seed: seed of everything random.
    :param resume: continue from the checkpoint.
    """

    def __init__(
        self,
        corpus: tuple[Path, ...],
        sts: Path | None,
        out: Path,
        steps: int | None,
        device: str,
        seed: int,
        resume: bool,
    ) -> None:
        self.corpus, self.sts, self.out = corpus, sts, out
        self.steps, self.device, self.seed, self.resume = steps, device, seed, resume
        self.begun = time.time()
        out.mkdir(parents=True, exist_ok=True)

    def adapt(self, name: str, settings: edgeemb.TrainingSettings, steps: int, **chosen: Any) -> Trained:
        """Train MiniLM for its new table.

        :param name: name of the trained model's folder.
        :param settings: the recipe's settings; device and seed are those of the command line.
        :param steps: updates of the weights, where the command line says nothing.
        :param chosen: further arguments of `edgeemb.adapt`.
        """
        return edgeemb.adapt(
            MODEL,
            self.out / name,
            corpus=self.corpus,
            steps=self.steps or steps,
            settings=replace(settings, torch_device=self.device, seed=self.seed),
            resume=self.resume,
            force=True,
            watch=printed,
            **chosen,
        )

    def bundle(self, model: Path | str, name: str, **export: Any) -> dict[str, Any]:
        """Export a model and measure the bundle.

        :param model: the model's folder.
        :param name: name of the bundle's folder, which is replaced if it is there.
        :param export: options of `edgeemb.export`.
        :return: sizes in bytes and the Spearman correlation, as JSON values.
        """
        bundle = edgeemb.export(model, self.out / name, force=True, **export)
        figures: dict[str, Any] = {"bundle": dict(describe(bundle).sizes)}
        if self.sts is not None:
            with edgeemb.open(bundle) as session:
                figures["sts"] = evaluate_sts(session, self.sts).spearman
        return figures

    def finish(self, name: str, trained: Trained, figures: dict[str, Any]) -> None:
        """Print and keep the figures.

        :param name: name of the recipe.
        :param trained: how the training went.
        :param figures: JSON values.
        """
        finish(name, self.out, self.begun, {"training": trained.to_json(), **figures})


def printed(report: Report) -> None:
    """Print a line at each look at the held-out texts.

    :param report: where the training stands.
    """
    if report.score is not None:
        click.echo(
            f"step {report.step}/{report.steps}  loss {report.loss:.4f}  {report.rate:.0f} tokens/s  held-out {report.score:.2f}"
        )


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

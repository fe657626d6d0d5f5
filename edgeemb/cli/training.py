"""The commands that train: `edgeemb adapt` and `edgeemb distill`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

import edgeemb
from edgeemb.cli.generated import PATH, option, options, taken
from edgeemb.cli.options import command_line, json_option, print_result
from edgeemb.cli.show import training as show_training
from edgeemb.training.settings import Classifier, Losses, StudentShape, TrainingSettings, parse_losses

_Function = TypeVar("_Function", bound=Callable[..., Any])

_LOSSES = ", ".join(f"{field.name}={field.default:g}" for field in fields(Losses))


def _training_options(function: _Function) -> _Function:
    """Options of every training, in the order of the help."""
    for add in (
        json_option,
        options(edgeemb.adapt, "resume", "force"),
        click.option(
            "--loss",
            "losses",
            multiple=True,
            metavar="NAME=WEIGHT",
            help=f"Weight of a loss; by default {_LOSSES}, as far as they suit the student.",
        ),
        options(TrainingSettings, *(field.name for field in fields(TrainingSettings))),
    ):
        function = add(function)
    return function


@click.command()
@click.argument("model")
@click.option("-o", "--output", "out", type=PATH, required=True, help="Folder of the trained model.")
@option(edgeemb.adapt, "corpus", required=True)
@option(edgeemb.adapt, "table", metavar="[NAME=]SPEC", multiple=True)
@option(edgeemb.adapt, "vocab", metavar="SELECTION")
@option(edgeemb.adapt, "vectors", metavar="SPEC")
@options(edgeemb.adapt, "body")
@option(edgeemb.adapt, "learn", metavar="PART")
@options(edgeemb.adapt, "steps", "lr")
@_training_options
def adapt(model: str, out: Path, losses: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Put compressed tables into MODEL and train it to match the original again.

    The model learns from itself on plain text; no labels are needed. The result is a folder that 'edgeemb export' stores as it was trained,
    to the bit. Ctrl-C leaves a checkpoint that --resume continues from.
    """
    settings = TrainingSettings(**taken(TrainingSettings, given))
    with show_training.training(quiet=as_json) as (progress, watch):
        result = edgeemb.adapt(
            model,
            out,
            losses=parse_losses(losses) if losses else None,
            settings=settings,
            command=command_line(),
            progress=progress,
            watch=watch,
            **given,
        )
    print_result(as_json, result.to_json, lambda console: show_training.print_trained(console, result))


@click.command()
@click.argument("teacher")
@click.option("-o", "--output", "out", type=PATH, required=True, help="Folder of the student.")
@options(edgeemb.distill, "corpus")
@options(StudentShape, *(field.name for field in fields(StudentShape)))
@option(edgeemb.distill, "table", metavar="SPEC")
@options(edgeemb.distill, "body")
@option(Classifier, "train", required=False)
@options(Classifier, "test", "class_steps", "class_lr")
@options(edgeemb.distill, "steps", "lr")
@_training_options
def distill(teacher: str, out: Path, losses: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Make a small student of TEACHER, and a classifier of it if labelled texts are given.

    The student learns the teacher's sentence embeddings on plain text; with --train it then learns the labels, end to end. The result is a
    folder for 'edgeemb export'.
    """
    settings = TrainingSettings(**taken(TrainingSettings, given))
    student = StudentShape(**taken(StudentShape, given))
    head = taken(Classifier, given)
    if head["train"] is None and head["test"] is not None:
        raise click.UsageError("--test needs --train")
    with show_training.training(quiet=as_json) as (progress, watch):
        result = edgeemb.distill(
            teacher,
            out,
            student=student,
            classifier=Classifier(**head) if head["train"] else None,
            losses=parse_losses(losses) if losses else None,
            settings=settings,
            command=command_line(),
            progress=progress,
            watch=watch,
            **given,
        )
    print_result(as_json, result.to_json, lambda console: show_training.print_trained(console, result))

"""The commands that train: `edgeemb adapt` and `edgeemb distill`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

import edgeemb
from edgeemb.cli.options import FOLDER, command_line, json_option, print_result
from edgeemb.cli.show import training as show_training

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: Options of every training, in the order of the help; the defaults are those of `edgeemb.training.settings.Settings`.
_SETTINGS = (
    click.option("--steps", type=int, help="Updates of the weights. [default: 1000]"),
    click.option("--batch", type=int, help="Texts in a step. [default: 64]"),
    click.option("--lr", type=float, help="Peak learning rate of the body. [default: 0.0001]"),
    click.option("--table-lr", type=float, help="Peak learning rate of the tables. [default: 0.001]"),
    click.option("--warmup", type=float, help="Part of the steps in which the rates rise. [default: 0.1]"),
    click.option("--schedule", help="cosine, linear or constant_with_warmup. [default: cosine]"),
    click.option("--length", type=int, help="Tokens of a training text at most. [default: 64]"),
    click.option("--device", help="cpu or cuda. [default: cpu]"),
    click.option("--precision", help="auto, fp32 or bf16 matrix products. [default: auto]"),
    click.option("--seed", type=int, help="Seed of the order of texts. [default: 0]"),
    click.option("--evaluate-every", type=int, help="Steps between looks at held-out texts. [default: 100]"),
    click.option(
        "--patience", type=int, help="Looks without a new best after which to stop; 0 for never. [default: 0]"
    ),
    click.option("--checkpoint-every", type=int, help="Steps between checkpoints. [default: 500]"),
    click.option(
        "--loss",
        "losses",
        multiple=True,
        metavar="NAME=WEIGHT",
        help="Weight of a loss: cosine, similarity, ranking, tokens, layers.",
    ),
    click.option("--resume", is_flag=True, help="Go on from the checkpoint beside the output."),
    click.option("--force", is_flag=True, help="Replace what stands at the output."),
)


def _training_options(function: _Function) -> _Function:
    for option in reversed(_SETTINGS):
        function = option(function)
    return function


@click.command()
@click.argument("model")
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the trained model.")
@click.option(
    "--corpus",
    type=FOLDER,
    multiple=True,
    required=True,
    help="Plain text to learn from: a UTF-8 file, or a folder of *.txt files.",
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="[NAME=]SPEC",
    help="Table to put in, e.g. pq:m=32 or ngram:n=3,dim=1024.",
)
@click.option(
    "--vocab", multiple=True, metavar="SELECTION", help="Keep only some tokens, e.g. top:8000:corpus.txt."
)
@click.option(
    "--body",
    default="fp32",
    show_default=True,
    help="Precision that the body is trained to be exported in: fp32, int8 or int4.",
)
@click.option(
    "--train",
    default="all",
    show_default=True,
    metavar="PART",
    help="What of the body learns: all, none, or last:LAYERS.",
)
@_training_options
@json_option
def adapt(
    model: str,
    output: Path,
    corpus: tuple[Path, ...],
    tables: tuple[str, ...],
    vocab: tuple[str, ...],
    body: str,
    train: str,
    losses: tuple[str, ...],
    resume: bool,
    force: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Put compressed tables into MODEL and train it back to what it was.

    The model learns from itself on plain text, no labels are needed. The result is a folder that `edgeemb export` stores as it was
    trained, to the bit. Ctrl-C leaves a checkpoint that --resume goes on from.
    """
    with show_training.training(quiet=as_json) as (progress, watch):
        result = edgeemb.adapt(
            model,
            output,
            corpus=corpus,
            table=tables,
            vocab=vocab,
            body=body,
            train=train,
            losses=losses,
            resume=resume,
            force=force,
            command=command_line(),
            progress=progress,
            watch=watch,
            **_given(settings),
        )
    print_result(as_json, result.to_json, lambda console: show_training.print_trained(console, result))


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


@click.command()
@click.argument("teacher")
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the student.")
@click.option(
    "--corpus", type=FOLDER, multiple=True, help="Plain text to learn from: files, or folders of *.txt."
)
@click.option("--layers", default=2, show_default=True, help="Transformer layers.")
@click.option("--hidden", default=0, help="Elements of a token state. [default: the teacher's]")
@click.option("--heads", default=0, help="Attention heads. [default: one per 32 elements]")
@click.option(
    "--init", default="fresh", show_default=True, help="Begin with the teacher's first layers, or fresh."
)
@click.option(
    "--tokenizer",
    default="teacher",
    show_default=True,
    help="teacher, or words for no vocabulary at all.",
)
@click.option("--width", default=16, show_default=True, help="Bytes of a word at most, with words.")
@click.option("--max-length", default=128, show_default=True, help="Tokens of the longest text.")
@click.option("--table", metavar="SPEC", help="Word table, e.g. int4, or ngram:n=3,dim=256 with words.")
@click.option("--classes", type=FOLDER, help="Labelled texts for a classifier head: text, tab, label.")
@click.option("--test", type=FOLDER, help="Labelled texts to test it on.")
@click.option("--class-steps", default=1000, show_default=True, help="Updates of the classifier.")
@click.option("--class-lr", default=5e-4, show_default=True, help="Its peak learning rate.")
@click.option("--body", default="fp32", show_default=True, help="Train for an export in fp32, int8 or int4.")
@_training_options
@json_option
def distill(teacher: str, output: Path, corpus: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Make a small student of TEACHER, and a classifier of it if labelled texts are given.

    The student learns the teacher's sentence embeddings on plain text; with --classes it then learns the labels, end to end. The result
    is a folder for `edgeemb export`.
    """
    with show_training.training(quiet=as_json) as (progress, watch):
        result = edgeemb.distill(
            teacher,
            output,
            corpus=corpus,
            command=command_line(),
            progress=progress,
            watch=watch,
            **_given(options),
        )
    print_result(as_json, result.to_json, lambda console: show_training.print_trained(console, result))

"""The commands that look into a bundle and run it: `edgeemb inspect`, `edgeemb run` and `edgeemb evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click

import edgeemb
from edgeemb.cli.generated import PATH, option, options
from edgeemb.cli.options import json_option, print_result
from edgeemb.cli.show import answers
from edgeemb.cli.show import printing as show
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import InputError
from edgeemb.exporters.options import ExportOptions
from edgeemb.tasks.registry import EMBEDDING


@click.command()
@click.argument("bundle", type=PATH)
@click.argument("texts", nargs=-1)
@click.option("--file", "path", type=PATH, help="Read texts from this file, one per line.")
@click.option(
    "--query",
    help="What the texts are ranked for (cross-encoders, ColBERT), or the question that they answer.",
)
@click.option("--pair", help="Classify each text together with this one, as the second of a pair.")
@click.option("--prompt", metavar="NAME", help="Put this prompt of the model in front of each text.")
@click.option("--top", type=click.IntRange(min=1), help="Answers per text.")
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Threads; 0 leaves the choice to the runtime.",
)
@options(ProfilePlan, "ops", "allow_code")
@json_option
def run(
    bundle: Path,
    texts: tuple[str, ...],
    path: Path | None,
    threads: int,
    ops: str,
    allow_code: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Run a bundle on texts and print the answer to each."""
    if path is not None:
        from edgeemb.text.corpus import read_lines

        texts = (*texts, *read_lines(path))
    if not texts:
        raise InputError("no text was given: write it after the bundle, or use --file")
    with edgeemb.open(bundle, ops=ops, threads=threads, allow_code=allow_code) as session:
        task = session.task or EMBEDDING
        shown: list[answers.Shown] = resolve_name(task.shows)(session, texts, answers.Asked(**asked))
    print_result(
        as_json,
        lambda: [{"text": one.text, "output": one.output} for one in shown],
        lambda console: show.print_answers(console, shown),
    )


@click.command()
@click.argument("source", metavar="BUNDLE_OR_MODEL")
@options(ExportOptions, "allow_pickle")
@json_option
def inspect(source: str, allow_pickle: bool, as_json: bool) -> None:
    """Show what is in a bundle, or which tables a model has and how large they are."""
    from edgeemb.runtimes import describe, is_bundle

    if is_bundle(Path(source)):
        manifest = describe(Path(source))
        print_result(
            as_json,
            lambda: json.loads(manifest.to_json()),
            lambda console: show.print_bundle(console, Path(source), manifest),
        )
        return
    from edgeemb.models.summary import inspect_model

    summary = inspect_model(edgeemb.load(source, allow_pickle=allow_pickle))
    print_result(as_json, summary.to_json, lambda console: show.print_model(console, summary))


@click.command()
@click.argument("bundle", type=PATH)
@options(edgeemb.evaluate, "sts", "train", "test")
@option(edgeemb.evaluate, "retrieval", nargs=3, type=PATH, metavar="CORPUS QUERIES QRELS", default=None)
@options(edgeemb.evaluate, "rescore", "clusters", "duplicates")
@options(ProfilePlan, "ops", "allow_code")
@json_option
def evaluate(bundle: Path, as_json: bool, **given: Any) -> None:
    """Measure the quality of a bundle's embeddings on your data."""
    with show.steps(quiet=as_json) as progress:
        result = edgeemb.evaluate(bundle, progress=progress, **given)
    print_result(as_json, result.to_json, lambda console: show.print_quality(console, result))

"""The command `edgeemb`: parses, calls, prints. Exit status: 0 done, 1 the work failed, 2 the command line is wrong."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import click

import edgeemb
from edgeemb.cli import measuring as cli_measuring
from edgeemb.cli import training as cli_training
from edgeemb.cli.options import FOLDER as _FOLDER
from edgeemb.cli.options import command_line as _command
from edgeemb.cli.options import json_option as _json
from edgeemb.cli.options import numbers, ops_option
from edgeemb.cli.options import print_result as _print
from edgeemb.cli.show import printing as show
from edgeemb.errors import EdgeembError, InputError, SpecError

_BUNDLE = click.argument("bundle", type=_FOLDER)


class _Command(click.Group):
    """A group whose expected errors are one line on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EdgeembError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(2 if isinstance(error, SpecError) else 1)
        except KeyboardInterrupt:
            click.echo("interrupted: nothing was left behind", err=True)
            ctx.exit(1)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(edgeemb.__version__, prog_name="edgeemb")
@click.option("-v", "--verbose", is_flag=True, help="Say more, for example when a text is cut.")
def main(verbose: bool) -> None:
    """Compress the embedding tables of text models and take the models to the device."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("edgeemb").setLevel(logging.INFO if verbose else logging.WARNING)


@main.command()
@click.argument("model")
@click.option("-o", "--output", type=_FOLDER, help="The bundle's folder. [default: MODEL-TARGET]")
@click.option("--target", help="What to export for; 'edgeemb targets' lists them. [default: this machine]")
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="[NAME=]SPEC",
    help="How to store a table, e.g. int4:block=32 or position=int8.",
)
@click.option(
    "--body", help="Precision of everything else: fp32, fp16, int8 or int4. [default: the target's]"
)
@click.option("--runtime", help="Format of the model. [default: the target's]")
@click.option(
    "--ops",
    type=click.Choice(["builtin", "custom"]),
    help="Standard ops alone, or native kernels too. [default: the target's]",
)
@click.option(
    "--vocab",
    multiple=True,
    metavar="SELECTION",
    help="Keep only some tokens, e.g. keep:corpus.txt,min=2 or top:16000:corpus.txt.",
)
@click.option(
    "--frequency",
    type=_FOLDER,
    metavar="CORPUS",
    help="Weight the fit of shared parameters by token frequency in this text.",
)
@click.option("--lengths", help="Sequence lengths for runtimes with fixed shapes, e.g. 16,64,128.")
@click.option("--tables-in-ptd", is_flag=True, help="ExecuTorch: put the tables into a file of their own.")
@click.option(
    "--max-length", type=click.IntRange(min=1), help="Cut texts at this many tokens. [default: the model's]"
)
@click.option(
    "--tokenizer",
    type=_FOLDER,
    help="tokenizer.json of a finished .onnx model. [default: the one beside it]",
)
@click.option("--seed", default=0, show_default=True, help="Seed of what is random in a fit.")
@click.option("--zip", "as_zip", is_flag=True, help="Write one zip file.")
@click.option("--force", is_flag=True, help="Replace what stands at the output.")
@click.option(
    "--allow-pickle", is_flag=True, help="Read a checkpoint that is there as a pickle only (weights only)."
)
@_json
def export(
    model: str,
    output: Path | None,
    lengths: str | None,
    tables_in_ptd: bool,
    max_length: int | None,
    tokenizer: Path | None,
    allow_pickle: bool,
    as_json: bool,
    tables: tuple[str, ...],
    **options: Any,
) -> None:
    """Compress MODEL's tables and write a bundle for a target.

    MODEL is a Hugging Face, sentence-transformers or model2vec folder, a name on the hub, all-MiniLM-L6-v2, or a finished .onnx
    file.
    """
    with show.steps(quiet=as_json) as progress:
        bundle = edgeemb.export(
            model,
            output,
            table=tables,
            lengths=numbers(lengths, "--lengths"),
            tables_apart=tables_in_ptd,
            load={"allow_pickle": allow_pickle, "max_length": max_length, "tokenizer": tokenizer},
            command=_command(),
            progress=progress,
            **options,
        )
    from edgeemb.runtimes import describe

    manifest = describe(bundle)
    _print(
        as_json,
        lambda: json.loads(manifest.to_json()),
        lambda console: show.print_export(console, bundle, manifest),
    )


@main.command()
@_BUNDLE
@click.argument("texts", nargs=-1)
@click.option("--file", "path", type=_FOLDER, help="Read texts from this file, one a line.")
@click.option(
    "--threads", type=click.IntRange(min=0), default=0, help="Threads; 0 leaves the choice to the runtime."
)
@ops_option
@_json
def run(
    bundle: Path, texts: tuple[str, ...], path: Path | None, threads: int, ops: str, as_json: bool
) -> None:
    """Run a bundle on texts and print a row per text."""
    if path is not None:
        from edgeemb.text.corpus import read_lines

        texts = (*texts, *read_lines(path))
    if not texts:
        raise InputError("no text was given: write it behind the bundle, or use --file")
    with edgeemb.open(bundle, ops=ops, threads=threads) as session:
        rows = session.encode(texts)
        labels = session.manifest.labels
    _print(
        as_json,
        lambda: [{"text": text, "output": row.tolist()} for text, row in zip(texts, rows, strict=True)],
        lambda console: show.print_rows(console, texts, rows, labels),
    )


@main.command()
@click.argument("source", metavar="BUNDLE_OR_MODEL")
@click.option(
    "--allow-pickle", is_flag=True, help="Read a checkpoint that is there as a pickle only (weights only)."
)
@_json
def inspect(source: str, allow_pickle: bool, as_json: bool) -> None:
    """Show what is in a bundle, or which tables a model has and what they weigh."""
    from edgeemb.runtimes import describe, is_bundle

    if is_bundle(Path(source)):
        manifest = describe(Path(source))
        _print(
            as_json,
            lambda: json.loads(manifest.to_json()),
            lambda console: show.print_bundle(console, Path(source), manifest),
        )
        return
    from edgeemb.models.summary import inspect_model

    summary = inspect_model(edgeemb.load(source, allow_pickle=allow_pickle))
    _print(as_json, summary.to_json, lambda console: show.print_model(console, summary))


@main.command()
@_BUNDLE
@click.option(
    "--sts", type=_FOLDER, help="Scored sentence pairs: score, sentence, sentence; separated by tabs."
)
@click.option(
    "--train", type=_FOLDER, help="Labelled texts to train a classifier on: text, label; separated by a tab."
)
@click.option("--test", "test_path", type=_FOLDER, help="Labelled texts to test it on.")
@ops_option
@_json
def evaluate(
    bundle: Path, sts: Path | None, train: Path | None, test_path: Path | None, ops: str, as_json: bool
) -> None:
    """Measure the quality of a bundle's embeddings on your data."""
    from edgeemb.report.evaluation import evaluate_classes, evaluate_sts

    if (train is None) != (test_path is None):
        raise click.UsageError("--train and --test belong together")
    if sts is None and train is None:
        raise click.UsageError("nothing to evaluate on: give --sts, or --train and --test")
    results: dict[str, Any] = {}
    with edgeemb.open(bundle, ops=ops) as session, show.steps(quiet=as_json) as progress:
        if sts is not None:
            results["sts"] = evaluate_sts(
                session, sts, progress=lambda done, total: progress("sts", done, total)
            )
        if train is not None and test_path is not None:
            results["classes"] = evaluate_classes(
                session, train, test_path, progress=lambda done, total: progress("classes", done, total)
            )
    _print(
        as_json,
        lambda: {name: result.to_json() for name, result in results.items()},
        lambda console: show.print_quality(console, results.get("sts"), results.get("classes")),
    )


@main.command()
@_json
def targets(as_json: bool) -> None:
    """List what a model can be exported for."""
    from edgeemb.exporters.targets import targets as all_targets

    known = all_targets()
    _print(
        as_json,
        lambda: [vars(target) for target in known.values()],
        lambda console: show.print_targets(console, known),
    )


@main.command()
@_json
def devices(as_json: bool) -> None:
    """List what a bundle can be measured on."""
    from edgeemb.devices import attached
    from edgeemb.devices import devices as all_devices

    known = [*all_devices(), *attached()]
    _print(
        as_json,
        lambda: [vars(device) for device in known],
        lambda console: show.print_devices(console, known),
    )


for _measuring in (cli_measuring.profile, cli_measuring.compare, cli_measuring.report):
    main.add_command(_measuring)
main.add_command(cli_training.adapt)
main.add_command(cli_training.distill)


if __name__ == "__main__":
    main()

"""The commands that make a bundle and list the possible targets: `edgeemb export` and `edgeemb targets`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

import edgeemb
from edgeemb.cli.generated import PATH, Known, option, options, taken
from edgeemb.cli.options import command_line, json_option, print_result
from edgeemb.cli.show import printing as show
from edgeemb.exporters.options import ExportOptions
from edgeemb.runtimes.registry import RUNTIMES


@click.command()
@click.argument("model")
@click.option("-o", "--output", "out", type=PATH, help="The bundle's folder; by default MODEL-TARGET.")
@option(edgeemb.export, "target", metavar="TARGET")
@option(edgeemb.export, "table", metavar="[NAME=]SPEC", multiple=True)
@option(edgeemb.export, "body", metavar="[NAME=]SPEC", multiple=True)
@option(edgeemb.export, "goal", metavar="GOAL")
@option(edgeemb.export, "runtime", type=Known("runtime", RUNTIMES))
@options(edgeemb.export, "ops")
@options(edgeemb.export, "layers")
@option(edgeemb.export, "vectors", metavar="SPEC")
@option(edgeemb.export, "head", metavar="SPEC")
@option(edgeemb.export, "vocab", metavar="SELECTION")
@options(edgeemb.export, "corpus", "lengths")
@options(
    ExportOptions,
    "calibrate",
    "tables_apart",
    "aar",
    "max_length",
    "tokenizer",
    "pooling",
    "normalize",
    "task",
    "route",
    "adapter",
    "module",
)
@option(ExportOptions, "example_inputs", "--example")
@options(ExportOptions, "unchecked", "seed")
@option(ExportOptions, "as_zip", "--zip")
@options(edgeemb.export, "force")
@options(ExportOptions, "allow_pickle")
@json_option
def export(model: str, out: Path | None, as_json: bool, **given: Any) -> None:
    """Compress MODEL's tables and write a bundle for a target.

    MODEL is a Hugging Face, sentence-transformers or model2vec folder, what 'edgeemb adapt' or 'edgeemb distill' wrote, a name on the
    Hugging Face hub such as all-MiniLM-L6-v2, or a finished .onnx or .tflite file.

    A SPEC names a codec and its options, such as int8, int4:block=32 or pq:m=32. The spec auto:budget=2MB asks the planner for the best
    table of that size, and auto:cosine=.99 for the smallest of that quality. With --body keep, the body of a finished file stays as it is.
    """
    more = ExportOptions(**taken(ExportOptions, given))
    with show.steps(quiet=as_json) as progress:
        bundle = edgeemb.export(model, out, options=more, command=command_line(), progress=progress, **given)
    from edgeemb.runtimes import describe

    manifest = describe(bundle)
    print_result(
        as_json,
        lambda: json.loads(manifest.to_json()),
        lambda console: show.print_export(console, bundle, manifest),
    )


@click.command()
@json_option
def targets(as_json: bool) -> None:
    """List what a model can be exported for."""
    from edgeemb.exporters.targets import targets as all_targets

    known = all_targets()
    print_result(
        as_json,
        lambda: [vars(target) for target in known.values()],
        lambda console: show.print_targets(console, known),
    )

"""The command `edgeemb`: parses, calls, prints. Exit status: 0 done, 1 the work failed, 2 the command line is wrong."""

from __future__ import annotations

import logging

import click

import edgeemb
from edgeemb.cli.group import Commands, Member
from edgeemb.quiet import disable_telemetry

#: In the order in which they are used. Each says what its own help begins with, so that a list of them imports none.
MEMBERS = (
    Member(
        "inspect", "using", "Show what is in a bundle, or which tables a model has and how large they are."
    ),
    Member("export", "exporting", "Compress MODEL's tables and write a bundle for a target."),
    Member("run", "using", "Run a bundle on texts and print the answer to each."),
    Member("evaluate", "using", "Measure the quality of a bundle's embeddings on your data."),
    Member(
        "profile",
        "measuring",
        "Measure a bundle: size, load time, latency, instructions and memory, on one device or several.",
    ),
    Member(
        "compare",
        "measuring",
        "Put bundles side by side, with latencies measured in turns and given as ratios to the first.",
    ),
    Member("report", "measuring", "Put saved reports side by side, of any bundles and devices."),
    Member("adapt", "training", "Put compressed tables into MODEL and train it to match the original again."),
    Member(
        "distill",
        "training",
        "Make a small student of TEACHER, and a classifier of it if labelled texts are given.",
    ),
    Member(
        "codecs",
        "codecs",
        "List how a table can be stored, with the size of an example and what each codec is good for.",
    ),
    Member("targets", "exporting", "List what a model can be exported for."),
    Member("devices", "measuring", "List what a bundle can be measured on."),
    Member(
        "demo",
        "demo",
        "Compress a real model, run it, and measure it on this computer, a phone's CPU and a microcontroller.",
    ),
)


@click.group(cls=Commands, members=MEMBERS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(edgeemb.__version__, prog_name="edgeemb")
@click.option("-v", "--verbose", is_flag=True, help="Say more, for example when a text is cut.")
def main(verbose: bool) -> None:
    """Compress the embedding tables of text models and take the models to the device."""
    disable_telemetry()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("edgeemb").setLevel(logging.INFO if verbose else logging.WARNING)


if __name__ == "__main__":
    main()

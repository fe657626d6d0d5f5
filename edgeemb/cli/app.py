"""The command `edgeemb`: parses, calls, prints. Exit status: 0 done, 1 the work failed, 2 the command line is wrong."""

from __future__ import annotations

import logging

import click

import edgeemb
from edgeemb.cli import codecs, demo, exporting, measuring, training, using
from edgeemb.cli.group import Commands
from edgeemb.quiet import disable_telemetry


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(edgeemb.__version__, prog_name="edgeemb")
@click.option("-v", "--verbose", is_flag=True, help="Say more, for example when a text is cut.")
def main(verbose: bool) -> None:
    """Compress the embedding tables of text models and take the models to the device."""
    disable_telemetry()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("edgeemb").setLevel(logging.INFO if verbose else logging.WARNING)


# In the order in which they are used.
for _command in (
    using.inspect,
    exporting.export,
    using.run,
    using.evaluate,
    measuring.profile,
    measuring.compare,
    measuring.report,
    training.adapt,
    training.distill,
    codecs.codecs,
    exporting.targets,
    measuring.devices,
    demo.demo,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()

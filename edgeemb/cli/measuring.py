"""The commands that measure and show: `edgeemb profile`, `edgeemb compare` and `edgeemb report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeemb.cli.options import FOLDER, json_option, numbers, ops_option, print_result
from edgeemb.cli.show import printing as show

if TYPE_CHECKING:
    from edgeemb.report.comparison import Comparison

_LENGTHS = click.option("--lengths", default="16,128", show_default=True, help="Sequence lengths in tokens.")
_THREADS = click.option("--threads", default="1", show_default=True, help="Thread counts.")
_HTML = click.option("--html", type=FOLDER, help="Also write a page to this file.")
_OUTPUT = click.option(
    "-o", "--output", type=FOLDER, help="Also save the figures to this file, for 'edgeemb report'."
)
_REPORTS = click.option(
    "--report", "saved", multiple=True, type=FOLDER, help="Put a saved report beside them; may be repeated."
)


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option(
    "--device",
    "devices",
    multiple=True,
    default=("host",),
    show_default=True,
    help="What to measure on, may be repeated; 'edgeemb devices' lists them.",
)
@_LENGTHS
@_THREADS
@click.option(
    "--runs", type=click.IntRange(min=1), help="Inferences per latency. [default: what a second allows]"
)
@click.option("--ops-profile", is_flag=True, help="Also show the cost by operator.")
@click.option(
    "--cores",
    type=click.Choice(["all", "big", "little"]),
    default="all",
    show_default=True,
    help="Cores of a phone to run on: those with the highest or the lowest clock.",
)
@click.option(
    "--runtime-lib", type=FOLDER, help="Shared library of the runtime for a phone, e.g. libonnxruntime.so."
)
@click.option("--allow-missing", is_flag=True, help="Report why a device cannot be used instead of failing.")
@_OUTPUT
@_HTML
@ops_option
@json_option
def profile(
    bundle: Path,
    devices: tuple[str, ...],
    lengths: str,
    threads: str,
    runs: int | None,
    ops_profile: bool,
    cores: str,
    runtime_lib: Path | None,
    allow_missing: bool,
    output: Path | None,
    html: Path | None,
    ops: str,
    as_json: bool,
) -> None:
    """Measure a bundle: size, load time, latency, instructions and memory, on one device or several."""
    from edgeemb.devices.plan import ProfilePlan
    from edgeemb.report.comparison import profile_on_all

    counts = numbers(lengths, "--lengths"), numbers(threads, "--threads")
    plan = ProfilePlan(*counts, runs, ops, ops_profile, cores=cores, runtime_lib=runtime_lib)
    with show.steps(quiet=as_json) as progress:
        result = profile_on_all(
            bundle,
            devices,
            plan,
            allow_missing=allow_missing,
            progress=lambda done, total: progress("measure", done, total),
        )
    name = result.reports[0].bundle.name
    _give(result, f"{name} on {', '.join(devices)}", output, html, as_json=as_json)


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=FOLDER)
@click.option("--sts", type=FOLDER, help="Scored sentence pairs to evaluate each bundle on.")
@click.option("--train", type=FOLDER, help="Labelled texts to train a classifier on.")
@click.option("--test", "test_path", type=FOLDER, help="Labelled texts to test it on.")
@_LENGTHS
@_THREADS
@_REPORTS
@_OUTPUT
@_HTML
@ops_option
@json_option
def compare(
    bundles: tuple[Path, ...],
    sts: Path | None,
    train: Path | None,
    test_path: Path | None,
    lengths: str,
    threads: str,
    saved: tuple[Path, ...],
    output: Path | None,
    html: Path | None,
    ops: str,
    as_json: bool,
) -> None:
    """Put bundles side by side; their latencies are measured in turns, as ratios to the first."""
    from edgeemb.devices.plan import ProfilePlan
    from edgeemb.report.comparison import compare as compare_bundles
    from edgeemb.report.comparison import join, read_comparison

    if (train is None) != (test_path is None):
        raise click.UsageError("--train and --test belong together")
    classes = None if train is None or test_path is None else (train, test_path)
    plan = ProfilePlan(numbers(lengths, "--lengths"), numbers(threads, "--threads"), ops=ops)
    others = [read_comparison(path) for path in saved]
    with show.steps(quiet=as_json) as progress:
        result = compare_bundles(
            bundles,
            plan,
            sts=sts,
            classes=classes,
            progress=lambda done, total: progress("measure", done, total),
        )
    _give(join([result, *others]), "edgeemb report", output, html, as_json=as_json)


@click.command()
@click.argument("reports", nargs=-1, required=True, type=FOLDER)
@click.option("--title", default="edgeemb report", show_default=True, help="Title of the page.")
@_OUTPUT
@_HTML
@json_option
def report(
    reports: tuple[Path, ...], title: str, output: Path | None, html: Path | None, as_json: bool
) -> None:
    """Put saved reports side by side, of any bundles and devices."""
    from edgeemb.report.comparison import join, read_comparison

    _give(join([read_comparison(path) for path in reports]), title, output, html, as_json=as_json)


def _give(result: Comparison, title: str, output: Path | None, html: Path | None, *, as_json: bool) -> None:
    """Save, draw and print what was measured."""
    from edgeemb.report import print_comparison, write_page
    from edgeemb.report.comparison import write_comparison

    if output is not None:
        write_comparison(output, result)
    if html is not None:
        write_page(html, result, title)
    single = result.reports[0] if len(result.reports) == 1 else None
    print_result(
        as_json,
        single.to_json if single else result.to_json,
        lambda console: print_comparison(console, result),
    )

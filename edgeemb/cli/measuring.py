"""The commands that measure and show: `edgeemb profile`, `compare`, `report` and `devices`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import edgeemb
from edgeemb.cli.generated import PATH, option, options, taken
from edgeemb.cli.options import json_option, print_result
from edgeemb.cli.show import printing as show
from edgeemb.devices.plan import ProfilePlan

if TYPE_CHECKING:
    from edgeemb.report.comparison import Comparison

_HTML = click.option("--html", type=PATH, help="Also write a page to this file.")
_OUTPUT = click.option(
    "-o",
    "--output",
    "out",
    type=PATH,
    help="Also save the figures to this file, for 'edgeemb report'.",
)


@click.command()
@click.argument("bundle", type=PATH)
@option(
    edgeemb.profile, "device", multiple=True, type=str, default=("host",), metavar="DEVICE", show_default=True
)
@options(
    ProfilePlan,
    "lengths",
    "threads",
    "runs",
    "budget_s",
    "ops",
    "ops_profile",
    "cores",
    "runtime_lib",
    "allow_code",
)
@options(edgeemb.profile, "allow_missing")
@_OUTPUT
@_HTML
@json_option
def profile(
    bundle: Path,
    device: tuple[str, ...],
    allow_missing: bool,
    out: Path | None,
    html: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Measure a bundle: size, load time, latency, instructions and memory, on one device or several.

    'edgeemb devices' lists the devices; --device may be repeated.
    """
    plan = ProfilePlan(**taken(ProfilePlan, given))
    with show.steps(quiet=as_json) as progress:
        result = edgeemb.profile(
            bundle,
            device,
            plan,
            allow_missing=allow_missing,
            progress=lambda done, total: progress("measure", done, total),
        )
    name = result.reports[0].bundle.name
    _give(result, f"{name} on {', '.join(device)}", out, html, as_json=as_json)


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=PATH)
@options(edgeemb.compare, "sts", "train", "test")
@options(ProfilePlan, "lengths", "threads", "runs", "budget_s", "ops", "allow_code")
@click.option(
    "--report", "saved", multiple=True, type=PATH, help="Put a saved report beside them; may be repeated."
)
@_OUTPUT
@_HTML
@json_option
def compare(
    bundles: tuple[Path, ...],
    sts: Path | None,
    train: Path | None,
    test: Path | None,
    saved: tuple[Path, ...],
    out: Path | None,
    html: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Put bundles side by side, with latencies measured in turns and given as ratios to the first."""
    from edgeemb.report.comparison import join, read_comparison

    plan = ProfilePlan(**taken(ProfilePlan, given))
    others = [read_comparison(path) for path in saved]
    with show.steps(quiet=as_json) as progress:
        result = edgeemb.compare(
            bundles,
            plan,
            sts=sts,
            train=train,
            test=test,
            progress=lambda done, total: progress("measure", done, total),
        )
    _give(join([result, *others]), "edgeemb report", out, html, as_json=as_json)


@click.command()
@click.argument("reports", nargs=-1, required=True, type=PATH)
@click.option("--title", default="edgeemb report", show_default=True, help="Title of the page.")
@_OUTPUT
@_HTML
@json_option
def report(reports: tuple[Path, ...], title: str, out: Path | None, html: Path | None, as_json: bool) -> None:
    """Put saved reports side by side, of any bundles and devices."""
    from edgeemb.report.comparison import join, read_comparison

    _give(join([read_comparison(path) for path in reports]), title, out, html, as_json=as_json)


@click.command()
@json_option
def devices(as_json: bool) -> None:
    """List what a bundle can be measured on."""
    from edgeemb.devices import attached
    from edgeemb.devices import devices as all_devices

    known = [*all_devices(), *attached()]
    print_result(
        as_json,
        lambda: [vars(device) for device in known],
        lambda console: show.print_devices(console, known),
    )


def _give(result: Comparison, title: str, out: Path | None, html: Path | None, *, as_json: bool) -> None:
    """Save, draw and print what was measured."""
    from edgeemb.report import print_comparison, write_page
    from edgeemb.report.comparison import write_comparison

    if out is not None:
        write_comparison(out, result)
    if html is not None:
        write_page(html, result, title)
    single = result.reports[0] if len(result.reports) == 1 else None
    print_result(
        as_json,
        single.to_json if single else result.to_json,
        lambda console: print_comparison(console, result),
    )

"""What the command prints for people. Figures are in MB of 10^6 bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from edgeemb.bundle.manifest import Manifest, VectorsEntry
from edgeemb.runtimes.registry import find_runtime

if TYPE_CHECKING:
    from edgeemb.cli.show.answers import Shown
    from edgeemb.devices.device import Device
    from edgeemb.exporters.targets import Target
    from edgeemb.models.summary import ModelSummary
    from edgeemb.report.evaluation import Quality
    from edgeemb.report.retrieval import RetrievalResult

#: What the measures of an output are called; a manifest that names none has a cosine.
_MEASURES = {
    "": "Cosine to",
    "cosine": "Cosine to",
    "difference": "Agreement (1 less the relative difference) with",
    "equal": "Part of the numbers equal to those of",
}
#: What the steps of long work are called.
STEPS = {
    "load": "Loading the model",
    "prune": "Shrinking the vocabulary",
    "fit": "Fitting the tables",
    "plan": "Searching for a table",
    "write": "Writing the model",
    "vectors": "Fitting the vectors",
    "body": "Preparing the body",
    "check": "Comparing with the original",
    "measure": "Measuring",
    "sts": "Encoding the pairs",
    "classes": "Encoding the texts",
    "retrieval": "Encoding the documents",
}


@contextmanager
def steps(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Progress on standard error while the block runs; nothing if that is not a terminal.

    :param quiet: show nothing.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda step, done, total: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                for task in tasks.values():
                    progress.stop_task(task)
                tasks[step] = progress.add_task(STEPS.get(step, step), total=None)
            progress.update(tasks[step], completed=done, total=total or None)

        yield show


def print_export(console: Console, path: Path, manifest: Manifest) -> None:
    """Print what an export made.

    :param console: where to.
    :param path: the bundle.
    :param manifest: its manifest.
    """
    print_bundle(console, path, manifest)
    if manifest.max_length:
        allow = " --allow-code" if find_runtime(manifest.runtime).is_source else ""
        console.print(Text(f'Try it: edgeemb run {path}{allow} "some text"', style="dim"))


def print_bundle(console: Console, path: Path, manifest: Manifest) -> None:
    """Print what a bundle holds.

    :param console: where to.
    :param path: the bundle.
    :param manifest: its manifest.
    """
    console.print(
        Text.assemble(
            (manifest.name, "bold"),
            f" for {manifest.target}: {manifest.runtime}, {manifest.body} body, {manifest.ops} ops  ",
            (str(path), "dim"),
        )
    )
    table = Table("part", "stored as", _number("MB"), box=None, pad_edge=False)
    for alias, entry in manifest.tables.items():
        rows = f"{entry.rows} x {entry.dim}" if entry.rows else "no rows stored"
        table.add_row(f"table {alias}", f"{entry.spec}, {rows}", _mb(entry.bytes))
    table.add_row("body", _body(manifest), _mb(manifest.sizes["body"]))
    for part in ("tokenizer", "libraries", "kit"):
        if manifest.sizes.get(part):
            table.add_row(part, "", _mb(manifest.sizes[part]))
    table.add_row(Text("total", style="bold"), "", Text(_mb(manifest.sizes["total"]), style="bold"))
    console.print(table)
    for line in parity_lines(manifest.parity):
        console.print(line)
    if manifest.vectors is not None:
        console.print(_vectors(manifest.vectors))
    for note in manifest.notes:
        console.print(f"Note: {note}")
    if manifest.plan is not None:
        print_plan(console, manifest.plan)


def parity_lines(parity: Mapping[str, float]) -> Iterator[str]:
    """How near a bundle comes to its original, in words.

    :param parity: of its manifest.
    """
    if not parity:
        yield "Parity to the original: not measured, because it ran on no input that could be made up"
        return
    unit = "sentences" if "sentences" in parity else "examples"
    mean, least = parity["cosine_mean"], parity["cosine_min"]
    # The figures are those of the worst output, by the measure that suits it.
    own = [key.removesuffix("_mean") for key in parity if "." in key and key.endswith("_mean")]
    worst = next((key for key in own if parity[f"{key}_mean"] == mean), "")
    output, _, measure = worst.rpartition(".")
    of = f" of {output}" if len(own) > 1 and output else ""
    label = f"{_MEASURES.get(measure, 'Agreement with')} the original{of}"
    yield f"{label} over {int(parity.get(unit, 0))} {unit}: mean {mean:.4f}, lowest {least:.4f}"
    for key, value in parity.items():
        if key.endswith(".same_class"):
            yield f"The highest of {key.removesuffix('.same_class')} is that of the original in {value:.1%} of all cases"


def _body(manifest: Manifest) -> str:
    """How the body is stored, and what was done to it before."""
    recipe = manifest.recipe
    if recipe is None:
        return manifest.body
    return ", ".join([recipe.spec, *(step.name for step in recipe.steps if step.name not in recipe.spec)])


def _vectors(entry: VectorsEntry) -> str:
    """What vectors are, in words."""
    return (
        f"Vectors: {entry.spec}, {entry.nbytes} bytes each, compared by {entry.measure}; their similarities correlate {entry.agreement:.4f} with the "
        f"model's own ({entry.calibration})"
    )


def print_plan(console: Console, plan: Mapping[str, Any]) -> None:
    """Print what the planner chose from.

    :param console: where to.
    :param plan: what `edgeemb.planner.planning.Plan.to_json` gives.
    """
    console.print(
        f"Planned for {plan['goal']}: {plan['tried']} specs tried, mean cosine over {plan['sentences']} samples"
    )
    table = Table("", f"table {plan['table']}", _number("MB"), _number("cosine"), box=None, pad_edge=False)
    for item in plan["frontier"]:
        chosen = item == plan["choice"]
        style = "bold" if chosen else ""
        table.add_row(
            "->" if chosen else "",
            item["spec"],
            f"{item['bytes'] / 1e6:.3g}",
            f"{item['cosine']:.4f}",
            style=style,
        )
    console.print(table)


def print_model(console: Console, summary: ModelSummary) -> None:
    """Print the tables of a model.

    :param console: where to.
    :param summary: what `edgeemb.models.summary` found.
    """
    console.print(
        Text.assemble((summary.name, "bold"), f": {summary.kind}, {_mb(summary.bytes)} MB of weights")
    )
    table = Table(
        "table",
        "role",
        _number("rows"),
        _number("columns"),
        _number("MB"),
        _number("share"),
        "",
        box=None,
        pad_edge=False,
    )
    for item in summary.tables:
        remark = "also an output layer" if item.tied else "" if item.rows else "rows are computed"
        table.add_row(
            item.alias, item.role, str(item.rows), str(item.dim), _mb(item.bytes), f"{item.share:.0%}", remark
        )
    console.print(table)


def print_answers(console: Console, shown: Sequence[Shown]) -> None:
    """Print what a bundle answers to each text.

    :param console: where to.
    :param shown: the answers.
    """
    for one in shown:
        console.print(Text.assemble((one.text, "bold"), "\n  ", one.says))


def print_quality(console: Console, quality: Quality) -> None:
    """Print evaluation results.

    :param console: where to.
    :param quality: what an evaluation found.
    """
    sts, classes = quality.sts, quality.classes
    if sts is not None:
        console.print(f"Sentence similarity: Spearman {sts.spearman:.2f} over {sts.pairs} pairs")
    if classes is not None:
        console.print(
            f"Classification: {classes.accuracy:.2f}% of {classes.test} texts right ({classes.labels} labels, trained on {classes.train})"
        )
    clusters, duplicates = quality.clusters, quality.duplicates
    if clusters is not None:
        console.print(
            f"Clusters: V-measure {clusters.v_measure:.2f} over {clusters.texts} texts with {clusters.labels} labels"
        )
    if duplicates is not None:
        console.print(
            f"Pairs that belong together: average precision {duplicates.average_precision:.2f} ({duplicates.positive} of {duplicates.pairs} pairs)"
        )
    if quality.retrieval is not None:
        _print_searches(console, quality.retrieval)


def _print_searches(console: Console, found: RetrievalResult) -> None:
    columns = [_number(name) for name in ("bytes per vector", "nDCG@10", "recall@10", "recall@100", "MRR")]
    console.print(f"Search: {found.queries} queries over {found.documents} documents")
    table = Table("vectors", *columns, box=None, pad_edge=False)
    for one in found.searches:
        figures = (one.ndcg_10, one.recall_10, one.recall_100, one.mrr)
        table.add_row(one.name, str(one.bytes), *(f"{figure:.2f}" for figure in figures))
    console.print(table)


def print_targets(console: Console, targets: Mapping[str, Target]) -> None:
    """Print the targets.

    :param console: where to.
    :param targets: targets by name.
    """
    table = Table("target", "runtime", "ops", "table", "body", "", box=None, pad_edge=False)
    for target in targets.values():
        runtimes = ", ".join(target.runtimes) or target.runtime
        table.add_row(
            target.name, runtimes, target.ops, target.table, target.body, Text(target.summary, style="dim")
        )
    console.print(table)


def print_devices(console: Console, devices: Sequence[Device]) -> None:
    """Print the devices.

    :param console: where to.
    :param devices: what a bundle can be measured on.
    """
    table = Table("device", "kind", "", box=None, pad_edge=False)
    for device in devices:
        table.add_row(device.name, device.kind, Text(device.summary, style="dim"))
    console.print(table)


def _number(header: str) -> Column:
    return Column(header, justify="right")


def _mb(size: int) -> str:
    return f"{size / 1e6:.2f}"

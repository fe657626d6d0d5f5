"""Which models come in: every family and every task as a tiny random model, exported to each runtime and compared with transformers' own computation.

Models are made from transformers' configuration classes with random weights: nothing is downloaded. Tables and bodies are float32, so that what is
left of 1 in a cosine is the conversion's doing; only C has no such bodies, and shows what 8 bits leave of tiny random models. Writes docs/models.md; with --results the figures of earlier runs are kept and only what is missing
is run.

    python -m bench.models [--only REGEX] [--runtime onnx,tflite,executorch,c] [--results build/models.json] [-o docs/models.md]
"""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

import click
import transformers

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.models.base import LoadedModel
from edgeemb.runtimes.registry import RUNTIMES
from edgeemb.tasks.registry import CAUSAL_LM, CLASSIFICATION, QUESTION_ANSWERING, TASKS
from tests.fixtures.models.families import TINY, save_family, save_task

_EMBEDDING = "embedding"
_ENCODED = tuple(kind for kind in TASKS if kind != CAUSAL_LM.name)
#: Families of which other tasks than their encoder's are tried, and these tasks.
TASKED = {
    **dict.fromkeys(("BERT", "DistilBERT", "RoBERTa", "DeBERTa-v2/v3", "ModernBERT"), _ENCODED),
    "T5": (_EMBEDDING, CLASSIFICATION.name),
    "BART": (_EMBEDDING, CLASSIFICATION.name, QUESTION_ANSWERING.name),
    **dict.fromkeys(("GPT-2", "Llama", "Qwen3"), (_EMBEDDING, CAUSAL_LM.name)),
}
#: What the page says of a runtime without float32 bodies.
NARROW = "C99 has no float32 body, and its column shows an int8 one"
_PACKAGES = ("transformers", "torch", "onnxruntime", "litert-torch", "executorch")


def cases() -> Iterator[tuple[str, str]]:
    """Every pair of a family and a task, the encoders of all families first."""
    yield from ((name, _EMBEDDING) for name in TINY)
    yield from ((name, kind) for name, kinds in TASKED.items() for kind in kinds if kind != _EMBEDDING)


def measure(name: str, kind: str, runtime: str, folder: Path) -> str:
    """The lowest cosine of an export to transformers' computation; in words why there is none.

    :param name: a family.
    :param kind: a task.
    :param runtime: a runtime.
    :param folder: an empty folder.
    """
    save = save_family(folder / "m", name) if kind == _EMBEDDING else save_task(folder / "m", kind, name)
    try:
        model = edgeemb.load(save)
        bundle = edgeemb.export(
            model,
            folder / "bundle",
            runtime=runtime,
            body="fp32" if "fp32" in RUNTIMES[runtime].bodies else "int8",
            table={
                table.alias: "fp32" for table in model.tables if table.role in ("word", "position", "type")
            },
            lengths=_lengths(model, runtime),
        )
    except edgeemb.EdgeembError as error:
        return str(error).replace(str(folder), "")
    return f"{read_manifest(bundle).parity['cosine_min']:.6f}"


def _lengths(model: LoadedModel, runtime: str) -> tuple[int, ...]:
    """One signature, for the longest text: it is converted faster than three."""
    free = not isinstance(model.inputs[0].axes[1], int)
    return (model.max_length,) if free and runtime == "tflite" else ()


def page(figures: dict[str, str], runtimes: list[str]) -> str:
    """The figures as a page.

    :param figures: by ``family|task|runtime``.
    :param runtimes: the columns.
    """
    titles = [RUNTIMES[name].title for name in runtimes]
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    lines = [
        "# Which models come in",
        "",
        "Written by `python -m bench.models`, whose first lines say how. A figure is the lowest cosine over the packaged sentences between the export and",
        f"transformers (for single numbers, 1 less the largest relative difference), with float32 tables and body; {NARROW}. {date.today()}, {versions}.",
        "",
        "A family that is not here is loaded in the same way, by transformers' Auto classes; these are the ones that were exported. Of all families that",
        "transformers has, a slow test loads tiny models: more than 100 come in, and a text has one vector in any batch. Models that need Python",
        "code of their own (`trust_remote_code`) come in as torch modules: `edgeemb.load(module, example_inputs=...)`.",
        "",
        "## Families, as encoders",
        "",
        *_table([(name, _EMBEDDING, name) for name in TINY], figures, runtimes, ["family", *titles]),
        "",
        "## Tasks",
        "",
    ]
    for name, kinds in TASKED.items():
        rows = [(name, kind, f"{TASKS[kind].title}: `session.{TASKS[kind].method}`") for kind in kinds]
        lines += [f"### {name}", "", *_table(rows, figures, runtimes, ["task", *titles]), ""]
    return "\n".join(lines)


def _table(
    rows: list[tuple[str, str, str]], figures: dict[str, str], runtimes: list[str], head: list[str]
) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, kind, label in rows:
        cells = [figures.get(f"{name}|{kind}|{runtime}", "not run") for runtime in runtimes]
        lines.append(f"| {' | '.join([label, *(_short(cell) for cell in cells)])} |")
    return lines


def _short(cell: str) -> str:
    """A figure, or what a refusal is about: the class that it names, where it names one."""
    named = re.search(r"\((\w+), \S+ line \d+\): ", cell)
    return f"refused: {named[1]}" if named else cell.replace("|", "/")[:160]


@click.command()
@click.option(
    "--only", default="", help="Only families and tasks, as FAMILY/TASK, that this regular expression finds."
)
@click.option("--runtime", "asked", default="onnx,tflite,executorch,c", show_default=True, help="Runtimes.")
@click.option("--results", type=click.Path(path_type=Path), help="Where figures are kept from run to run.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("docs/models.md"), show_default=True
)
def main(only: str, asked: str, results: Path | None, output: Path) -> None:
    """Export every family and task to every runtime, and write the page."""
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    figures = json.loads(results.read_text()) if results is not None and results.is_file() else {}
    runtimes = asked.split(",")
    for name, kind in cases():
        for runtime in runtimes:
            key = f"{name}|{kind}|{runtime}"
            if key in figures or not re.search(only, f"{name}/{kind}"):
                continue
            with tempfile.TemporaryDirectory() as folder:
                figures[key] = measure(name, kind, runtime, Path(folder))
            click.echo(f"{key}: {figures[key]}")
            if results is not None:
                results.parent.mkdir(parents=True, exist_ok=True)
                results.write_text(json.dumps(figures, indent=1))
    output.write_text(page(figures, runtimes), "utf-8")


if __name__ == "__main__":
    main()

"""How much of a model each body keeps, in every runtime: cosine to the float32 model over the sentences of scored pairs, and Spearman's correlation.

    python -m bench.body --sts dev.tsv --runtime onnx --runtime c --body int8 --body int4 --markdown body.md

Everything is one sentence at a time, with the table ``int4:block=32``. ``--every 10`` takes every tenth pair; ``--calibrate`` gives texts to prepare the
bodies on.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import SpecError
from edgeemb.exporters.options import ExportOptions
from edgeemb.metrics import cosine, spearman
from edgeemb.models.base import LoadedModel
from edgeemb.models.lines import ids_of, line_feeds
from edgeemb.runtimes.registry import RUNTIMES
from edgeemb.text.pairs import read_pairs

TABLE = "int4:block=32"


def originals(model: LoadedModel, texts: list[str]) -> NDArray[np.float32]:
    """The float32 model's vectors, float32[texts, dim]."""
    lines = ids_of(model, texts)
    return np.concatenate([model.reference(line_feeds(model, [ids])[0])[0] for ids in lines])


@click.command()
@click.option("--model", "source", default="sentence-transformers/all-MiniLM-L6-v2", show_default=True)
@click.option("--sts", type=click.Path(path_type=Path), required=True, help="Scored pairs of sentences.")
@click.option("--every", default=1, show_default=True, help="Take every N-th pair.")
@click.option("--runtime", "runtimes", multiple=True, default=("onnx", "tflite", "executorch", "c"))
@click.option("--body", "bodies", multiple=True, default=("int8", "int4"), help="Specs.")
@click.option("--ops", default="custom", show_default=True, type=click.Choice(["builtin", "custom"]))
@click.option("--calibrate", type=click.Path(path_type=Path), help="Texts to prepare bodies on.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the table to a file.")
def main(
    source: str,
    sts: Path,
    every: int,
    runtimes: tuple[str, ...],
    bodies: tuple[str, ...],
    ops: Literal["builtin", "custom"],
    calibrate: Path | None,
    markdown: Path | None,
) -> None:
    """Compare the bodies of every runtime with the float32 model."""
    pairs = read_pairs(sts)
    scores = np.array(pairs.scores[::every], np.float64)
    sides = [list(pairs.first[::every]), list(pairs.second[::every])]
    texts = list(dict.fromkeys(sides[0] + sides[1]))
    places = {text: number for number, text in enumerate(texts)}
    model = edgeemb.load(source)
    wanted = originals(model, texts)
    rows = [["float32", "", "", "", f"{_correlation(wanted, sides, places, scores):.2f}"]]
    with tempfile.TemporaryDirectory() as scratch:
        for name in runtimes:
            for body in bodies:
                folder = Path(scratch, f"{name}-{len(rows)}")
                try:
                    edgeemb.export(
                        model,
                        folder,
                        runtime=name,
                        body=body,
                        table=TABLE,
                        ops=ops if ops in RUNTIMES[name].lowerings else "builtin",
                        options=ExportOptions(calibrate=calibrate),
                    )
                except SpecError as error:
                    Console(stderr=True).print(f"{name}, {body}: {error}")
                    continue
                with edgeemb.open(folder, allow_code=RUNTIMES[name].is_source) as session:
                    found = np.concatenate([session.encode([text]) for text in texts])
                near = cosine(wanted, found)
                size = read_manifest(folder).sizes["total"] / 1e6
                rows.append(
                    [
                        f"{name}, {body}",
                        f"{size:.1f}",
                        f"{near.mean():.4f}",
                        f"{near.min():.4f}",
                        f"{_correlation(found, sides, places, scores):.2f}",
                    ]
                )
                Console(stderr=True).print(" ".join(rows[-1]))
    head = ["body", "MB", "cosine, mean", "least", "Spearman"]
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if markdown is not None:
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
        markdown.write_text("\n".join(lines) + "\n", "utf-8")


def _correlation(
    vectors: NDArray[np.float32], sides: list[list[str]], places: dict[str, int], scores: NDArray[np.float64]
) -> float:
    """Spearman's correlation of cosines and scores, in hundredths."""
    left, right = (vectors[[places[text] for text in side]] for side in sides)
    return 100 * spearman(np.asarray(cosine(left, right), np.float64), scores)


if __name__ == "__main__":
    main()

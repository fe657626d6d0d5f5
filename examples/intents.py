"""An intent classifier for a microcontroller: no vocabulary, no table, below 0.4 MB; trained from text to int8.

    python examples/intents.py --train banking77/train.tsv --test banking77/test.tsv --name banking77

UNO-sized, after EELBERT (Cohn et al. 2023, arXiv 2310.20144). The student learns the sentence embeddings of all-MiniLM-L6-v2 on the
training texts (and on --corpus, if given), then their labels, with int8 weights in mind. Beside it, trained alike: the same student with
the teacher's tokenizer and an ordinary float32 table, and that one with the table stored in int4.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import recipe

import edgeemb
from edgeemb.runtimes import describe
from edgeemb.text.pairs import read_labelled

#: The student: about 0.29 million weights without a table.
STUDENT = edgeemb.StudentShape(layers=2, hidden=96, heads=4, max_length=64)
#: How it reads, and its word table.
STUDENTS = {
    "words": (replace(STUDENT, tokens="words"), "ngram:n=3,lanes=8,dim=384"),
    "fp32": (STUDENT, "fp32"),
}


def accuracy(bundle: Path, test: Path) -> float:
    """Test texts that a bundle's classifier gets right, in percent.

    :param bundle: the bundle.
    :param test: lines of text, tab, label.
    """
    labelled = read_labelled(test)
    with edgeemb.open(bundle) as session:
        names = np.array(session.manifest.labels)
        found = names[session.encode(labelled.texts).argmax(axis=1)]
    return float(100 * np.mean(found == np.array(labelled.labels)))


def bundle_figures(model: Path, bundle: Path, test: Path, **export: Any) -> dict[str, Any]:
    """Export a classifier with an int8 body, and measure it.

    :param model: its folder.
    :param bundle: the bundle's folder, replaced if it is there.
    :param test: lines of text, tab, label.
    :param export: options of `edgeemb.export`.
    """
    edgeemb.export(model, bundle, body="int8", ops="builtin", force=True, **export)
    manifest = describe(bundle)
    size = sum(manifest.files[name].bytes for name in ("model.onnx", "model.data"))
    return {"accuracy": accuracy(bundle, test), "model_bytes": size, "sizes": dict(manifest.sizes)}


@click.command()
@click.option("--train", type=recipe.PATH, required=True, help="Labelled texts: text, tab, label.")
@click.option("--test", type=recipe.PATH, required=True, help="Labelled texts to test on.")
@click.option("--name", default="intents", show_default=True, help="What the results are called.")
@click.option("--corpus", type=recipe.PATH, multiple=True, help="More plain text for the first part.")
@click.option(
    "--out", type=recipe.PATH, default=Path("build/examples"), show_default=True, help="Where results go."
)
@click.option("--steps", default=2500, show_default=True, help="Updates from the teacher.")
@click.option("--class-steps", default=6000, show_default=True, help="Updates from the labels.")
@click.option("--class-lr", default=2e-3, show_default=True, help="Peak learning rate of the second part.")
@click.option("--torch-device", "device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoints.")
def main(
    train: Path,
    test: Path,
    name: str,
    corpus: tuple[Path, ...],
    out: Path,
    steps: int,
    class_steps: int,
    class_lr: float,
    device: str,
    seed: int,
    resume: bool,
) -> None:
    begun = time.time()
    out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    settings = edgeemb.TrainingSettings(
        train_length=48, evaluate_every=250, checkpoint_every=1000, torch_device=device, seed=seed
    )
    for kind, (student, table) in STUDENTS.items():
        folder = out / f"{name}-{kind}"
        edgeemb.distill(
            "all-MiniLM-L6-v2",
            folder,
            corpus=corpus,
            student=student,
            table=table,
            classifier=edgeemb.Classifier(train, test, class_steps, class_lr),
            body="int8",
            steps=steps,
            lr=1e-3,
            settings=settings,
            resume=resume,
            force=True,
            watch=recipe.printed,
        )
        figures[kind] = bundle_figures(folder, out / f"{name}-{kind}-bundle", test)
    figures["int4"] = bundle_figures(
        out / f"{name}-fp32", out / f"{name}-int4-bundle", test, table="int4:block=32"
    )
    figures["words_of_fp32"] = figures["words"]["accuracy"] / figures["fp32"]["accuracy"]
    recipe.finish(f"intents-{name}", out, begun, figures)


if __name__ == "__main__":
    main()

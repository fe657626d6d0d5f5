"""all-MiniLM-L6-v2 without an embedding table: every row is computed from the bytes of its token.

    python examples/minilm_without_table.py --corpus DIR --sts dev.tsv

The hash of 1024 elements goes through a projection that is fitted to the table first, frequent tokens counting most: that alone gives most of the
quality. Then the projection and the body are trained together. What is stored are the texts of the tokens and the projection.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import recipe

import edgeemb

TABLE = "ngram:n=4,dim=1024"
STEPS = 900


@click.command()
@recipe.options
def main(
    corpus: tuple[Path, ...],
    sts: Path | None,
    out: Path,
    steps: int | None,
    device: str,
    seed: int,
    resume: bool,
) -> None:
    begun = time.time()
    out.mkdir(parents=True, exist_ok=True)
    trained = edgeemb.adapt(
        "all-MiniLM-L6-v2",
        out / "minilm-without-table",
        corpus=corpus,
        table=TABLE,
        steps=steps or STEPS,
        batch=128,
        length=40,
        lr=2e-4,
        table_lr=3e-4,
        warmup=0.06,
        evaluate_every=100,
        checkpoint_every=100,
        device=device,
        seed=seed,
        resume=resume,
        force=True,
        watch=recipe.printed,
    )
    whole = recipe.bundle_figures(trained.path, out / "minilm-without-table-fp32", sts, body="fp32")
    small = recipe.bundle_figures(trained.path, out / "minilm-without-table-int8", sts, body="int8")
    recipe.finish(
        "minilm-without-table",
        out,
        begun,
        {"training": trained.to_json(), "fp32 body": whole, "int8 body": small},
    )


if __name__ == "__main__":
    main()

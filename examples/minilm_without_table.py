"""all-MiniLM-L6-v2 without an embedding table: every row is computed from the bytes of its token.

    python examples/minilm_without_table.py --corpus DIR --sts dev.tsv

The hash of 1024 elements goes through a projection that is fitted to the table first, frequent tokens counting most: that alone gives most of the
quality. Then the projection and the body are trained together. What is stored are the texts of the tokens and the projection.
"""

from __future__ import annotations

import click
import recipe

import edgeemb

TABLE = "ngram:n=4,dim=1024"
STEPS = 900


@click.command()
@recipe.options
def main(run: recipe.Run) -> None:
    trained = run.adapt(
        "minilm-without-table",
        edgeemb.TrainingSettings(
            batch=128,
            table_lr=3e-4,
            warmup=0.06,
            train_length=40,
            evaluate_every=100,
            checkpoint_every=100,
        ),
        steps=STEPS,
        table=TABLE,
        lr=2e-4,
    )
    figures = {
        f"{body} body": run.bundle(trained.path, f"minilm-without-table-{body}", body=body)
        for body in ("fp32", "int8")
    }
    run.finish("minilm-without-table", trained, figures)


if __name__ == "__main__":
    main()

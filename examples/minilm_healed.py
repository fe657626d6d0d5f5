"""all-MiniLM-L6-v2 in 8.5 MB: a 1 MB codebook table and an int4 body, trained together for being stored like that.

    python examples/minilm_healed.py --corpus DIR --sts dev.tsv

Quantisation-aware: the 4-bit weights of each step are those of `edgeemb export --body int4`, so the bundle is what was trained. The same
export without training is measured beside it.
"""

from __future__ import annotations

import click
import recipe

import edgeemb

TABLE = "pq:m=24"
STEPS = 450


@click.command()
@recipe.options
def main(run: recipe.Run) -> None:
    trained = run.adapt(
        "minilm-healed",
        edgeemb.TrainingSettings(table_lr=5e-4, train_length=48, evaluate_every=50, checkpoint_every=50),
        steps=STEPS,
        table=TABLE,
        body="int4",
        lr=1e-4,
    )
    stored = {"body": "int4", "ops": "builtin"}
    figures = {
        "trained": run.bundle(trained.path, "minilm-healed-bundle", **stored),
        "untrained": run.bundle(recipe.MODEL, "minilm-unhealed-bundle", table=TABLE, **stored),
    }
    run.finish("minilm-healed", trained, figures)


if __name__ == "__main__":
    main()

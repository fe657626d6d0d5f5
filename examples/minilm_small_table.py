"""all-MiniLM-L6-v2 with less than 0.45 MB of embedding table: two ways, each trained.

    python examples/minilm_small_table.py --way codebook --corpus DIR --sts dev.tsv
    python examples/minilm_small_table.py --way mixed --corpus DIR --sts dev.tsv

codebook: 12000 tokens are kept, and their rows come from 24 codebooks. The start is good, so the body learns in small steps.
mixed: the 1000 most frequent tokens have rows of 4 bits, all others are computed from their bytes. The body has to get used to these, in large steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import recipe

import edgeemb

STEPS = {"codebook": 300, "mixed": 500}


def ways(corpus: Path) -> dict[str, dict[str, Any]]:
    """Arguments of `edgeemb.adapt` for each way.

    :param corpus: the text that ranks the tokens.
    """
    return {
        "codebook": {"table": "pq:m=24,k=192", "vocab": [f"top:12000:{corpus}"], "lr": 2e-5},
        "mixed": {"table": "mixed:1000=int4,*=ngram:n=4,dim=192", "lr": 2e-4},
    }


@click.command()
@click.option(
    "--way", type=click.Choice(list(STEPS)), default="codebook", show_default=True, help="Which table."
)
@recipe.options
def main(run: recipe.Run, way: str) -> None:
    name = f"minilm-small-table-{way}"
    chosen = ways(run.corpus[0])[way]
    trained = run.adapt(
        name,
        edgeemb.TrainingSettings(
            batch=128, table_lr=3e-4, warmup=0.1, train_length=40, evaluate_every=50, checkpoint_every=50
        ),
        steps=STEPS[way],
        **chosen,
    )
    start = {option: value for option, value in chosen.items() if option != "lr"}
    figures = {
        "trained": run.bundle(trained.path, f"{name}-bundle", body="int8"),
        "untrained": run.bundle(
            recipe.MODEL, f"{name}-untrained", body="int8", corpus=run.corpus[0], **start
        ),
    }
    run.finish(name, trained, figures)


if __name__ == "__main__":
    main()

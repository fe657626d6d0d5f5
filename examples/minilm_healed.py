"""all-MiniLM-L6-v2 in 8.5 MB: a 1 MB codebook table and an int4 body, trained together for being stored like that.

    python examples/minilm_healed.py --corpus DIR --sts dev.tsv

Quantisation-aware: the 4-bit weights of each step are those of `edgeemb export --body int4`, so the bundle is what was trained. The same
export without training is measured beside it.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import recipe

import edgeemb

TABLE = "pq:m=24"
STEPS = 450


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
        out / "minilm-healed",
        corpus=corpus,
        table=TABLE,
        body="int4",
        steps=steps or STEPS,
        length=48,
        lr=1e-4,
        table_lr=5e-4,
        evaluate_every=50,
        checkpoint_every=50,
        device=device,
        seed=seed,
        resume=resume,
        force=True,
        watch=recipe.printed,
    )
    after = recipe.bundle_figures(trained.path, out / "minilm-healed-bundle", sts, body="int4", ops="builtin")
    before = recipe.bundle_figures(
        Path("all-MiniLM-L6-v2"), out / "minilm-unhealed-bundle", sts, body="int4", ops="builtin", table=TABLE
    )
    recipe.finish(
        "minilm-healed", out, begun, {"training": trained.to_json(), "trained": after, "untrained": before}
    )


if __name__ == "__main__":
    main()

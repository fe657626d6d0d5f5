"""What the tests of training share: a corpus of made-up sentences, and quick settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

NOUNS = ("cat", "mat", "sun", "dog", "boat", "hill", "river", "cloud")
VERBS = ("sat on", "ran from", "looked at", "asked for", "walked to", "slept near")
#: Settings of a training of a second.
QUICK: dict[str, Any] = {
    "steps": 12,
    "batch": 8,
    "evaluate_every": 4,
    "checkpoint_every": 6,
    "precision": "fp32",
    "lr": 1e-3,
    "table_lr": 1e-2,
}


def write_corpus(path: Path, lines: int = 80) -> Path:
    """A file of different sentences that the tiny tokenizers can spell.

    :param path: the file.
    :param lines: how many sentences.
    """
    rng = np.random.default_rng(3)
    sentences: dict[str, None] = {}
    while len(sentences) < lines:
        first, second, third = rng.choice(NOUNS, 3)
        sentences[f"the {first} {rng.choice(VERBS)} a {second} and the {third}"] = None
    path.write_text("\n".join(sentences) + "\n", "utf-8")
    return path

"""Writes tests/golden/ngram.json from the numpy definition: python -m tests.golden.make_ngram."""

from __future__ import annotations

import json

import numpy as np

from edgeemb.tables.ngrams import draw_seeds, join_tokens, rows_of_tokens
from tests.places import TESTS

#: Pieces of one byte up to the limit and past it, markers, special tokens, other scripts, bytes that are no text.
TOKENS = [
    *("", "\2a", "\1s", "\2the", "\1ing", "[CLS]", "[SEP]", "\2!", "\2playing", "\2über", "\2寿司", "\1ё"),
    *("\2internationalisation", "\2" + "x" * 31, "\2" + "x" * 40, "\2донаудампфшифффартсгезельшафт"),
]
#: n, lanes, dim, seed.
FORMS = [(3, 8, 96, 0), (1, 1, 4, 7), (4, 2, 40, 1), (2, 16, 48, 2), (5, 4, 60, 12345)]


def golden() -> dict[str, object]:
    """The vectors; rows are float32, little-endian, as hexadecimal digits."""
    tokens = [*(token.encode() for token in TOKENS), b"\xff\xfe\x01"]
    joined, starts = join_tokens(tokens)
    forms = []
    for n, lanes, dim, seed in FORMS:
        seeds, bases = draw_seeds(lanes, dim, seed)
        rows = rows_of_tokens(joined, starts, np.arange(len(tokens)), seeds, bases, n)
        forms.append(
            {
                "n": n,
                "lanes": lanes,
                "dim": dim,
                "seed": seed,
                "bases": bases.tolist(),
                "seeds": seeds.tolist(),
                "rows": [row.astype("<f4").tobytes().hex() for row in rows],
            }
        )
    return {"tokens": [token.hex() for token in tokens], "forms": forms}


if __name__ == "__main__":
    path = TESTS / "golden" / "ngram.json"
    path.write_text(json.dumps(golden(), indent=1) + "\n", "utf-8")

"""The vector of a text is the same alone, in any batch and with any padding, in every runtime and with every body."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edgeemb
from edgeemb.models.torch.model import Model
from edgeemb.runtimes import Session
from edgeemb.text.feeds import pad, text_feeds
from tests.fixtures.bundles import TINY_EXPORTS

#: What float32 sums may differ by.
ROUNDING = 1e-6
#: Runtimes whose sums are our own kernels', exact whatever is beside them.
EXACT = ("c-int8", "c-int8-threads")


@pytest.fixture(scope="module", params=list(TINY_EXPORTS))
def exported(request: pytest.FixtureRequest, tiny_export: Callable[[str], Path]) -> tuple[str, Path]:
    """A name of `TINY_EXPORTS` and the tiny encoder exported so."""
    return request.param, tiny_export(request.param)


def ids_of(random: np.random.Generator, rows: int) -> list[list[int]]:
    """Random texts of 3 to 20 tokens."""
    return [random.integers(5, rows, random.integers(3, 21)).tolist() for _ in range(24)]


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = [side.astype(np.float64) for side in (a, b)]
    return np.asarray(
        (wide[0] * wide[1]).sum(axis=1) / np.linalg.norm(wide[0], axis=1) / np.linalg.norm(wide[1], axis=1)
    )


def run(session: Session, texts: list[list[int]], length: int | None = None) -> NDArray[np.float32]:
    """Vectors of some texts in one run, padded to a length, or as the session pads them."""
    if length is None:
        return session.run(session.feeds(texts))
    ids, mask = pad(texts, length=length)
    return session.run(text_feeds([info.name for info in session.manifest.inputs], ids, mask))


def test_a_text_has_one_vector(exported: tuple[str, Path], tiny: Model) -> None:
    name, bundle = exported
    random = np.random.default_rng(17)
    texts = ids_of(random, tiny.word_table.rows)
    with edgeemb.open(bundle, allow_code=True) as session:
        alone = np.concatenate([run(session, [text]) for text in texts])
        lengths = session.engine.lengths
        others = []
        for _ in range(4):
            order = random.permutation(len(texts))
            batches = np.array_split(order, random.integers(1, 6))
            rows = np.empty_like(alone)
            for batch in batches:
                longest = max(len(texts[place]) for place in batch)
                width = lengths[-1] if lengths else int(random.integers(longest, 33))
                rows[batch] = run(session, [texts[place] for place in batch], width)
            others.append(rows)
    for rows in others:
        if name in EXACT:
            np.testing.assert_array_equal(rows, alone)
        assert cosines(alone, rows).min() >= 1 - ROUNDING

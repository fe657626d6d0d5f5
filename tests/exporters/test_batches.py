"""The vector of a text is the same alone, in any batch and with any padding, for the bodies of ONNX that are float32 and int8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edgeemb
from edgeemb.models.torch_model import Model
from edgeemb.runtimes import Session
from edgeemb.text.feeds import pad, text_feeds

#: By name what each export asks for.
EXPORTS: dict[str, dict[str, object]] = {
    "onnx-fp32": {"target": "linux-x64", "body": "fp32"},
    "onnx-int8": {"target": "linux-x64", "body": "int8"},
}
#: What float32 sums may differ by.
ROUNDING = 1e-6


@pytest.fixture(scope="module", params=list(EXPORTS))
def exported(
    request: pytest.FixtureRequest, tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]
) -> Path:
    """The tiny encoder, exported as one of `EXPORTS` says."""
    name = request.param
    options = {"table": "int8", "ops": "builtin", **EXPORTS[name]}
    return cached(f"batches-{name}", lambda path: edgeemb.export(tiny, path, **options))


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


def test_a_text_has_one_vector(exported: Path, tiny: Model) -> None:
    random = np.random.default_rng(17)
    texts = ids_of(random, tiny.word_table.rows)
    with edgeemb.open(exported) as session:
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
        assert cosines(alone, rows).min() >= 1 - ROUNDING

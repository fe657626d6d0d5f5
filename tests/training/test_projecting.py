"""Small vectors whose projection is trained with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import edgeemb
from edgeemb.errors import SpecError
from edgeemb.models.huggingface.modules import Normalize
from edgeemb.models.shrinking.vectors import vectors_of
from edgeemb.models.torch.model import Model
from edgeemb.training.settings import Losses
from edgeemb.vectors.registry import parse_vectors
from tests.fixtures.training import QUICK, adapt

TEXTS = ["the cat sat on a mat", "a dog ran from the river", "the sun looked at a hill"]


@pytest.mark.parametrize("spec", ["dim=4", "pca=8+binary"])
def test_the_projection_learns_and_is_a_part_of_the_model(
    spec: str, tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    result = adapt(tiny, tmp_path / "out", corpus=[corpus], vectors=spec, **QUICK | {"steps": 40})
    assert result.best > result.start + 1
    vectors = vectors_of(edgeemb.load(result.path), TEXTS)
    assert vectors.shape == (len(TEXTS), parse_vectors(spec).size)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_bundle_stores_the_trained_vectors_in_codes_without_another_rotation(
    tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"corpus": [corpus], "vectors": "pca=8+binary", "learn": "none", **QUICK}
    learnt = edgeemb.load(adapt(tiny, tmp_path / "out", **options).path)
    assert isinstance(learnt, Model)
    *_, linear, _, last = learnt.module.head
    assert tuple(linear.weight.shape) == (8, 16) and isinstance(last, Normalize)
    before, after = (dict(model.module.body.named_parameters()) for model in (tiny, learnt))
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    bundle = edgeemb.export(
        learnt, tmp_path / "bundle", vectors="binary:rotation=none", body="fp32", ops="builtin", table="fp32"
    )
    wanted = vectors_of(learnt, TEXTS[:1])
    with edgeemb.open(bundle) as session:
        np.testing.assert_array_equal(session.encode(TEXTS[:1])[0], np.packbits(wanted[0] > 0))


def test_what_does_not_go_together_is_refused(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    for spec, losses, said in (
        ("pca=8", Losses(), "the loss cosine compares the elements of vectors, which a projection mixes"),
        ("pca=17", None, r"pca=17 is past the 16 dimensions of the model"),
        ("pca", None, "'pca' needs the dimensions that are left"),
    ):
        with pytest.raises(SpecError, match=said):
            adapt(tiny, tmp_path / "out", corpus=[corpus], vectors=spec, losses=losses, **QUICK)

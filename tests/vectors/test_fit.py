"""Fitting a spec: projections and rotations."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeemb.errors import InputError, SpecError
from edgeemb.vectors.codes import cosines, unit
from edgeemb.vectors.fit import fit_vectors, learns
from edgeemb.vectors.registry import parse_vectors
from edgeemb.vectors.rotation import ROTATIONS

DIM = 32


@pytest.fixture(scope="module")
def sample() -> NDArray[np.float32]:
    """Vectors with a mean, and with few directions that hold most."""
    random = np.random.default_rng(1)
    wide = (
        random.standard_normal((300, DIM))
        * np.geomspace(2, 0.02, DIM)
        @ np.linalg.qr(random.standard_normal((DIM, DIM)))[0]
    )
    return unit((wide + 0.5).astype(np.float32))


def test_principal_dimensions_keep_cosines_better_than_the_first_ones(sample: NDArray[np.float32]) -> None:
    principal, first = (fit_vectors(parse_vectors(text), sample, 0) for text in ("pca=12", "dim=12"))
    assert first.projection.matrix is None and principal.projection.dim == first.projection.dim == 12
    assert principal.agreement > 0.95 > first.agreement
    rows = principal.projection.matrix
    assert rows is not None
    np.testing.assert_allclose(rows @ rows.T, np.eye(12), atol=1e-5)


def test_all_principal_dimensions_keep_every_cosine(sample: NDArray[np.float32]) -> None:
    whole = fit_vectors(parse_vectors(f"pca={DIM}"), sample, 0).projection(sample)
    np.testing.assert_allclose(cosines(whole, whole), cosines(sample, sample), atol=1e-5)


def test_principal_dimensions_need_as_many_texts(sample: NDArray[np.float32]) -> None:
    with pytest.raises(
        InputError,
        match=r"pca=12 needs at least 12 different texts .* there are 11: give more with `calibrate`",
    ):
        fit_vectors(parse_vectors("pca=12"), sample[:11], 0)


def test_the_direction_of_a_dimension_does_not_depend_on_chance(sample: NDArray[np.float32]) -> None:
    one, other = (fit_vectors(parse_vectors("pca=4"), rows, 0) for rows in (sample, sample[::-1].copy()))
    assert one.projection.matrix is not None and other.projection.matrix is not None
    np.testing.assert_allclose(one.projection.matrix, other.projection.matrix, atol=1e-4)


def ranks(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """How often each vector is among the five nearest of others, and of which."""
    near = cosines(vectors, vectors).astype(np.float64)
    np.fill_diagonal(near, -1)
    return (near >= np.sort(near, axis=1)[:, -5:-4]).astype(np.float64)


def test_learned_dimensions_keep_the_nearest_texts_that_principal_ones_lose() -> None:
    random = np.random.default_rng(2)

    def texts() -> NDArray[np.float32]:
        """Vectors of twelve topics that lie far apart, whose texts differ in six other directions."""
        topics = np.eye(DIM)[random.integers(0, 12, 400)]
        fine = np.zeros((400, DIM))
        fine[:, 12:18] = 0.2 * random.standard_normal((400, 6))
        return unit((topics + fine).astype(np.float32))

    seen, others = texts(), texts()
    kept = {}
    for text in ("pca=12", "learned=12"):
        projection = fit_vectors(parse_vectors(text), seen, 0).projection
        assert projection.matrix is not None and projection.matrix.shape == (12, DIM)
        kept[text] = float((ranks(projection(others)) * ranks(others)).sum() / ranks(others).sum())
    assert kept["learned=12"] > kept["pca=12"] + 0.2, kept


def test_learned_dimensions_are_the_same_for_the_same_texts(sample: NDArray[np.float32]) -> None:
    one, other = (fit_vectors(parse_vectors("learned=4"), sample, seed) for seed in (0, 1))
    assert one.projection.matrix is not None and other.projection.matrix is not None
    assert one.projection.matrix.tobytes() == other.projection.matrix.tobytes()
    with pytest.raises(InputError, match="learned=12 needs at least 12 different texts"):
        fit_vectors(parse_vectors("learned=12"), sample[:11], 0)


@pytest.mark.parametrize("name", ["random", "itq"])
def test_a_rotation_keeps_cosines_and_follows_its_seed(name: str, sample: NDArray[np.float32]) -> None:
    fit = ROTATIONS[name].fit
    rotation = fit(sample, 5)
    assert rotation is not None
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(DIM), atol=1e-5)
    again, other = fit(sample, 5), fit(sample, 6)
    assert again is not None and other is not None
    assert np.array_equal(rotation, again) and not np.allclose(rotation, other)


def test_a_fitted_rotation_comes_nearer_to_the_signs_than_a_random_one(sample: NDArray[np.float32]) -> None:
    def loss(name: str) -> float:
        rotation = ROTATIONS[name].fit(sample, 0)
        assert rotation is not None
        turned = sample @ rotation.T
        return float(((np.sign(turned) * DIM**-0.5 - turned) ** 2).sum())

    assert loss("itq") < loss("random")


def test_signs_of_reduced_vectors_are_turned_within_what_is_left(sample: NDArray[np.float32]) -> None:
    fitted = fit_vectors(parse_vectors("dim=16+binary"), sample, 0)
    matrix = fitted.projection.matrix
    assert matrix is not None and matrix.shape == (16, DIM) and not matrix[:, 16:].any()
    reduced = fitted.projection(sample)
    np.testing.assert_allclose(cosines(reduced, reduced), cosines(sample[:, :16], sample[:, :16]), atol=1e-5)


def test_only_what_is_learnt_depends_on_the_texts() -> None:
    found = {
        text: learns(parse_vectors(text))
        for text in ("dim=8", "pca=8", "learned=8", "int8", "binary", "binary:rotation=itq")
    }
    assert found == {
        "dim=8": False,
        "pca=8": True,
        "learned=8": True,
        "int8": False,
        "binary": False,
        "binary:rotation=itq": True,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dim=33", "dim=33 is past the 32 dimensions of the model: use 32 or fewer"),
        ("pca=64+int8", "pca=64 is past the 32 dimensions"),
        (
            "dim=12+binary",
            "binary stores eight dimensions in a byte, and 12 is no multiple of 8: keep fewer dimensions, such as dim=8",
        ),
        ("dim=7+int4", "int4 stores two dimensions in a byte, and 7 is odd"),
    ],
)
def test_a_spec_that_vectors_cannot_have_is_refused(
    text: str, words: str, sample: NDArray[np.float32]
) -> None:
    with pytest.raises(SpecError, match=words):
        fit_vectors(parse_vectors(text), sample, 0)


def test_vectors_that_are_not_finite_are_refused(sample: NDArray[np.float32]) -> None:
    bad = sample.copy()
    bad[4, 4] = np.nan
    with pytest.raises(InputError, match="NaN or infinite values"):
        fit_vectors(parse_vectors("int8"), bad, 0)

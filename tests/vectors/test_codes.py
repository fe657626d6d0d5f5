"""Codes of vectors: their layout, what they stand for, and how two are compared."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeemb.vectors.codes import Codes, cosines, unit
from edgeemb.vectors.registry import codes_of, parse_vectors

DIM = 48


def codes(text: str) -> Codes:
    return codes_of(parse_vectors(text))


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return unit(np.random.default_rng(3).standard_normal((70, DIM)).astype(np.float32))


def test_int8_rounds_halves_away_from_zero_and_cuts_what_is_beyond() -> None:
    values = np.array([[0.25, -0.25, 0.5, 0.74, 0.75, -100, 100, 0]], np.float32)
    assert codes("int8").pack(values, (0.5,)).tolist() == [[1, -1, 1, 1, 2, -127, 127, 0]]


def test_int4_lies_as_the_documentation_says() -> None:
    values = np.array([[1, 2, 3, 7], [0, 0, 0, 0]], np.float32)
    assert codes("int4").pack(values, ()).tolist() == [[0x8 + 1 | (8 + 3) << 4, 0xA | 0xF << 4], [0x88, 0x88]]


def test_bits_lie_as_packbits_puts_them_and_zero_is_not_above() -> None:
    values = np.array([[1, -1, 0, -1, -1, -1, -1, 2]], np.float32)
    assert codes("binary").pack(values, ()).tolist() == [[0x81]]


def test_a_second_plane_says_what_the_first_leaves_over() -> None:
    values = np.array([[0.9, 0.1, -0.1, -0.9, 0.9, 0.9, 0.9, 0.9]], np.float32)
    packed = codes("binary:planes=2").pack(values, (0.5, 0.4))
    assert packed.tolist() == [[0b11001111, 0b10101111]]


@pytest.mark.parametrize("text", ["float32", "int8", "int4", "binary", "binary:planes=2"])
def test_similarities_are_the_cosines_of_what_is_stored(text: str, vectors: NDArray[np.float32]) -> None:
    form = codes(text)
    scales = form.fit(vectors)
    assert len(scales) == form.scales
    stored = form.pack(vectors, scales)
    assert stored.shape == (len(vectors), form.width(DIM)) and stored.dtype == form.dtype
    loaded = form.unpack(stored, DIM, scales)
    for queries in (1, 3, 20):  # few of them are compared by kernels, many by numpy
        found = form.scores(stored[:queries], stored, DIM, scales)
        np.testing.assert_allclose(found, cosines(loaded[:queries], loaded), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("text", "least"), [("int8", 0.9998), ("int4", 0.99), ("binary:planes=2", 0.92), ("binary", 0.78)]
)
def test_more_bits_keep_more(text: str, least: float, vectors: NDArray[np.float32]) -> None:
    form = codes(text)
    scales = form.fit(vectors)
    loaded = form.unpack(form.pack(vectors, scales), DIM, scales)
    kept = np.diag(cosines(vectors, loaded))
    assert kept.mean() > least


def test_int8_vectors_have_almost_one_length_so_that_products_rank_too(vectors: NDArray[np.float32]) -> None:
    form = codes("int8")
    scales = form.fit(vectors)
    lengths = np.linalg.norm(form.unpack(form.pack(vectors, scales), DIM, scales), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=0.01)


def test_zeros_are_like_nothing() -> None:
    zero = np.zeros((1, DIM), np.float32)
    for text in ("float32", "int8", "int4"):
        form = codes(text)
        scales = form.fit(zero)
        stored = form.pack(zero, scales)
        assert form.scores(stored, stored, DIM, scales).tolist() == [[0]]


def test_no_vectors_give_no_scores(vectors: NDArray[np.float32]) -> None:
    for text in ("float32", "int8", "int4", "binary", "binary:planes=2"):
        form = codes(text)
        scales = form.fit(vectors)
        none = form.pack(vectors[:0], scales)
        assert form.scores(none, form.pack(vectors, scales), DIM, scales).shape == (0, len(vectors))
        assert form.scores(form.pack(vectors, scales), none, DIM, scales).shape == (len(vectors), 0)

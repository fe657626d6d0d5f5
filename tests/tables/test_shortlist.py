"""Shortlists: how well a scan of their codes finds the best rows, and what a head may be asked for."""

from __future__ import annotations

import numpy as np
import pytest

from edgeemb.errors import InputError, SpecError
from edgeemb.tables.shortlist import MOST_DIM, fit_shortlist, rotated, shortlist_scores
from edgeemb.tables.top import HeadSpec, best_of, parse_head


def matrix(rows: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def test_a_rotation_leaves_products_as_they_are() -> None:
    left, right = matrix(5, 100), matrix(7, 100, 1)
    turned = rotated(left) @ rotated(right).T
    assert rotated(left, 3).shape == (5, 129)
    assert turned == pytest.approx(left @ right.T, abs=1e-4)


def test_most_of_the_best_rows_are_among_the_candidates_even_where_few_elements_are_large() -> None:
    rows, hidden = matrix(3000, 96), matrix(200, 96, 1)
    rows[:, :3] *= 4
    rows += 5 * matrix(1, 96, 2)
    products = hidden @ rows.T
    scores = shortlist_scores(hidden, fit_shortlist(rows), len(rows))
    best, candidates = products.argmax(axis=1), best_of(scores, 100)[1]
    assert (best[:, None] == candidates).any(axis=1).mean() >= 0.97


def test_a_shortlist_of_three_elements_a_code_takes_a_sixth_of_a_byte_for_each_and_a_scale() -> None:
    shortlist = fit_shortlist(matrix(128, 384))
    assert shortlist.nbytes == 128 * (384 // 6 + 4) + 16 * 3 * 4


def test_rows_of_zeros_and_empty_tables_have_a_shortlist() -> None:
    assert (shortlist_scores(matrix(2, 64), fit_shortlist(np.zeros((70, 64), np.float32)), 70) == 0).all()
    assert fit_shortlist(np.zeros((0, 64), np.float32)).codes.shape == (0, 11, 64)


def test_rows_that_cannot_be_coded_are_refused() -> None:
    rows = matrix(4, 64)
    rows[1, 1] = np.inf
    with pytest.raises(SpecError, match="NaN or an infinity"):
        fit_shortlist(rows)
    with pytest.raises(SpecError, match=f"up to {MOST_DIM} elements"):
        fit_shortlist(np.zeros((1, MOST_DIM + 1), np.float32))


def test_the_best_come_in_order_and_no_more_than_there_are() -> None:
    values, places = best_of(np.array([[1, np.nan, 3, 3, -np.inf]], np.float32), 5)
    assert places.tolist() == [[2, 3, 0, 4, 1]]
    assert values[0, :4].tolist() == [3, 3, 1, -np.inf] and np.isnan(values[0, 4])
    with pytest.raises(InputError, match="top=6 is out of range: of 5 logits"):
        best_of(np.zeros((1, 5), np.float32), 6)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("top=5", HeadSpec(5)),
        ("shortlist=512", HeadSpec(40, 512)),
        ("shortlist=8", HeadSpec(8, 8)),
        ("top=10,shortlist=64", HeadSpec(10, 64)),
    ],
)
def test_a_head_is_read(text: str, wanted: HeadSpec) -> None:
    assert parse_head(text) == wanted
    assert parse_head(str(wanted)) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not known: use 'top=40'"),
        ("best=3", "is not known"),
        ("top", "is not known"),
        ("top=0", "gives a top that is out of range"),
        ("top=-1", "out of range"),
        ("top=1e3", "out of range"),
        ("top=9999999999999999", "out of range"),
        ("top=3,top=4", "gives top twice"),
        ("shortlist=10,top=40", "the 40 best cannot come from a shortlist of 10"),
    ],
)
def test_a_head_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_head(text)

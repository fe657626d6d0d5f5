"""The native CodebookLogits against the numpy reference of its contract (runtimes/kernels/codebook_logits.h)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeemb.errors import InputError, NativeError
from edgeemb.native import kernels as native
from edgeemb.native.logits import codebook_logits
from edgeemb.tables.logits import codebook_products
from tests.fixtures.buffers import same_bits, unaligned
from tests.native.test_codebook_kernel import random_table


@st.composite
def heads(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "shape": (draw(st.integers(1, 20)), draw(st.sampled_from([1, 7, 255, 256])), draw(st.integers(1, 9))),
        "additive": draw(st.booleans()),
        "rows": draw(st.integers(1, 40)),
        "count": draw(st.integers(0, 4)),
        "book_type": draw(st.sampled_from([np.float16, np.float32])),
        "offset": draw(st.integers(0, 17)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def drawn(case: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Vectors, codes and codebooks whose products stay finite."""
    rng = np.random.default_rng(case["seed"])
    codes, _ = random_table(rng, case["rows"], case["shape"])
    books = rng.standard_normal(case["shape"]).astype(case["book_type"])
    dim = case["shape"][2] * (1 if case["additive"] else case["shape"][0])
    return rng.standard_normal((case["count"], dim)).astype(np.float32), codes, books


@settings(max_examples=60, deadline=None)
@given(case=heads())
def test_it_gives_the_bits_of_the_reference(case: dict[str, Any]) -> None:
    hidden, codes, books = drawn(case)
    wanted = codebook_products(hidden, codes, books, case["additive"])
    placed = (unaligned(array, case["offset"]) for array in (hidden, codes, books))
    assert same_bits(codebook_logits(*placed, additive=case["additive"]), wanted)
    bias = np.arange(case["rows"], dtype=np.float32)
    assert same_bits(codebook_logits(hidden, codes, books, case["additive"], bias), wanted + bias)


def test_logits_are_the_products_with_the_rows_of_the_lookup() -> None:
    rng = np.random.default_rng(1)
    codes, _ = random_table(rng, 100, (96, 256, 4))
    books = rng.standard_normal((96, 256, 4)).astype(np.float16)
    hidden = rng.standard_normal((3, 384)).astype(np.float32)
    rows = native.codebook_lookup(np.arange(100), codes, books)
    wanted = hidden.astype(np.float64) @ rows.T.astype(np.float64)
    assert np.abs(codebook_logits(hidden, codes, books) - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_the_example_of_the_header_holds() -> None:
    books = np.array([[[1], [2]], [[10], [20]]], np.float32)
    codes = np.array([[0, 0], [1, 0]], np.uint8)
    assert codebook_logits(np.array([[3, 1]], np.float32), codes, books).tolist() == [[13, 16]]


def test_a_vector_that_is_not_finite_leaves_the_others_alone() -> None:
    codes, books = random_table(np.random.default_rng(2), 10, (4, 20, 2))
    hidden = np.ones((3, 8), np.float32)
    hidden[1, 3] = np.nan
    found = codebook_logits(hidden, codes, np.minimum(books, 100))
    assert np.isnan(found[1]).all() and same_bits(found[0], found[2])


def test_what_does_not_fit_is_refused() -> None:
    codes, books = random_table(np.random.default_rng(0), 10, (4, 20, 2))
    hidden = np.zeros((2, 8), np.float32)
    with pytest.raises(InputError, match="hidden is"):
        codebook_logits(hidden, codes, books, additive=True)
    with pytest.raises(InputError, match="codebooks is"):
        codebook_logits(hidden, codes, books[0])
    with pytest.raises(NativeError, match="entries=257"):
        codebook_logits(hidden, codes, np.zeros((4, 257, 2), np.float16))
    codes[7, 3] = 20
    out = np.full((2, 10), 7, np.float32)
    with pytest.raises(InputError, match=r"row 7 holds code 20, outside \[0, 20\)"):
        codebook_logits(hidden, codes, books, out=out)
    assert (out == 7).all()

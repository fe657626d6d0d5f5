"""The native CodebookLookup against an independent evaluation of its contract (runtimes/kernels/codebook.h)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeemb.errors import InputError, NativeError
from edgeemb.native import kernels as native
from tests.fixtures.buffers import finite_floats, same_bits, unaligned

VARIANTS = native.variants()


def reference(
    ids: NDArray[Any], codes: NDArray[np.uint8], books: NDArray[Any], additive: bool
) -> NDArray[np.float32]:
    """Rows float32[N, dim], id by id from the words of the header."""
    rows = np.zeros((len(ids), books.shape[2] * (1 if additive else len(books))), np.float32)
    for position, row in enumerate(ids):
        entries = [book[code].astype(np.float32) for book, code in zip(books, codes[row], strict=True)]
        if additive:
            total = entries[0]
            for entry in entries[1:]:
                total = total + entry
            rows[position] = total
        else:
            rows[position] = np.concatenate(entries)
    return rows


def random_table(
    rng: np.random.Generator, rows: int, shape: tuple[int, int, int], dtype: Any = np.float16
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Random codes and finite codebooks of a shape (books, entries, part)."""
    codes = rng.integers(0, shape[1], (rows, shape[0])).astype(np.uint8)
    return codes, finite_floats(rng, int(np.prod(shape)), dtype).reshape(shape)


@st.composite
def lookups(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "books": draw(st.integers(1, 70)),
        "entries": draw(st.one_of(st.sampled_from([256, 255]), st.integers(1, 40))),
        "part": draw(st.one_of(st.sampled_from([2, 4, 8, 16]), st.integers(1, 40))),
        "additive": draw(st.booleans()),
        "rows": draw(st.integers(1, 40)),
        "count": draw(st.integers(0, 30)),
        "book_type": draw(st.sampled_from([np.float16, np.float32])),
        "id_type": draw(st.sampled_from([np.int32, np.int64])),
        "offset": draw(st.integers(0, 17)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=100, deadline=None)
@given(case=lookups())
def test_every_variant_gives_the_bits_of_the_contract(variant: str, case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    shape = case["books"], case["entries"], case["part"]
    codes, books = random_table(rng, case["rows"], shape, case["book_type"])
    ids = rng.integers(0, case["rows"], case["count"]).astype(case["id_type"])
    want = reference(ids, codes, books, case["additive"])
    ids, codes, books = (unaligned(array, case["offset"]) for array in (ids, codes, books))
    out = unaligned(np.zeros_like(want), case["offset"])
    got = native.codebook_lookup(ids, codes, books, case["additive"], variant, out)
    assert same_bits(got, want)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_example_of_the_header_holds(variant: str) -> None:
    books = np.array([[[0, 1], [2, 3], [4, 5]], [[10, 20], [30, 40], [50, 60]]], np.float16)
    ids, codes = np.array([0]), np.array([[2, 0]], np.uint8)
    assert native.codebook_lookup(ids, codes, books, variant=variant).tolist() == [[4, 5, 10, 20]]
    assert native.codebook_lookup(ids, codes, books, True, variant).tolist() == [[14, 25]]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("wrong", [-1, 10, 2**31 - 1, -(2**31), 2**32 + 1, 2**62, -(2**63)])
def test_an_id_out_of_range_is_named_and_nothing_is_written(variant: str, wrong: int) -> None:
    codes, books = random_table(np.random.default_rng(0), 10, (16, 20, 4))
    out = np.full((3, 64), 7, np.float32)
    for id_type in (np.int32, np.int64) if -(2**31) <= wrong < 2**31 else (np.int64,):
        with pytest.raises(InputError, match=rf"id {wrong} at position 1 is outside \[0, 10\)"):
            native.codebook_lookup(np.array([3, wrong, -1], id_type), codes, books, variant=variant, out=out)
        assert (out == 7).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("place", [0, 15, 31, 63, 64, 96])
def test_a_code_beyond_its_codebook_is_named_and_nothing_is_written(variant: str, place: int) -> None:
    codes, books = random_table(np.random.default_rng(0), 10, (97, 20, 4))
    codes[4, place] = 20
    out = np.full((3, 388), 7, np.float32)
    message = r"row 4 \(id at position 2\) holds code 20, outside \[0, 20\)"
    with pytest.raises(InputError, match=message):
        native.codebook_lookup(np.array([3, 9, 4]), codes, books, variant=variant, out=out)
    assert (out == 7).all()
    assert native.codebook_lookup(np.array([3, 9, 5]), codes, books, variant=variant).shape == (3, 388)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_ids_at_all_give_no_rows(variant: str) -> None:
    codes, books = random_table(np.random.default_rng(0), 10, (16, 20, 4))
    assert native.codebook_lookup(np.array([], np.int64), codes, books, variant=variant).shape == (0, 64)


@pytest.mark.parametrize("shape", [(4, 257, 2), (4, 0, 2), (4, 8, 0), (0, 8, 2)], ids=str)
def test_the_kernel_refuses_codebooks_out_of_bounds(shape: tuple[int, int, int]) -> None:
    codes = np.zeros((2, shape[0]), np.uint8)
    with pytest.raises(NativeError, match=f"books={shape[0]} entries={shape[1]} part={shape[2]}"):
        native.codebook_lookup(np.array([0]), codes, np.zeros(shape, np.float16))


def test_arrays_that_do_not_fit_each_other_are_refused_before_the_kernel_sees_them() -> None:
    codes, books = random_table(np.random.default_rng(0), 10, (16, 20, 4))
    ids = np.array([0])
    with pytest.raises(InputError, match="codes is"):
        native.codebook_lookup(ids, codes[:, :-1], books)
    with pytest.raises(InputError, match="codebooks is"):
        native.codebook_lookup(ids, codes, books[0])
    with pytest.raises(InputError, match="codebooks is float64"):
        native.codebook_lookup(ids, codes, books.astype(np.float64))
    with pytest.raises(InputError, match="out is"):
        native.codebook_lookup(ids, codes, books, additive=True, out=np.zeros((1, 64), np.float32))


def test_an_unknown_variant_is_refused() -> None:
    codes, books = random_table(np.random.default_rng(0), 10, (16, 20, 4))
    with pytest.raises(NativeError, match="variant=abacus"):
        native.codebook_lookup(np.array([0]), codes, books, variant="abacus")

"""The native NgramLookup against the numpy definition (runtimes/kernels/ngram.h, edgeemb/tables/ngrams.py)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeemb.errors import InputError, NativeError
from edgeemb.native import kernels as native
from edgeemb.tables.ngrams import (
    LANES,
    MAX_TOKEN_BYTES,
    draw_seeds,
    join_tokens,
    pad_tokens,
    rows_of_tokens,
)
from tests.fixtures.buffers import same_bits, unaligned
from tests.places import TESTS

VARIANTS = native.variants()
GOLDEN = TESTS / "golden" / "ngram.json"


def random_tokens(rng: np.random.Generator, count: int) -> list[bytes]:
    """Tokens of 0 to 34 bytes, without zeros."""
    return [rng.integers(1, 256, rng.integers(0, 35)).astype(np.uint8).tobytes() for _ in range(count)]


@st.composite
def lookups(draw: st.DrawFn) -> dict[str, Any]:
    n, lanes = draw(st.integers(1, 8)), draw(st.sampled_from(LANES))
    return {
        "n": n,
        "lanes": lanes,
        "dim": lanes * (n * (n + 1) // 2 + draw(st.integers(0, 40))),
        "rows": draw(st.integers(1, 40)),
        "count": draw(st.integers(0, 60)),
        "id_type": draw(st.sampled_from([np.int32, np.int64])),
        "offset": draw(st.integers(0, 17)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=80, deadline=None)
@given(case=lookups())
def test_every_variant_gives_the_bits_of_the_definition(variant: str, case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    strings = random_tokens(rng, case["rows"])
    tokens, starts = join_tokens(strings)
    seeds, bases = draw_seeds(case["lanes"], case["dim"], case["seed"])
    ids = rng.integers(0, case["rows"], case["count"]).astype(case["id_type"])
    ids[:1], ids[1:2] = case["rows"] - 1, 0
    want = rows_of_tokens(tokens, starts, ids, seeds, bases, case["n"])
    padded = pad_tokens(strings, MAX_TOKEN_BYTES)[ids]
    ids, tokens, starts, seeds, bases, padded = (
        unaligned(array, case["offset"]) for array in (ids, tokens, starts, seeds, bases, padded)
    )
    out = unaligned(np.full_like(want, 7), case["offset"])
    assert same_bits(native.ngram_lookup(ids, tokens, starts, seeds, bases, case["n"], variant, out), want)
    out = unaligned(np.full_like(want, 7), case["offset"])
    assert same_bits(native.ngram_bytes(padded, seeds, bases, case["n"], variant, out), want)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_golden_vectors_hold(variant: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    tokens, starts = join_tokens([bytes.fromhex(token) for token in golden["tokens"]])
    for form in golden["forms"]:
        seeds, bases = np.array(form["seeds"], np.int16), np.array(form["bases"], np.int16)
        ids = np.arange(len(starts) - 1)
        rows = native.ngram_lookup(ids, tokens, starts, seeds, bases, form["n"], variant)
        assert [row.tobytes().hex() for row in rows] == form["rows"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_example_of_the_header_holds(variant: str) -> None:
    seeds, bases = np.array([3], np.int16), np.array([257], np.int16)
    row = native.ngram_bytes(np.array([[97, 98]], np.uint8), seeds, bases, 1, variant)
    assert row.tolist() == [[np.float32(-3501) * (np.float32(1) / np.float32(4092))]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_token_that_comes_again_has_the_same_row(variant: str) -> None:
    rng = np.random.default_rng(0)
    strings = random_tokens(rng, 2000)
    tokens, starts = join_tokens(strings)
    seeds, bases = draw_seeds(8, 96, 0)
    ids = np.concatenate([np.arange(2000), rng.integers(0, 2000, 3000), np.arange(0, 2000, 256)])
    want = rows_of_tokens(tokens, starts, ids, seeds, bases, 3)
    assert same_bits(native.ngram_lookup(ids, tokens, starts, seeds, bases, 3, variant), want)
    padded = pad_tokens(strings, MAX_TOKEN_BYTES)[ids]
    assert same_bits(native.ngram_bytes(padded, seeds, bases, 3, variant), want)


@pytest.mark.parametrize("variant", VARIANTS)
def test_padded_tokens_end_at_a_zero_at_the_width_or_after_32_bytes(variant: str) -> None:
    seeds, bases = draw_seeds(4, 48, 0)

    def row(token: list[int]) -> NDArray[np.float32]:
        return native.ngram_bytes(np.array([token], np.uint8), seeds, bases, 3, variant)

    assert same_bits(row([2, 97, 0, 98]), row([2, 97]))
    assert same_bits(row([2] * 32 + [97, 98]), row([2] * 32))
    assert not row([0, 97]).any()
    prefixes = np.array([[2, 97, 0], [2, 97, 98], [2, 97, 0], [2, 0, 97], [2, 97, 98]], np.uint8)
    rows = native.ngram_bytes(prefixes, seeds, bases, 3, variant)
    assert same_bits(rows, np.concatenate([row(token.tolist()) for token in prefixes]))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("wrong", [-1, 10, 2**31 - 1, -(2**31), 2**32 + 1, 2**62, -(2**63)])
def test_an_id_out_of_range_is_named_and_nothing_is_written(variant: str, wrong: int) -> None:
    tokens, starts = join_tokens([b"\2abc"] * 10)
    seeds, bases = draw_seeds(8, 64, 0)
    out = np.full((3, 64), 7, np.float32)
    for id_type in (np.int32, np.int64) if -(2**31) <= wrong < 2**31 else (np.int64,):
        ids = np.array([3, wrong, -1], id_type)
        with pytest.raises(InputError, match=rf"id {wrong} at position 1 is outside \[0, 10\)"):
            native.ngram_lookup(ids, tokens, starts, seeds, bases, 3, variant, out)
        assert (out == 7).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bounds", [(8, 4), (-4, 4), (4, 41), (36, 2**31 - 1), (-(2**31), 4), (0, 33)])
def test_bounds_of_a_token_that_are_none_are_named_and_nothing_is_written(
    variant: str, bounds: tuple[int, int]
) -> None:
    tokens, starts = join_tokens([b"\2abc"] * 10)
    seeds, bases = draw_seeds(8, 64, 0)
    starts[5:7] = bounds
    out = np.full((3, 64), 7, np.float32)
    with pytest.raises(InputError, match=rf"token 5 \(id at position 2\) spans bytes {bounds[0]} to"):
        native.ngram_lookup(np.array([3, 9, 5]), tokens, starts, seeds, bases, 3, variant, out)
    assert (out == 7).all()
    assert native.ngram_lookup(np.array([3, 9]), tokens, starts, seeds, bases, 3, variant).any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_asked_for_gives_no_rows(variant: str) -> None:
    tokens, starts = join_tokens([b"\2abc"])
    seeds, bases = draw_seeds(8, 64, 0)
    ids = np.array([], np.int64)
    assert native.ngram_lookup(ids, tokens, starts, seeds, bases, 3, variant).shape == (0, 64)
    assert native.ngram_bytes(np.zeros((0, 9), np.uint8), seeds, bases, 3, variant).shape == (0, 64)


@pytest.mark.parametrize(
    ("n", "lanes", "dim"),
    [(0, 8, 64), (9, 8, 512), (3, 3, 48), (3, 32, 384), (3, 0, 48), (3, 8, 60), (3, 8, 40), (1, 1, 0), (1, 16, 1 << 16)],
    ids=str,
)  # fmt: skip
def test_the_kernel_refuses_a_form_that_cannot_be(n: int, lanes: int, dim: int) -> None:
    tokens, starts = join_tokens([b"\2abc"])
    seeds, bases = np.ones(dim, np.int16), np.ones(lanes, np.int16)
    for variant in VARIANTS:
        with pytest.raises(NativeError, match=f"n={n} lanes={lanes} dim={dim}"):
            native.ngram_lookup(np.array([0]), tokens, starts, seeds, bases, n, variant)
        with pytest.raises(NativeError, match=f"n={n} lanes={lanes} dim={dim}"):
            native.ngram_bytes(np.zeros((1, 4), np.uint8), seeds, bases, n, variant)


@pytest.mark.parametrize("constant", [0, -1, 4093, 2**15 - 1])
def test_the_kernel_refuses_constants_that_are_not_below_the_modulus(constant: int) -> None:
    seeds, bases = draw_seeds(8, 64, 0)
    for array in (seeds, bases):
        kept, array[-1] = array[-1], constant
        with pytest.raises(NativeError, match="refused"):
            native.ngram_bytes(np.zeros((1, 4), np.uint8), seeds, bases, 3)
        array[-1] = kept


def test_arrays_that_do_not_fit_each_other_are_refused_before_the_kernel_sees_them() -> None:
    tokens, starts = join_tokens([b"\2abc"])
    seeds, bases = draw_seeds(8, 64, 0)
    ids = np.array([0])
    with pytest.raises(InputError, match="starts is"):
        native.ngram_lookup(ids, tokens, starts.astype(np.int64), seeds, bases, 3)
    with pytest.raises(InputError, match="seeds is"):
        native.ngram_lookup(ids, tokens, starts, seeds.reshape(8, 8), bases, 3)
    with pytest.raises(InputError, match="out is"):
        native.ngram_lookup(ids, tokens, starts, seeds, bases, 3, out=np.zeros((2, 64), np.float32))
    with pytest.raises(InputError, match="padded is int8"):
        native.ngram_bytes(np.zeros((1, 4), np.int8), seeds, bases, 3)
    with pytest.raises(NativeError, match="width=0"):
        native.ngram_bytes(np.zeros((1, 0), np.uint8), seeds, bases, 3)


def test_an_unknown_variant_is_refused() -> None:
    seeds, bases = draw_seeds(8, 64, 0)
    with pytest.raises(NativeError, match="variant=abacus"):
        native.ngram_bytes(np.zeros((1, 4), np.uint8), seeds, bases, 3, variant="abacus")

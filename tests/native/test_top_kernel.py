"""The native kernels for the best products against the numpy references (runtimes/kernels/top.h and shortlist.h)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeemb.errors import InputError, NativeError
from edgeemb.native import kernels as native
from edgeemb.native.top import quantized_top, shortlist_top
from edgeemb.tables.logits import quantized_products
from edgeemb.tables.shortlist import fit_shortlist, shortlist_products
from edgeemb.tables.top import best_of
from tests.fixtures.buffers import same_bits, unaligned
from tests.native.test_logits_kernel import random_table

VARIANTS = native.variants()


def arrays_of(shortlist: Any, offset: int = 0) -> Any:
    return tuple(
        unaligned(array, offset) for array in (shortlist.codes, shortlist.scales, shortlist.codebook)
    )


def same(found: Any, wanted: Any) -> bool:
    return same_bits(found[0], wanted[0]) and bool((found[1] == wanted[1]).all())


@st.composite
def searches(draw: st.DrawFn) -> dict[str, Any]:
    block = draw(st.sampled_from([4, 11, 32]))
    rows = draw(st.integers(1, 300))
    candidates = draw(st.integers(1, rows))
    return {
        "layout": (draw(st.sampled_from([8, 4, 2, 1])), block, draw(st.integers(1, 2))),
        "dim": block * draw(st.integers(1, 5)),
        "rows": rows,
        "candidates": candidates,
        "top": draw(st.integers(1, candidates)),
        "part": draw(st.integers(1, 4)),
        "count": draw(st.integers(0, 3)),
        "offset": draw(st.integers(0, 5)),
        "blocks": draw(st.integers(1, 3)),
        "biased": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


@settings(max_examples=60, deadline=None)
@given(case=searches())
def test_every_variant_gives_the_bits_of_the_reference_whatever_the_ranges(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    (bits, block, planes), rows, dim, top = (case[name] for name in ("layout", "rows", "dim", "top"))
    codes, scales = random_table(rng, rows, bits, dim, block, planes)
    hidden = (rng.standard_normal((case["count"], dim)) * 10.0 ** rng.integers(-6, 7)).astype(np.float32)
    bias = rng.standard_normal(rows).astype(np.float32) if case["biased"] else None
    shortlist = fit_shortlist(
        native.quantized_lookup(np.arange(rows), codes, scales, bits, dim, block, planes), case["part"]
    )
    products = quantized_products(hidden, codes, scales, bits, block, planes)
    best = best_of(products if bias is None else products + bias, top)
    listed = shortlist_products(
        hidden, codes, scales, case["layout"], shortlist, case["candidates"], top, bias
    )
    placed = [unaligned(array, case["offset"]) for array in (hidden, codes, scales)]
    options: dict[str, Any] = {"bias": None if bias is None else unaligned(bias, case["offset"])}
    asked = (case["layout"], arrays_of(shortlist, case["offset"]), case["candidates"], top)
    for options["variant"] in VARIANTS:
        for blocks in (None, case["blocks"]):
            found = quantized_top(
                *placed,
                case["layout"],
                top,
                range_rows=None if blocks is None else 64 * blocks - 1,
                **options,
            )
            assert same(found, best)
            assert same(shortlist_top(*placed, *asked, range_blocks=blocks, **options), listed)


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_values_come_in_the_order_of_their_rows_and_nan_comes_last(variant: str) -> None:
    codes = np.zeros((200, 32), np.uint8)
    scales = np.ones((200, 2), np.float16)
    bias = np.zeros(200, np.float32)
    bias[[7, 150]], bias[20], bias[[3, 60]], bias[90] = 5, -0.0, np.nan, -np.inf
    hidden = np.zeros((1, 64), np.float32)
    found = quantized_top(hidden, codes, scales, (4, 32, 1), 200, bias=bias, variant=variant)
    rest = [row for row in range(200) if row not in (7, 150, 3, 60, 90)]
    assert found[1][0].tolist() == [7, 150, *rest, 90, 3, 60]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_vector_that_is_not_finite_gives_nan_and_the_first_rows(variant: str) -> None:
    codes, scales = random_table(np.random.default_rng(2), 100, 4, 64, 32, 1)
    shortlist = arrays_of(
        fit_shortlist(np.random.default_rng(3).standard_normal((100, 64)).astype(np.float32))
    )
    hidden = np.ones((3, 64), np.float32)
    hidden[0, 5], hidden[1, 6] = np.nan, np.inf
    for values, rows in (
        quantized_top(hidden, codes, scales, (4, 32, 1), 3, variant=variant),
        shortlist_top(hidden, codes, scales, (4, 32, 1), shortlist, 9, 3, variant=variant),
    ):
        assert np.isnan(values[:2]).all() and rows[:2].tolist() == [[0, 1, 2]] * 2
        assert np.isfinite(values[2]).all()


def test_long_rows_do_not_overflow_the_sums_of_a_scan() -> None:
    rng = np.random.default_rng(4)
    rows, dim = 70, 1100
    codes, scales = random_table(rng, rows, 8, dim, dim, 1)
    hidden = rng.standard_normal((1, dim)).astype(np.float32)
    shortlist = fit_shortlist(rng.standard_normal((rows, dim)).astype(np.float32), part=2)
    asked: Any = (hidden, codes, scales, (8, dim, 1))
    wanted = shortlist_products(*asked, shortlist, 10, 10)
    for variant in VARIANTS:
        assert same(shortlist_top(*asked, arrays_of(shortlist), 10, 10, variant=variant), wanted)


def test_sizes_that_do_not_fit_are_refused() -> None:
    codes, scales = random_table(np.random.default_rng(0), 10, 4, 64, 32, 1)
    hidden = np.zeros((1, 64), np.float32)
    shortlist = arrays_of(fit_shortlist(np.zeros((10, 64), np.float32)))
    with pytest.raises(NativeError, match="top=11 of 10 rows"):
        quantized_top(hidden, codes, scales, (4, 32, 1), 11)
    with pytest.raises(NativeError, match="top=0"):
        quantized_top(hidden, codes, scales, (4, 32, 1), 0)
    with pytest.raises(NativeError, match="candidates=11"):
        shortlist_top(hidden, codes, scales, (4, 32, 1), shortlist, 11, 3)
    with pytest.raises(NativeError, match="candidates=2 top=3"):
        shortlist_top(hidden, codes, scales, (4, 32, 1), shortlist, 2, 3)
    with pytest.raises(InputError, match="codes of the shortlist"):
        shortlist_top(hidden, codes, scales, (4, 32, 1), (shortlist[0][:, :-1], *shortlist[1:]), 5, 3)

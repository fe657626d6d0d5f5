"""The native logits kernels against the numpy reference of the contract (runtimes/kernels/logits.h)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeemb.errors import InputError, NativeError
from edgeemb.native import kernels as native
from edgeemb.native.logits import logits_memory, quantized_logits
from edgeemb.tables.logits import quantized_products
from tests.fixtures.buffers import same_bits, unaligned

VARIANTS = native.variants()


def random_table(rng: np.random.Generator, rows: int, bits: int, dim: int, block: int, planes: int) -> Any:
    codes = rng.integers(0, 256, (rows, planes * -(-dim * bits // 8)), dtype=np.uint8)
    scales = rng.standard_normal((rows, planes * (dim // block))).astype(np.float16)
    return codes, scales


@st.composite
def heads(draw: st.DrawFn) -> dict[str, Any]:
    blocks = draw(st.integers(1, 6))
    block = draw(st.one_of(st.sampled_from([4, 16, 32, 64, 128]), st.integers(1, 70)))
    return {
        "bits": draw(st.sampled_from([8, 4, 2, 1])),
        "dim": block * blocks,
        "block": block,
        "planes": draw(st.integers(1, 2)),
        "rows": draw(st.integers(1, 9)),
        "count": draw(st.integers(0, 6)),
        "offset": draw(st.integers(0, 17)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


@settings(max_examples=60, deadline=None)
@given(case=heads())
def test_every_variant_gives_the_bits_of_the_reference(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    codes, scales = random_table(rng, *(case[name] for name in ("rows", "bits", "dim", "block", "planes")))
    hidden = (rng.standard_normal((case["count"], case["dim"])) * 10.0 ** rng.integers(-6, 7)).astype(
        np.float32
    )
    bias = rng.standard_normal(case["rows"]).astype(np.float32)
    wanted = quantized_products(hidden, codes, scales, case["bits"], case["block"], case["planes"])
    for variant in VARIANTS:
        placed = (unaligned(array, case["offset"]) for array in (hidden, codes, scales))
        options = {"bits": case["bits"], "block": case["block"], "planes": case["planes"], "variant": variant}
        assert same_bits(quantized_logits(*placed, **options), wanted)
        assert same_bits(quantized_logits(hidden, codes, scales, bias=bias, **options), wanted + bias)


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_the_products_with_the_rows_of_the_lookup(variant: str) -> None:
    rng = np.random.default_rng(1)
    codes, scales = random_table(rng, 100, 4, 384, 32, 1)
    hidden = rng.standard_normal((3, 384)).astype(np.float32)
    rows = native.quantized_lookup(np.arange(100), codes, scales, 4, 384, 32)
    wanted = hidden.astype(np.float64) @ rows.T.astype(np.float64)
    found = quantized_logits(hidden, codes, scales, 4, 32, variant=variant)
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_vector_that_is_not_finite_gives_nan_and_leaves_the_others_alone(variant: str) -> None:
    codes, scales = random_table(np.random.default_rng(2), 10, 4, 64, 32, 1)
    hidden = np.ones((5, 64), np.float32)
    hidden[1, 3], hidden[3, 60] = np.nan, -np.inf
    hidden[4] = 1e-40
    found = quantized_logits(hidden, codes, scales, 4, 32, variant=variant)
    assert np.isnan(found[[1, 3]]).all()
    assert same_bits(found[0], found[2]) and np.isfinite(found[0]).all()
    assert (found[4] == 0).all()


def test_sizes_that_do_not_fit_are_refused() -> None:
    codes, scales = random_table(np.random.default_rng(0), 10, 4, 64, 32, 1)
    hidden = np.zeros((2, 64), np.float32)
    with pytest.raises(InputError, match="codes is"):
        quantized_logits(hidden, codes[:, :-1], scales, 4, 32)
    with pytest.raises(InputError, match="bias is"):
        quantized_logits(hidden, codes, scales, 4, 32, bias=np.zeros(9, np.float32))
    with pytest.raises(NativeError, match="block=48"):
        quantized_logits(hidden, codes, scales, 4, 48)
    with pytest.raises(NativeError, match="bits=3"):
        logits_memory(3, 64, 32, 1)
    with pytest.raises(NativeError, match="variant=abacus"):
        quantized_logits(hidden, codes, scales, 4, 32, variant="abacus")

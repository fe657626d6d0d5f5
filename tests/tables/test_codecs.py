"""Codebooks, factors, shared rows and bands: tables that have the form of a codec come back, others as near as it allows."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables import encode
from edgeemb.tables.codec import Fit
from edgeemb.tables.codecs.lowrank import LowRank
from edgeemb.tables.codecs.multihash import coprime
from edgeemb.tables.fitting.kmeans import kmeans, sample_rows
from edgeemb.tables.fitting.parts import rebase
from edgeemb.tables.program import Add as Sum
from edgeemb.tables.program import Clip, Concat, Gather, Ids, MatMul, Modulo, Multiply, QuantizedLookup, run
from tests.fixtures.weights import cosines, relative_error, structured, zipf

RNG = np.random.default_rng(11)
EXACT = 1e-5


def normal(*shape: int) -> NDArray[np.float32]:
    return np.asarray(RNG.standard_normal(shape), np.float32)


def test_finds_the_centres_of_clusters_that_lie_apart() -> None:
    centres = 10 * normal(12, 5)
    points = np.repeat(centres, 30, axis=0) + 0.01 * normal(360, 5)
    found = kmeans(points, 12, np.ones(360), np.random.default_rng(0))
    distances = np.linalg.norm(found[:, None] - centres[None], axis=2)
    assert sorted(distances.argmin(axis=1)) == list(range(12))
    assert distances.min(axis=1).max() < 0.05


def test_moves_a_centre_towards_heavy_points() -> None:
    points = np.array([[0.0], [1.0]], np.float32)
    assert kmeans(points, 1, np.array([1.0, 3.0]), np.random.default_rng(0)).item() == pytest.approx(0.75)


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 500), st.integers(0, 2**31))
def test_samples_rows_without_repeating_one_and_keeps_their_total_weight(
    rows: int, size: int, seed: int
) -> None:
    weights = zipf(rows)
    taken, mass = sample_rows(weights, size, np.random.default_rng(seed))
    assert len(taken) == len(mass) <= min(rows, size + 1)
    assert (np.diff(taken) > 0).all()
    assert mass.sum() <= 3 * weights.sum()
    assert rows > size or mass.sum() == weights.sum()


def test_always_samples_the_heaviest_rows() -> None:
    weights = np.ones(10_000)
    weights[[5, 4321, 9999]] = 1e5
    taken, mass = sample_rows(weights, 500, np.random.default_rng(1))
    assert {5, 4321, 9999} <= set(taken.tolist())
    assert mass.sum() == pytest.approx(weights.sum(), rel=0.01)


def test_equals_the_truncated_singular_value_decomposition() -> None:
    weight = structured(300, 32)
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    best = (left[:, :5] * values[:5]) @ right[:5]
    np.testing.assert_allclose(
        encode(weight, "lowrank:rank=5").reconstruct(), best, atol=2e-3 * np.abs(best).max()
    )


def test_keeps_directions_better_when_fitted_for_them() -> None:
    weight = structured(400, 32) * np.linspace(0.1, 3, 400, dtype=np.float32)[:, None]
    svd, direction = (
        cosines(encode(weight, f"lowrank:rank=6,fit={fit}"), weight).mean() for fit in ("svd", "direction")
    )
    assert direction > svd + 0.001


def test_loses_little_when_its_tall_factor_is_quantised() -> None:
    weight = structured(300, 32)
    plain, stored = (
        relative_error(encode(weight, spec), weight) for spec in ("lowrank:rank=10", "lowrank:rank=10+int8")
    )
    assert stored < 1.01 * plain + EXACT


def test_names_the_way_to_fit_a_codec_that_holds_another() -> None:
    with pytest.raises(SpecError, match=r"fit with edgeemb\.tables\.encode"):
        LowRank(2).encode(Fit(structured(10, 4)))


def test_restores_rows_whose_parts_repeat() -> None:
    parts = [normal(20, 4) for _ in range(6)]
    weight = np.concatenate([part[RNG.integers(0, 20, 500)] for part in parts], axis=1)
    table = encode(weight, "pq:m=6,k=20")
    assert table.nbytes == 500 * 6 + 6 * 20 * 4 * 2
    assert relative_error(table, weight) < EXACT


def test_restores_rows_of_few_directions_and_many_lengths() -> None:
    weight = normal(16, 8)[RNG.integers(0, 16, 300)] * RNG.uniform(0.1, 9, (300, 1)).astype(np.float32)
    assert relative_error(encode(weight, "pq:m=2,k=16,norm=1"), weight) < EXACT
    assert relative_error(encode(weight, "pq:m=2,k=16"), weight) > 0.001


def test_restores_sums_of_codewords_better_with_every_codebook() -> None:
    weight = sum((normal(8, 24)[RNG.integers(0, 8, 600)] for _ in range(3)), np.zeros((600, 24), np.float32))
    errors = [relative_error(encode(weight, f"rvq:m={m},k=8"), weight) for m in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.2


@pytest.mark.parametrize("op", ["multiply", "add"])
def test_restores_products_and_sums_of_remainder_and_quotient(op: str) -> None:
    ids = np.arange(230)
    remainder, quotient = normal(50, 8)[ids % 50], (1 + 0.3 * normal(5, 8))[ids // 50]
    weight = remainder * quotient if op == "multiply" else remainder + quotient
    assert relative_error(encode(weight, f"qr:rows=50,op={op}"), weight) < EXACT


def test_restores_multiples_of_shared_rows() -> None:
    weight = normal(40, 8)[np.arange(190) % 40] * RNG.uniform(-2, 2, (190, 1)).astype(np.float32)
    table = encode(weight, "memcom:rows=40")
    assert table.nbytes == 40 * 8 * 2 + 190 * 2
    assert relative_error(table, weight) < EXACT


def test_restores_sums_of_rows_that_hashes_choose() -> None:
    shared = normal(60, 8)
    ids = np.arange(200)
    weight = shared[ids % 60] + shared[ids % 59]
    assert relative_error(encode(weight, "hash:rows=60,k=2"), weight) < EXACT


@given(st.integers(16, 10_000), st.integers(1, 8))
def test_tells_ids_apart_by_coprime_moduli(largest: int, count: int) -> None:
    moduli = coprime(largest, count)
    assert moduli[0] == largest
    further = [number for number in range(2, moduli[-1]) if all(gcd(number, other) == 1 for other in moduli)]
    assert len(moduli) == count or not further
    assert all(np.gcd(first, second) == 1 for at, first in enumerate(moduli) for second in moduli[at + 1 :])


def test_restores_tables_that_are_tensor_trains() -> None:
    first, second = normal(15, 4, 3), normal(15, 3, 6)
    ids = np.arange(215)
    weight = (first[ids // 15] @ second[ids % 15]).reshape(215, 24)
    assert relative_error(encode(weight, "tt:rank=3"), weight) < EXACT


def test_shares_the_scale_of_a_tensor_train_though_a_core_has_one_value() -> None:
    weight = np.float32([[0.5, -0.25]])
    assert relative_error(encode(weight, "tt:rank=1"), weight) < EXACT


def test_restores_clusters_that_are_flat() -> None:
    own = np.repeat(np.arange(4), 60)
    weight = (20 * normal(4, 16))[own] + np.einsum("nr,nrd->nd", normal(240, 2), normal(4, 2, 16)[own])
    table = encode(weight, "cluster:k=4,rank=2")
    assert relative_error(table, weight) < EXACT
    assert table.arrays["clusters"].dtype == np.uint8


def test_gives_the_first_band_to_the_most_frequent_ids() -> None:
    weight = structured(200, 16)
    frequency = zipf(200)[RNG.permutation(200)]
    table = encode(weight, "mixed:20=fp32,*=binary", frequency=frequency)
    exact = np.flatnonzero((table.reconstruct() == weight).all(axis=1))
    assert set(exact) == set(np.argsort(-frequency)[:20])
    assert table.arrays["ranks"].dtype == np.int16
    assert table.nbytes == 200 * 2 + 20 * 64 + 180 * 4


def test_stores_no_ranks_where_ids_are_in_order_of_frequency() -> None:
    weight = structured(200, 16)
    for frequency in (None, zipf(200)):
        table = encode(weight, "mixed:20=fp32,*=binary", frequency=frequency)
        assert "ranks" not in table.arrays
        np.testing.assert_array_equal(table.rows(np.arange(20)), weight[:20])


def test_stores_ranks_as_int32_where_int16_cannot_number_them() -> None:
    weight = structured(32_769, 2)
    table = encode(weight, "mixed:20=int8,*=binary", frequency=zipf(32_769)[::-1].copy())
    assert table.arrays["ranks"].dtype == np.int32
    assert table.arrays["ranks"].max() == 32_768


def test_puts_a_program_over_renamed_arrays_and_another_index() -> None:
    program = Concat(
        (
            Multiply(Gather("a", Modulo(Ids(), 3)), Gather("b", Ids())),
            MatMul(Sum(Gather("a", Ids()), QuantizedLookup(Ids(), "c", "d", 4, 2, 2)), "e"),
        )
    )
    arrays: dict[str, NDArray[Any]] = {
        "a": normal(9, 2),
        "b": normal(9, 1),
        "c": RNG.integers(0, 256, (9, 1)).astype(np.uint8),
        "d": normal(9, 1),
        "e": normal(2, 5),
    }
    moved = rebase(program, "x_", Clip(Ids(), 4, 9))
    renamed = {"x_" + name: array for name, array in arrays.items()}
    ids = np.arange(4, 13)
    np.testing.assert_array_equal(run(moved, renamed, ids), run(program, arrays, ids - 4))

"""Packed integer codes: their layout and their fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables import encode
from edgeemb.tables.program import ZERO_POINT, Ids, QuantizedLookup, pack_codes, run, unpack_codes
from tests.fixtures.weights import cosines, relative_error, structured

ONE_ROW = np.zeros(1, np.int64)


@pytest.mark.parametrize(
    ("bits", "codes", "packed"),
    [
        (8, [1, 2, 3, 4], [1, 2, 3, 4]),
        (4, [1, 2, 3, 4], [0x31, 0x42]),
        (4, [1, 2, 3], [0x31, 0x02]),
        (2, [0, 1, 2, 3], [0b11100100]),
        (2, [3, 2, 1, 0, 1], [0b00_01_01_11, 0b00_00_00_10]),
        (1, [1, 0, 0, 0, 0, 0, 0, 1], [0b10000001]),
        (1, [1, 0, 1, 1, 0, 0, 0, 0, 1], [0b00010011, 0b00000010]),
    ],
)
def test_packs_planes_from_the_low_bits_up(bits: int, codes: list[int], packed: list[int]) -> None:
    stored = pack_codes(np.array([codes], np.uint8), bits)
    assert stored.tolist() == [packed]
    assert unpack_codes(stored, bits, len(codes)).tolist() == [codes]


@given(st.data(), st.sampled_from([8, 4, 2, 1]), st.integers(0, 5), st.integers(1, 40))
def test_unpacks_what_it_packed(data: st.DataObject, bits: int, rows: int, dim: int) -> None:
    codes = data.draw(hnp.arrays(np.uint8, (rows, dim), elements=st.integers(0, 2**bits - 1)))
    packed = pack_codes(codes, bits)
    assert packed.shape == (rows, -(-dim * bits // 8))
    np.testing.assert_array_equal(unpack_codes(packed, bits, dim), codes)


def test_reads_the_worked_example_of_the_documentation() -> None:
    arrays: dict[str, NDArray[Any]] = {
        "codes": np.array([[0x31, 0x42]], np.uint8),
        "scales": np.array([[0.5]], np.float16),
    }
    program = QuantizedLookup(Ids(), "codes", "scales", bits=4, dim=4, block=4)
    assert run(program, arrays, ONE_ROW).tolist() == [[-3.5, -3.0, -2.5, -2.0]]


def test_reads_blocks_of_their_own_scale_and_adds_planes_in_order() -> None:
    arrays: dict[str, NDArray[Any]] = {
        "codes": np.array([[0b0011, 0b0101]], np.uint8),
        "scales": np.array([[1.0, 10.0, 0.25, 0.5]], np.float32),
    }
    program = QuantizedLookup(Ids(), "codes", "scales", bits=1, dim=4, block=2, planes=2)
    # Plane 0 is [+, +, -, -] halves of (1, 10), plane 1 is [+, -, +, -] halves of (0.25, 0.5).
    assert run(program, arrays, ONE_ROW).tolist() == [[0.625, 0.375, -4.75, -5.25]]


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([("int8", 8), ("int4", 4), ("int2", 2), ("binary", 1)]),
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=20),
        elements=st.floats(-100, 100, width=16),
    ),
)
def test_stays_within_a_step_of_every_weight_that_no_clip_pays_for(
    codec: tuple[str, int], weight: np.ndarray
) -> None:
    name, bits = codec
    table = encode(weight, f"{name}:scale=fp32")
    error = ((table.reconstruct() - weight) ** 2).sum(axis=1)
    # The scale that just reaches the largest weight is one of those tried: its error bounds that of the choice.
    step = np.abs(weight).max(axis=1) / ZERO_POINT[bits]
    assert (error <= weight.shape[1] * step**2 + 1e-6).all()


@pytest.mark.parametrize(
    ("spec", "bound", "cosine"),
    [
        ("int8", 1e-4, 0.9999),
        ("int4", 0.02, 0.99),
        ("int4:block=16", 0.012, 0.994),
        ("int2", 0.14, 0.92),
        ("binary", 0.37, 0.79),
        ("binary:planes=2", 0.14, 0.92),
        ("binary:planes=3", 0.05, 0.97),
    ],
)
def test_loses_no_more_than_its_bits_must(spec: str, bound: float, cosine: float) -> None:
    weight = np.asarray(np.random.default_rng(3).standard_normal((500, 96)), np.float32)
    table = encode(weight, spec)
    assert relative_error(table, weight) <= bound
    assert cosines(table, weight).mean() >= cosine


@pytest.mark.parametrize(
    ("spec", "bytes_per_row"),
    [("int8", 98), ("int4", 50), ("int4:block=32", 54), ("int2", 26), ("binary:planes=2", 28)],
)
def test_takes_the_bytes_that_its_layout_says(spec: str, bytes_per_row: int) -> None:
    assert encode(structured(50, 96), spec).nbytes == 50 * bytes_per_row


def test_chooses_a_scale_by_squared_error_rather_than_by_the_largest_weight() -> None:
    weight = np.asarray(np.random.default_rng(5).standard_normal((200, 64)), np.float32)
    weight[:, 0] *= 4
    largest = np.abs(weight).max(axis=1, keepdims=True) / 7
    naive = np.clip(np.rint(weight / largest), -8, 7) * largest
    chosen = encode(weight, "int4").reconstruct()
    assert ((chosen - weight) ** 2).sum() < 0.9 * ((naive - weight) ** 2).sum()


def test_stores_scales_beyond_float16_where_asked_to() -> None:
    weight = structured(20, 16) * np.float32(1e9)
    with pytest.raises(SpecError, match="add scale=fp32"):
        encode(weight, "int8")
    assert relative_error(encode(weight, "int8:scale=fp32"), weight) < 1e-4


@pytest.mark.parametrize("factor", [1e-30, 1e30])
@pytest.mark.parametrize("spec", ["int8", "int4:block=8", "int2", "binary", "binary:planes=2"])
def test_tables_far_from_one_in_size_are_refused_or_kept_whole(spec: str, factor: float) -> None:
    weight = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)
    with pytest.raises(SpecError, match="float16: add scale=fp32"):
        encode(weight * np.float32(factor), spec)
    wide = spec + (",scale=fp32" if ":" in spec else ":scale=fp32")
    near, far = encode(weight, wide).reconstruct(), encode(weight * np.float32(factor), wide).reconstruct()
    lost = np.linalg.norm(far / np.float64(factor) - weight) / np.linalg.norm(near - weight)
    assert lost < 1.5

"""The inference kernels in plain C, against numpy. That the other instruction sets give the same bits is shown on boards."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from edgeemb.native.libraries import find_sources
from tests.places import TESTS


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels as a library of this machine."""
    out = tmp_path_factory.mktemp("kernels") / "elementary.so"
    place = find_sources() / "runtimes"
    warnings = ("-Wall", "-Wextra", "-Werror", "-pedantic")
    run_compiler(
        [
            *host_compiler(),
            *FLAGS,
            *warnings,
            "-shared",
            "-fPIC",
            f"-I{place}",
            str(TESTS / "programs/micro/elementary.c"),
            "-o",
            str(out),
        ]
    )
    return ctypes.CDLL(str(out))


def each(kernels: ctypes.CDLL, name: str, x: NDArray[np.float32]) -> NDArray[np.float64]:
    y = np.empty_like(x)
    getattr(kernels, name)(
        x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(x))
    )
    return y.astype(np.float64)


def test_exponential_is_within_three_tenths_of_a_millionth(kernels: ctypes.CDLL) -> None:
    x = np.linspace(-86.9, 0, 400_001).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    assert np.abs(each(kernels, "each_exp", x) / exact - 1).max() < 3e-7


def test_exponential_is_zero_far_below_and_one_at_zero(kernels: ctypes.CDLL) -> None:
    x = np.array([-88, -1e4, -np.inf, 0, -0.0], np.float32)
    assert each(kernels, "each_exp", x).tolist() == [0, 0, 0, 1, 1]


def test_inverse_root_is_within_three_tenths_of_a_millionth(kernels: ctypes.CDLL) -> None:
    x = np.logspace(-30, 30, 300_001).astype(np.float32)
    assert np.abs(each(kernels, "each_inverse_root", x) * np.sqrt(x.astype(np.float64)) - 1).max() < 3e-7


def test_tanh_and_gelu_are_near_the_exact_ones(kernels: ctypes.CDLL) -> None:
    x = np.linspace(-12, 12, 20_001).astype(np.float32)
    assert np.abs(each(kernels, "each_tanh", x) - np.tanh(x.astype(np.float64))).max() < 3e-7
    gelu = 0.5 * x * (1 + np.array([math.erf(value / math.sqrt(2)) for value in x.tolist()]))
    assert np.abs(each(kernels, "each_gelu", x) - gelu).max() < 8e-5


def test_softmax_sums_to_one_whatever_the_scores(kernels: ctypes.CDLL) -> None:
    for scores in ([0.0], [1e4, -1e4, 0], [-1e4] * 7, list(range(300))):
        x = np.array(scores, np.float32)
        kernels.softmax(x.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint32(len(x)))
        assert abs(x.sum() - 1) < 1e-5
        assert (x >= 0).all()


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 200), wide=st.booleans())
@settings(max_examples=60, deadline=None)
def test_dot_product_of_quantised_rows_is_exact(kernels: Any, seed: int, count: int, wide: bool) -> None:
    random = np.random.default_rng(seed)
    width = -(-count // 16) * 16
    rows = random.standard_normal((2, count)).astype(np.float32) * np.float32(10.0 ** random.integers(-6, 7))
    columns = np.zeros((2, width), np.int8)
    columns[:, :count] = random.integers(-127, 128, (2, count))
    pair, sums, scales = np.zeros(width, np.uint32), np.zeros(4, np.int32), np.zeros(2, np.float32)
    kernels.dot(
        rows.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint32(count), ctypes.c_uint32(width),
        columns.ctypes.data_as(ctypes.c_void_p), ctypes.c_int(wide), pair.ctypes.data_as(ctypes.c_void_p),
        sums.ctypes.data_as(ctypes.c_void_p), scales.ctypes.data_as(ctypes.c_void_p),
    )  # fmt: skip
    limit = np.float32(4095 if wide else 127)
    largest = np.abs(rows).max(axis=1)
    codes = np.rint(rows * (limit / largest)[:, None]).astype(np.int64)
    assert np.abs(codes).max() <= limit
    assert sums.reshape(2, 2).tolist() == (codes @ columns[:, :count].astype(np.int64).T).tolist()
    assert np.allclose(scales, largest / limit, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 200), shift=st.floats(-9, 9))
@settings(max_examples=60, deadline=None)
def test_rows_of_a_layer_are_quantised_from_their_smallest_to_their_largest_value(
    kernels: Any, seed: int, count: int, shift: float
) -> None:
    random = np.random.default_rng(seed)
    width = -(-count // 16) * 16
    rows = (random.standard_normal((2, count)) + shift).astype(np.float32)
    columns = np.zeros((2, width), np.int8)
    columns[:, :count] = random.integers(-127, 128, (2, count))
    pair, sums = np.zeros(width, np.uint32), np.zeros(4, np.int32)
    scales, zeros = np.zeros(2, np.float32), np.zeros(2, np.int32)
    kernels.steps(
        rows.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint32(count), ctypes.c_uint32(width),
        columns.ctypes.data_as(ctypes.c_void_p), pair.ctypes.data_as(ctypes.c_void_p),
        sums.ctypes.data_as(ctypes.c_void_p), scales.ctypes.data_as(ctypes.c_void_p), zeros.ctypes.data_as(ctypes.c_void_p),
    )  # fmt: skip
    low, high = np.minimum(rows.min(axis=1), 0), np.maximum(rows.max(axis=1), 0)
    factor = np.float32(255) / (high - low)
    codes = np.minimum(np.rint(rows * factor[:, None]) - np.rint(low * factor)[:, None], 255).astype(np.int64)
    assert codes.min() >= 0
    assert zeros.tolist() == (-np.rint(low * factor) - 128).astype(int).tolist()
    assert sums.reshape(2, 2).tolist() == ((codes - 128) @ columns[:, :count].astype(np.int64).T).tolist()
    assert np.abs((codes - 128 - zeros[:, None]) * scales[:, None] - rows).max() <= scales.max() * 1.01


def test_a_row_of_zeros_has_the_scale_zero(kernels: ctypes.CDLL) -> None:
    pair, sums, scales = np.ones(16, np.uint32), np.ones(4, np.int32), np.ones(2, np.float32)
    rows, columns = np.zeros((2, 5), np.float32), np.ones((2, 16), np.int8)
    kernels.dot(
        rows.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint32(5), ctypes.c_uint32(16),
        columns.ctypes.data_as(ctypes.c_void_p), ctypes.c_int(0), pair.ctypes.data_as(ctypes.c_void_p),
        sums.ctypes.data_as(ctypes.c_void_p), scales.ctypes.data_as(ctypes.c_void_p),
    )  # fmt: skip
    assert not sums.any()
    assert not scales.any()

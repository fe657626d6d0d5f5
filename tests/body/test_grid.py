"""Grids of 8 and 4 bits, and what rounding by GPTQ keeps of the products."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgeemb.body.grid import (
    Grid,
    by_output,
    full_scales,
    near_grid,
    nearest,
    positive,
    searched_scales,
    trained_grid,
)
from edgeemb.body.grids import Grids
from edgeemb.body.rounding import gptq_grid

RANDOM = np.random.default_rng(4)
#: Rows with a block of zeros and a last block of 8.
MATRIX = RANDOM.standard_normal((12, 40)).astype(np.float32)
MATRIX[3, :16] = 0


def test_values_are_codes_times_the_scale_of_their_block() -> None:
    grid = Grid(np.array([[3, -8, 7]], np.int8), np.array([[0.5, 2]], np.float32), 4, 2)
    np.testing.assert_array_equal(grid.values(), [[1.5, -4, 14]])


@pytest.mark.parametrize(("bits", "block", "limit"), [(8, 40, 0.006), (4, 16, 0.1), (4, 32, 0.12)])
def test_nearest_codes_lie_within_half_a_step(bits: int, block: int, limit: float) -> None:
    grid = near_grid(MATRIX, bits, block)
    assert np.abs(grid.codes).max() == (127 if bits == 8 else 8)
    error = np.sqrt(np.mean((grid.values() - MATRIX) ** 2) / np.mean(MATRIX**2))
    assert error < limit
    assert not grid.values()[3, :16].any()


def test_scales_of_4_bits_have_8_significant_bits_and_beat_those_of_the_largest_weight() -> None:
    scales = searched_scales(MATRIX, 16)
    assert (scales > 0).all()
    assert not (scales.view(np.uint32) & 0xFFFF).any()
    largest = np.stack([np.abs(MATRIX[:, at : at + 16]).max(axis=1) for at in (0, 16, 32)], axis=1)
    errors = [
        float(np.sum((nearest(MATRIX, tried, 4, 16).values() - MATRIX) ** 2))
        for tried in (scales, np.where(largest > 0, largest / np.float32(7), np.float32(1)))
    ]
    assert errors[0] < 0.9 * errors[1]


@pytest.mark.parametrize(("bits", "block"), [(8, 40), (4, 16)])
def test_a_matrix_on_a_grid_stays_on_it(bits: int, block: int) -> None:
    trained = nearest(MATRIX, full_scales(MATRIX, bits, block), bits, block)
    found = trained_grid(trained.values(), bits, block)
    assert found is not None
    np.testing.assert_array_equal(found.values(), trained.values())
    assert trained_grid(MATRIX, bits, block) is None
    second = torch.eye(40)
    np.testing.assert_array_equal(gptq_grid(trained.values(), bits, block, second).values(), trained.values())


@pytest.mark.parametrize(("bits", "block"), [(8, 40), (4, 16), (4, 32)])
def test_gptq_keeps_more_of_the_products_than_the_nearest_codes(bits: int, block: int) -> None:
    mix = RANDOM.standard_normal((40, 40)).astype(np.float32) * np.linspace(3, 0.1, 40, dtype=np.float32)
    inputs = (RANDOM.standard_normal((300, 40)) @ mix.T).astype(np.float32)
    second = torch.from_numpy(inputs.T @ inputs / len(inputs))
    wanted = inputs @ MATRIX.T
    errors = [
        float(np.mean((inputs @ grid.values().T - wanted) ** 2))
        for grid in (gptq_grid(MATRIX, bits, block, second), near_grid(MATRIX, bits, block))
    ]
    assert errors[0] < 0.7 * errors[1]


def test_gptq_takes_inputs_that_span_too_little() -> None:
    grid = gptq_grid(MATRIX, 4, 32, torch.zeros(40, 40))
    np.testing.assert_allclose(grid.values(), MATRIX, atol=0.6)


def test_negative_scales_and_uneven_blocks_have_a_form_that_every_runtime_takes() -> None:
    trained = nearest(MATRIX, full_scales(MATRIX, 4, 16), 4, 16)
    assert (trained.scales < 0).any()
    other = positive(trained)
    assert (other.scales > 0).all()
    np.testing.assert_allclose(other.values(), trained.values(), atol=0.6)
    whole = by_output(trained)
    assert (whole.bits, whole.scales.shape, trained.whole_blocks) == (8, (12, 1), False)
    np.testing.assert_allclose(whole.values(), trained.values(), atol=0.02)


def test_a_grid_is_found_by_the_values_of_its_matrix() -> None:
    grids = Grids()
    grid = near_grid(MATRIX, 8, 40)
    values = grids.add(grid)
    assert grids.of(values.T.copy().T) is grid
    assert not grids.known(MATRIX)
    grids.keep(MATRIX)
    assert grids.known(MATRIX)
    assert grids.of(MATRIX) is None

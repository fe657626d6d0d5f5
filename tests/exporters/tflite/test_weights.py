"""Products of TFLite models in 8 and 4 bits, in ai-edge-litert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgeemb.body.grid import Grid, full_scales, near_grid, nearest
from edgeemb.body.grids import Grids
from edgeemb.exporters.tflite.tables import tidy
from edgeemb.exporters.tflite.weights import quantize_weights
from edgeemb.models.tflite.flatbuffer import pack_tflite
from tests.fixtures.models.tflite_files import product_model

ROWS, OUTPUTS = 5, 24


def run(model: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    interpreter = Interpreter(model_content=pack_tflite(model), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def matrix(inputs: int) -> NDArray[np.float32]:
    return np.random.default_rng(inputs).standard_normal((OUTPUTS, inputs)).astype(np.float32)


@pytest.mark.parametrize(("bits", "block", "inputs"), [(8, 96, 96), (4, 32, 96), (4, 64, 128)])
def test_a_product_is_that_of_its_grid(bits: int, block: int, inputs: int) -> None:
    grids = Grids()
    values = grids.add(near_grid(matrix(inputs), bits, block))
    model = product_model(values, ROWS)
    assert quantize_weights(model, 8, 0, grids) == []
    tidy(model)
    x = np.random.default_rng(1).standard_normal((ROWS, inputs)).astype(np.float32)
    expected = x @ values.T
    # Activations have 8 bits too.
    assert np.abs(run(model, x) - expected).max() < 0.02 * np.abs(expected).max()
    stored = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    assert stored == OUTPUTS * inputs * bits // 8 + (0 if bits == 8 else 2 * OUTPUTS * inputs // block)


@pytest.mark.parametrize(
    ("grid", "note"),
    [
        (near_grid(matrix(40), 4, 32), "1 matrix is stored in int8"),
        (nearest(matrix(64), full_scales(matrix(64), 4, 32), 4, 32), ""),
    ],
)
def test_a_grid_that_the_runtime_lacks_is_stored_as_one_that_it_has(grid: Grid, note: str) -> None:
    grids = Grids()
    values = grids.add(grid)
    model = product_model(values, ROWS)
    notes = quantize_weights(model, 4, 32, grids)
    assert "".join(notes).startswith(note)
    assert bool(notes) == bool(note)
    x = np.random.default_rng(1).standard_normal((ROWS, values.shape[1])).astype(np.float32)
    expected = x @ values.T
    assert np.abs(run(model, x) - expected).max() < 0.1 * np.abs(expected).max()


def test_a_matrix_that_is_kept_stays_in_float() -> None:
    grids = Grids()
    grids.keep(matrix(64))
    model = product_model(matrix(64), ROWS)
    quantize_weights(model, 4, 32, grids)
    x = np.random.default_rng(1).standard_normal((ROWS, 64)).astype(np.float32)
    np.testing.assert_allclose(run(model, x), x @ matrix(64).T, atol=1e-4)

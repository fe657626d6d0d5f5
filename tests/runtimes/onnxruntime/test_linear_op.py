"""The op QuantizedLinear in ONNX Runtime: the bits of its definition for every shape and any threads, its portable body, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from edgeemb.body.grid import Grid, short
from edgeemb.body.panels import fits_panels
from tests.fixtures.models.linear import RANDOM, SHAPES, defined, grid_of, linear_model, rows_of
from tests.fixtures.models.lookups import run, session


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("bits", "block", "inputs", "outputs"), SHAPES)
def test_the_op_gives_the_bits_of_its_definition(
    bits: int, block: int, inputs: int, outputs: int, threads: int
) -> None:
    grid, bias = grid_of(bits, block, inputs, outputs), rows_of(outputs)
    opened = session(linear_model(grid, bias).SerializeToString(), threads)
    for count in (1, 7, 33, 70):
        rows = rows_of(1, count, inputs)
        wanted = defined(grid, bias, rows[0])
        np.testing.assert_array_equal(run(opened, rows)[0].view(np.uint32), wanted.view(np.uint32))


@pytest.mark.parametrize("activation", ["", "Relu", "Gelu", "FastGelu"])
@pytest.mark.parametrize(("bits", "block", "inputs", "outputs"), SHAPES)
def test_the_portable_body_and_the_native_op_agree(
    bits: int, block: int, inputs: int, outputs: int, activation: str
) -> None:
    serialized = linear_model(
        grid_of(bits, block, inputs, outputs), rows_of(outputs), activation
    ).SerializeToString()
    rows = rows_of(2, 3, inputs)
    native, portable = (run(session(serialized, library=library), rows) for library in (True, False))
    # At 4 bits the body quantises each block of a row by itself.
    tolerance = 1e-5 if bits == 8 else 0.02
    assert np.abs(native - portable).max() < tolerance * np.abs(portable).max()


def test_scales_of_4_bits_that_are_negative_are_kept_by_the_portable_body() -> None:
    grid = grid_of(4, 32, 64, 20)
    turned = Grid(
        grid.codes, -grid.scales * np.float32(2) ** RANDOM.integers(-9, 9, grid.scales.shape), 4, 32
    )
    turned = Grid(turned.codes, short(turned.scales), 4, 32)
    serialized = linear_model(turned, rows_of(20)).SerializeToString()
    rows = np.eye(64, dtype=np.float32)[None] * 5
    native, portable = (run(session(serialized, library=library), rows)[0] for library in (True, False))
    np.testing.assert_allclose(native, portable, rtol=1e-2, atol=1e-2 * np.abs(portable).max())


@pytest.mark.parametrize("shape", [(48,), (5, 48), (2, 1, 3, 48), (0, 48), (2, 0, 48)], ids=str)
def test_rows_of_any_rank_are_taken(shape: tuple[int, ...]) -> None:
    made = linear_model(grid_of(8, 0, 48, 20), rows_of(20), rank=len(shape))
    assert run(session(made.SerializeToString()), rows_of(*shape)).shape == (*shape[:-1], 20)


def test_a_row_is_the_same_to_the_bit_beside_any_other() -> None:
    opened = session(linear_model(grid_of(8, 0, 48, 20), rows_of(20), "Gelu").SerializeToString(), 3)
    rows = rows_of(1, 40, 48)
    together = run(opened, rows)
    rows[0, 1:] *= 100
    for count in (1, 2, 40):
        np.testing.assert_array_equal(run(opened, rows[:, :count])[0, 0], together[0, 0])


def test_vectors_that_are_not_aligned_in_a_file_of_others_are_read_all_the_same(tmp_path: Any) -> None:
    grid, bias, rows = grid_of(8, 0, 48, 20), rows_of(20), rows_of(1, 4, 48)
    made = linear_model(grid, bias)
    blob = b"\0"
    for item in made.graph.initializer:
        offset = len(blob)
        blob += item.raw_data
        onnx.external_data_helper.set_external_data(item, "odd.data", offset, len(item.raw_data))
        item.ClearField("raw_data")
    (tmp_path / "odd.data").write_bytes(blob)
    (tmp_path / "odd.onnx").write_bytes(made.SerializeToString())
    np.testing.assert_array_equal(
        run(session(str(tmp_path / "odd.onnx")), rows)[0], defined(grid, bias, rows[0])
    )


def test_the_op_takes_grids_that_it_stores_exactly() -> None:
    assert fits_panels(grid_of(8, 0, 41, 33))
    assert fits_panels(grid_of(4, 32, 64, 20))
    assert not fits_panels(grid_of(4, 32, 48, 20))
    assert not fits_panels(grid_of(8, 0, 65537, 1))
    grid = grid_of(4, 32, 64, 20)
    assert not fits_panels(Grid(grid.codes, grid.scales * np.float32(1.001), 4, 32))


def replaced(made: onnx.ModelProto, index: int, value: NDArray[Any]) -> onnx.ModelProto:
    """The model with another input of its op."""
    name = made.graph.node[0].input[index]
    item = next(item for item in made.graph.initializer if item.name == name)
    item.CopyFrom(numpy_helper.from_array(value, name))
    return made


@pytest.mark.parametrize(
    ("bits", "index", "value", "message"),
    [
        (
            8,
            1,
            np.zeros((1, 12, 32, 4), np.uint8),
            "do not have the shape of panels for rows of 48 and 20 outputs",
        ),
        (8, 1, np.zeros((1, 11, 32, 4), np.int8), "do not have the shape of panels"),
        (8, 1, np.zeros((2, 12, 32, 4), np.int8), "do not have the shape of panels"),
        (8, 1, np.zeros(1536, np.int8), "do not have the shape of panels"),
        (8, 2, np.zeros(20, np.float32), r"input 2 must be float32\[32\]"),
        (8, 3, np.zeros(32, np.float32), r"input 3 must be int32\[32\]"),
        (8, 4, np.zeros((1, 32), np.float32), r"input 4 must be float32\[32\]"),
        (4, 1, np.zeros((1, 2, 32 * 17), np.uint8), "do not have the shape of panels"),
        (4, 3, np.zeros(33, np.float32), r"input 3 must be float32\[32\]"),
    ],
    ids=str,
)
def test_arrays_that_do_not_fit_are_refused(bits: int, index: int, value: NDArray[Any], message: str) -> None:
    inputs = 48 if bits == 8 else 64
    made = replaced(
        linear_model(grid_of(bits, 0 if bits == 8 else 32, inputs, 20), rows_of(20)), index, value
    )
    del made.functions[:]
    with pytest.raises(InvalidArgument, match=message):
        run(session(made.SerializeToString()), rows_of(1, 2, inputs))


def test_rows_of_another_width_are_refused() -> None:
    opened = session(linear_model(grid_of(8, 0, 48, 20), rows_of(20)).SerializeToString())
    with pytest.raises(InvalidArgument, match="panels for rows of 80 and 20 outputs"):
        run(opened, rows_of(1, 2, 80))


@pytest.mark.parametrize("wrong", [{"N": -1}, {"N": 2**40}, {"block": 32}], ids=str)
def test_attributes_that_do_not_fit_together_are_refused(wrong: dict[str, int]) -> None:
    made = linear_model(grid_of(8, 0, 48, 20), rows_of(20))
    kept = {item.name: item.i for item in made.graph.node[0].attribute} | wrong
    del made.graph.node[0].attribute[:]
    made.graph.node[0].attribute.extend(helper.make_attribute(*item) for item in kept.items())
    del made.functions[:]
    with pytest.raises(Exception, match=r"must be 0 but for 4 bits|must lie in \[0, 2\^31\)"):
        session(made.SerializeToString())

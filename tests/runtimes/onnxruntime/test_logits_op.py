"""The op QuantizedLogits in ONNX Runtime: what the adapter accepts, computes and refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from edgeemb.exporters.onnx.functions import function_for, op_name
from edgeemb.native.logits import quantized_logits
from edgeemb.tables.head import Hidden, QuantizedLogits
from tests.fixtures.models.lookups import lookup_model, run, session

ROWS = 1100
FOUR_BITS = {"bits": 4, "dim": 64, "block": 32}
LAYOUTS = [(8, 64, 64, 1), (4, 384, 32, 1), (4, 33, 11, 1), (2, 96, 16, 1), (1, 64, 32, 3), (1, 30, 30, 2)]


def table(bits: int, dim: int, block: int, planes: int) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    rng = np.random.default_rng(dim)
    codes = rng.integers(0, 256, (ROWS, planes * -(-dim * bits // 8)), dtype=np.uint8)
    return codes, rng.standard_normal((ROWS, planes * dim // block)).astype(np.float16)


def vectors(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def model(
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    attributes: dict[str, int],
    *,
    op: str = "QuantizedLogits",
    function: onnx.FunctionProto | None = None,
    hidden: int = TensorProto.FLOAT,
    shape: tuple[str | int, ...] = ("n", "m", "d"),
) -> bytes:
    """A model of one head over a constant table; its input is still called "ids", its output "rows"."""
    arrays = {"codes": codes, "scales": scales}
    return lookup_model(op, arrays, attributes, hidden, shape, function, (*shape[:-1], "v"))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("bits", "dim", "block", "planes"), LAYOUTS)
def test_the_op_gives_the_bits_of_the_kernel(
    bits: int, dim: int, block: int, planes: int, threads: int
) -> None:
    codes, scales = table(bits, dim, block, planes)
    attributes = {"bits": bits, "dim": dim, "block": block, "planes": planes}
    hidden = vectors(2, 3, dim)
    found = run(session(model(codes, scales, attributes), threads), hidden)
    wanted = quantized_logits(hidden.reshape(6, dim), codes, scales, bits, block, planes)
    assert found.shape == (2, 3, ROWS)
    assert (found.view(np.uint32) == wanted.view(np.uint32).reshape(found.shape)).all()


@pytest.mark.parametrize(("bits", "dim", "block", "planes"), LAYOUTS)
def test_the_portable_body_and_the_native_op_agree(bits: int, dim: int, block: int, planes: int) -> None:
    head = QuantizedLogits(Hidden(), "codes", "scales", bits, dim, block, planes)
    codes, scales = table(bits, dim, block, planes)
    attributes = {"bits": bits, "dim": dim, "block": block, "planes": planes}
    serialized = model(codes, scales, attributes, op=op_name(head), function=function_for([head]))
    hidden = vectors(2, 3, dim)
    native, portable = (run(session(serialized, library=library), hidden) for library in (True, False))
    # The portable body multiplies in float32, the op in 15 bits.
    assert np.abs(native - portable).max() < 1e-4 * np.abs(portable).max()


@pytest.mark.parametrize("shape", [(64,), (5, 64), (2, 1, 3, 64), (0, 64)], ids=str)
def test_vectors_of_any_rank_are_taken(shape: tuple[int, ...]) -> None:
    codes, scales = table(4, 64, 32, 1)
    names = tuple(f"n{axis}" for axis in range(len(shape)))
    found = run(session(model(codes, scales, FOUR_BITS, shape=names)), vectors(*shape))
    assert found.shape == (*shape[:-1], ROWS)


def test_a_vector_with_nan_gives_nan_and_leaves_the_others_alone() -> None:
    codes, scales = table(4, 64, 32, 1)
    hidden = vectors(2, 2, 64)
    hidden[0, 1, 5] = np.nan
    found = run(session(model(codes, scales, FOUR_BITS)), hidden)
    assert np.isnan(found[0, 1]).all()
    assert np.isfinite(found[[0, 1, 1], [0, 0, 1]]).all()


def test_vectors_of_another_width_or_type_are_refused() -> None:
    codes, scales = table(4, 64, 32, 1)
    with pytest.raises(InvalidArgument, match=r"vectors must be float32\[..., 64\]"):
        run(session(model(codes, scales, FOUR_BITS)), vectors(1, 1, 63))
    with pytest.raises(InvalidArgument, match=r"vectors must be float32\[..., 64\]"):
        run(
            session(model(codes, scales, FOUR_BITS, hidden=TensorProto.DOUBLE)),
            vectors(1, 1, 64).astype(np.float64),
        )


def test_arrays_that_do_not_fit_the_attributes_are_refused() -> None:
    codes, scales = table(4, 64, 32, 1)
    for wrong, message in (
        ((codes[:, :-1].copy(), scales), r"QuantizedLogits: codes must be uint8\[V, 32\]"),
        ((codes, scales[:-1].copy()), r"QuantizedLogits: scales must be float16 or float32\[1100, 2\]"),
        ((codes, scales.astype(np.float64)), "QuantizedLogits: scales must be"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            run(session(model(*wrong, FOUR_BITS)), vectors(1, 1, 64))


@pytest.mark.parametrize("wrong", [{"bits": 3}, {"block": 48}, {"dim": 0}, {"planes": 2**40}], ids=str)
def test_attributes_that_do_not_fit_together_are_refused(wrong: dict[str, int]) -> None:
    codes, scales = table(4, 64, 32, 1)
    with pytest.raises(Exception, match=r"do not fit together|must lie in \[0, 2\^31\)"):
        session(model(codes, scales, FOUR_BITS | wrong))

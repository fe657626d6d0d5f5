"""The ops of domain `edgeemb` in ONNX Runtime: what the adapter accepts, computes and refuses."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument, RuntimeException

from edgeemb.exporters.onnx.functions import function_for, op_name
from edgeemb.native import kernels as native
from edgeemb.tables.program import Ids, QuantizedLookup
from tests.fixtures.models.lookups import lookup_model, run, session

ROWS = 50
FOUR_BITS = {"bits": 4, "dim": 64, "block": 32}
LAYOUTS = [(8, 64, 64, 1), (4, 384, 32, 1), (4, 33, 11, 1), (2, 96, 16, 1), (1, 64, 32, 3), (1, 30, 30, 2)]


def table(
    bits: int, dim: int, block: int, planes: int, scale_type: Any = np.float16
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    rng = np.random.default_rng(dim)
    codes = rng.integers(0, 256, (ROWS, planes * -(-dim * bits // 8)), dtype=np.uint8)
    return codes, rng.standard_normal((ROWS, planes * dim // block)).astype(scale_type)


def model(
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    attributes: dict[str, int],
    ids_type: int = TensorProto.INT64,
    ids_shape: tuple[str | int, ...] = ("n", "m"),
    op: str = "QuantizedLookup",
    function: onnx.FunctionProto | None = None,
) -> bytes:
    """A model of one lookup over constant tables."""
    return lookup_model(op, {"codes": codes, "scales": scales}, attributes, ids_type, ids_shape, function)


@pytest.mark.parametrize("scale_type", [np.float16, np.float32])
@pytest.mark.parametrize(
    ("ids_type", "numpy_type"), [(TensorProto.INT32, np.int32), (TensorProto.INT64, np.int64)]
)
@pytest.mark.parametrize(("bits", "dim", "block", "planes"), LAYOUTS)
def test_the_op_gives_the_bits_of_the_kernel(
    bits: int, dim: int, block: int, planes: int, ids_type: int, numpy_type: Any, scale_type: Any
) -> None:
    codes, scales = table(bits, dim, block, planes, scale_type)
    ids = np.random.default_rng(0).integers(0, ROWS, (3, 7)).astype(numpy_type)
    got = run(
        session(model(codes, scales, {"bits": bits, "dim": dim, "block": block, "planes": planes}, ids_type)),
        ids,
    )
    want = native.quantized_lookup(ids.ravel(), codes, scales, bits, dim, block, planes).reshape(3, 7, dim)
    assert got.shape == want.shape
    assert (got.view(np.uint32) == want.view(np.uint32)).all()


@pytest.mark.parametrize(("bits", "dim", "block", "planes"), LAYOUTS)
def test_the_portable_body_and_the_native_op_agree(bits: int, dim: int, block: int, planes: int) -> None:
    lookup = QuantizedLookup(Ids(), "codes", "scales", bits, dim, block, planes)
    codes, scales = table(bits, dim, block, planes)
    attributes = {"bits": bits, "dim": dim, "block": block, "planes": planes}
    serialized = model(codes, scales, attributes, op=op_name(lookup), function=function_for([lookup]))
    ids = np.random.default_rng(1).integers(0, ROWS, (2, 9))
    assert np.array_equal(run(session(serialized), ids), run(session(serialized, library=False), ids))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 1, 3), (0,), (2, 0)], ids=str)
def test_ids_of_any_rank_are_looked_up(shape: tuple[int, ...]) -> None:
    codes, scales = table(4, 64, 32, 1)
    ids = np.arange(np.prod(shape, dtype=int), dtype=np.int64).reshape(shape)
    names = tuple(f"n{axis}" for axis in range(len(shape)))
    got = run(session(model(codes, scales, FOUR_BITS, ids_shape=names)), ids)
    assert got.shape == (*shape, 64)
    assert np.array_equal(got.reshape(-1, 64), native.quantized_lookup(ids.ravel(), codes, scales, 4, 64, 32))


def test_block_and_planes_may_be_left_out() -> None:
    codes, scales = table(8, 64, 64, 1)
    ids = np.array([[1, 2]])
    assert np.array_equal(
        run(session(model(codes, scales, {"bits": 8, "dim": 64})), ids)[0],
        native.quantized_lookup(ids[0], codes, scales, 8, 64),
    )


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**40, -(2**63)])
def test_an_id_out_of_range_is_an_invalid_argument_that_names_it(wrong: int) -> None:
    codes, scales = table(4, 64, 32, 1)
    opened = session(model(codes, scales, FOUR_BITS))
    with pytest.raises(InvalidArgument, match=rf"id {wrong} at position 4 is outside \[0, {ROWS}\)"):
        run(opened, np.array([[0, 1, 2], [3, wrong, 5]]))
    assert run(opened, np.array([[0]])).shape == (1, 1, 64)


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("QuantizedLookup", {"bits": 3, "dim": 64}),
        ("QuantizedLookup", {"bits": 4, "dim": 64, "block": 48}),
        ("QuantizedLookup", {"bits": 4, "dim": 0}),
        ("QuantizedLookup", {"bits": 4, "dim": 64, "planes": -1}),
        ("QuantizedLookup", {"bits": 4, "dim": 2**31}),
        ("QuantizedLookup", {"dim": 64}),
        ("QuantizedLookup4", {"bits": 8, "dim": 64}),
    ],
    ids=str,
)
def test_attributes_that_do_not_fit_are_refused_at_load(op: str, attributes: dict[str, int]) -> None:
    codes, scales = table(4, 64, 32, 1)
    with pytest.raises(RuntimeException, match=r"do not fit together|must lie in|bits"):
        session(model(codes, scales, attributes, op=op))


def test_tables_that_do_not_fit_the_attributes_are_refused() -> None:
    codes, scales = table(4, 64, 32, 1)
    for wrong_codes, wrong_scales, word in (
        (codes[:, :-1], scales, r"codes must be uint8\[V, 32\]"),
        (codes, scales[:, :-1], r"scales must be float16 or float32\[50, 2\]"),
        (codes, scales[:-1], r"scales must be float16 or float32\[50, 2\]"),
        (codes, scales.astype(np.float64), r"scales must be float16 or float32\[50, 2\]"),
    ):
        opened = session(
            model(np.ascontiguousarray(wrong_codes), np.ascontiguousarray(wrong_scales), FOUR_BITS)
        )
        with pytest.raises(InvalidArgument, match=word):
            run(opened, np.array([[0]]))


def test_ids_of_another_type_are_refused() -> None:
    codes, scales = table(4, 64, 32, 1)
    opened = session(model(codes, scales, FOUR_BITS, TensorProto.FLOAT))
    with pytest.raises(InvalidArgument, match="ids must be int32 or int64"):
        run(opened, np.zeros((1, 1), np.float32))


def test_rows_written_by_several_threads_are_the_same() -> None:
    codes, scales = table(4, 384, 32, 1)
    serialized = model(codes, scales, {"bits": 4, "dim": 384, "block": 32})
    ids = np.random.default_rng(2).integers(0, ROWS, (7, 311))
    assert np.array_equal(run(session(serialized, threads=2), ids), run(session(serialized, threads=1), ids))


def test_one_session_serves_several_threads() -> None:
    codes, scales = table(4, 384, 32, 1)
    opened = session(model(codes, scales, {"bits": 4, "dim": 384, "block": 32}), threads=2)
    results: dict[int, bool] = {}

    def look_up(seed: int) -> None:
        for size in (1, 17, 600):
            ids = np.random.default_rng(seed).integers(0, ROWS, (2, size))
            want = native.quantized_lookup(ids.ravel(), codes, scales, 4, 384, 32).reshape(2, size, 384)
            results[seed] = results.get(seed, True) and np.array_equal(run(opened, ids), want)

    threads = [threading.Thread(target=look_up, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), True)

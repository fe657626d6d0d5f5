"""The codebook ops of domain `edgeemb` in ONNX Runtime: what the adapter accepts, computes and refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument, RuntimeException

from edgeemb import tables
from edgeemb.exporters.onnx.functions import function_for, op_name
from edgeemb.tables.program import CodebookLookup, Ids
from edgeemb.tables.program import run as run_program
from tests.fixtures.buffers import same_bits
from tests.fixtures.models.lookups import lookup_model, run, session

ROWS = 50
OPS = {False: "CodebookLookup", True: "CodebookSumLookup"}
#: Books, entries and part.
SHAPES = [(1, 1, 3), (16, 20, 4), (48, 256, 8), (5, 7, 3), (96, 256, 4), (2, 30, 64)]


def arrays(
    shape: tuple[int, int, int] = (16, 20, 4), dtype: Any = np.float16, rows: int = ROWS
) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(shape[0])
    codes = rng.integers(0, shape[1], (rows, shape[0])).astype(np.uint8)
    return {"codes": codes, "codebooks": rng.standard_normal(shape).astype(dtype)}


def dim_of(stored: dict[str, NDArray[Any]], additive: bool) -> dict[str, int]:
    books, _, part = stored["codebooks"].shape
    return {"dim": part if additive else books * part}


@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    ("ids_type", "numpy_type"), [(TensorProto.INT32, np.int32), (TensorProto.INT64, np.int64)]
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_op_gives_the_bits_of_the_program(
    shape: tuple[int, int, int], ids_type: int, numpy_type: Any, dtype: Any, additive: bool
) -> None:
    stored = arrays(shape, dtype)
    ids = np.random.default_rng(0).integers(0, ROWS, (3, 7)).astype(numpy_type)
    got = run(session(lookup_model(OPS[additive], stored, dim_of(stored, additive), ids_type)), ids)
    want = run_program(CodebookLookup(Ids(), "codes", "codebooks", additive), stored, ids.ravel())
    assert same_bits(got, want.reshape(*ids.shape, -1))


@pytest.mark.parametrize("spec", ["pq:m=8,k=16", "pq:m=6,k=40", "rvq:m=3,k=16"])
def test_the_op_gives_the_rows_of_an_encoded_table(spec: str) -> None:
    table = tables.encode(np.random.default_rng(0).standard_normal((ROWS, 24)).astype(np.float32), spec)
    node = table.program
    assert isinstance(node, CodebookLookup)
    stored = {name: table.arrays[name] for name in (node.codes, node.codebooks)}
    ids = np.random.default_rng(1).integers(0, ROWS, (2, 9))
    assert same_bits(run(session(lookup_model(op_name(node), stored, {"dim": 24})), ids), table.rows(ids))


@pytest.mark.parametrize("additive", [False, True])
def test_the_portable_body_and_the_native_op_agree(additive: bool) -> None:
    lookup = CodebookLookup(Ids(), "codes", "codebooks", additive)
    stored = arrays((2, 20, 12))
    serialized = lookup_model(
        op_name(lookup), stored, dim_of(stored, additive), function=function_for([lookup])
    )
    ids = np.random.default_rng(1).integers(0, ROWS, (2, 9))
    assert same_bits(run(session(serialized), ids), run(session(serialized, library=False), ids))


@pytest.mark.parametrize("shape", [(), (5,), (2, 1, 3), (0,), (2, 0)], ids=str)
def test_ids_of_any_rank_are_looked_up(shape: tuple[int, ...]) -> None:
    stored = arrays()
    ids = np.arange(np.prod(shape, dtype=int), dtype=np.int64).reshape(shape)
    names = tuple(f"n{axis}" for axis in range(len(shape)))
    assert run(session(lookup_model(OPS[False], stored, {"dim": 64}, ids_shape=names)), ids).shape == (
        *shape,
        64,
    )


@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.parametrize("wrong", [-1, ROWS, 2**40, -(2**63)])
def test_an_id_out_of_range_is_an_invalid_argument_that_names_it(wrong: int, additive: bool) -> None:
    stored = arrays()
    opened = session(lookup_model(OPS[additive], stored, dim_of(stored, additive)))
    with pytest.raises(
        InvalidArgument, match=rf"{OPS[additive]}: id {wrong} at position 4 is outside \[0, {ROWS}\)"
    ):
        run(opened, np.array([[0, 1, 2], [3, wrong, 5]]))
    assert run(opened, np.array([[0]])).shape[:2] == (1, 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_code_beyond_its_codebook_is_an_invalid_argument_that_names_its_row(threads: int) -> None:
    stored = arrays((96, 20, 4))
    stored["codes"][7, 50] = 20
    opened = session(lookup_model(OPS[False], stored, {"dim": 384}), threads)
    ids = np.zeros((2, 600), np.int64)
    run(opened, ids)
    ids[1, 500] = 7
    with pytest.raises(InvalidArgument, match=r"row 7 of codes holds a code outside \[0, 20\)"):
        run(opened, ids)


@pytest.mark.parametrize("dim", [0, -1, 2**31])
def test_a_dim_out_of_bounds_is_refused_at_load(dim: int) -> None:
    with pytest.raises(RuntimeException, match="must lie in"):
        session(lookup_model(OPS[False], arrays(), {"dim": dim}))


def test_tables_that_do_not_fit_are_refused() -> None:
    good = arrays()
    codes, books = good["codes"], good["codebooks"]
    for additive, dim, wrong_codes, wrong_books, word in (
        (False, 64, codes[:, :-1], books, r"codebooks must be float16 or float32\[15, K, dim / M\]"),
        (False, 60, codes, books, r"codebooks must be float16 or float32\[16, K, dim / M\].* dim 60"),
        (True, 64, codes, books, r"codebooks must be float16 or float32\[16, K, dim\].* dim 64"),
        (False, 64, codes, books.astype(np.float64), "codebooks must be float16 or float32"),
        (False, 64, codes, books[0], "codebooks must be float16 or float32"),
        (False, 64, codes, np.zeros((16, 257, 4), np.float16), r"K in \[1, 256\]"),
        (False, 64, codes[0], books, r"codes must be uint8\[V, M\]"),
    ):
        stored = {
            "codes": np.ascontiguousarray(wrong_codes),
            "codebooks": np.ascontiguousarray(wrong_books),
        }
        opened = session(lookup_model(OPS[additive], stored, {"dim": dim}))
        with pytest.raises(InvalidArgument, match=word):
            run(opened, np.array([[0]]))


def test_rows_written_by_several_threads_are_the_same() -> None:
    stored = arrays((96, 256, 4))
    serialized = lookup_model(OPS[False], stored, {"dim": 384})
    ids = np.random.default_rng(2).integers(0, ROWS, (7, 311))
    assert same_bits(run(session(serialized, threads=2), ids), run(session(serialized, threads=1), ids))

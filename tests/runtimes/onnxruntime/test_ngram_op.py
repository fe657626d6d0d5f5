"""The ops NgramLookup and NgramBytes in ONNX: the native op and the portable body give the bits of the definition, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument, RuntimeException

from edgeemb.exporters.onnx.functions import bytes_function, bytes_op_name, function_for, op_name
from edgeemb.exporters.support import sample_tokens
from edgeemb.native.onnxruntime import RUNTIME_ERRORS
from edgeemb.tables.ngrams import (
    LANES,
    MAX_TOKEN_BYTES,
    draw_seeds,
    join_tokens,
    pad_tokens,
    rows_of_tokens,
)
from edgeemb.tables.program import Ids, NgramLookup
from tests.fixtures.buffers import same_bits
from tests.fixtures.models.lookups import lookup_model, options_of, run, session

TOKENS = sample_tokens(50)
ROWS = len(TOKENS)


def lookup(n: int) -> NgramLookup:
    return NgramLookup(Ids(), "tokens", "starts", "seeds", "bases", n, MAX_TOKEN_BYTES)


def arrays(lanes: int = 8, dim: int = 96) -> dict[str, NDArray[Any]]:
    tokens, starts = join_tokens(TOKENS)
    seeds, bases = draw_seeds(lanes, dim, 3)
    return {"tokens": tokens, "starts": starts, "seeds": seeds, "bases": bases}


def by_id(
    stored: dict[str, NDArray[Any]],
    n: int = 3,
    ids_type: int = TensorProto.INT64,
    axes: tuple[str, ...] = ("n", "m"),
) -> bytes:
    node = lookup(n)
    shape: tuple[str | int, ...] = (*axes, len(stored["seeds"]))
    return lookup_model(op_name(node), stored, {"n": n}, ids_type, axes, function_for([node]), shape)


def by_bytes(
    stored: dict[str, NDArray[Any]], n: int = 3, axes: tuple[str | int, ...] = ("n", "m", "width")
) -> bytes:
    constants = {name: stored[name] for name in ("seeds", "bases")}
    shape = (*axes[:-1], len(stored["seeds"]))
    return lookup_model(
        bytes_op_name(n), constants, {"n": n}, TensorProto.UINT8, axes, bytes_function(n), shape
    )


def rows_of(stored: dict[str, NDArray[Any]], ids: NDArray[Any], n: int = 3) -> NDArray[np.float32]:
    rows = rows_of_tokens(
        stored["tokens"], stored["starts"], ids.ravel(), stored["seeds"], stored["bases"], n
    )
    return rows.reshape(*ids.shape, len(stored["seeds"]))


@pytest.mark.parametrize("library", [False, True], ids=["portable", "native"])
@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(1, 8),
    lanes=st.sampled_from(LANES),
    more=st.integers(0, 5),
    seed=st.integers(0, 99),
    narrow=st.booleans(),
)
def test_both_forms_give_the_bits_of_the_definition(
    library: bool, n: int, lanes: int, more: int, seed: int, narrow: bool
) -> None:
    stored = arrays(lanes, lanes * (n * (n + 1) // 2 + more))
    ids = np.random.default_rng(seed).integers(0, ROWS, (3, 11)).astype(np.int32 if narrow else np.int64)
    ids_type = TensorProto.INT32 if narrow else TensorProto.INT64
    want = rows_of(stored, ids, n)
    assert same_bits(run(session(by_id(stored, n, ids_type), library=library), ids), want)
    padded = pad_tokens(TOKENS, MAX_TOKEN_BYTES)[ids]
    assert same_bits(run(session(by_bytes(stored, n), library=library), padded), want)


@pytest.mark.parametrize("library", [False, True], ids=["portable", "native"])
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_no_optimisation_changes_a_bit(level: str, library: bool) -> None:
    stored = arrays(4, 384)
    ids = np.arange(ROWS).reshape(2, -1)
    options = options_of(1, library=library)
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    opened = onnxruntime.InferenceSession(by_id(stored), options, providers=["CPUExecutionProvider"])
    assert same_bits(run(opened, ids), rows_of(stored, ids))


@pytest.mark.parametrize("library", [False, True], ids=["portable", "native"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 1, 3), (0,), (2, 0)], ids=str)
def test_any_rank_is_looked_up(shape: tuple[int, ...], library: bool) -> None:
    stored = arrays()
    ids = np.arange(np.prod(shape, dtype=int), dtype=np.int64).reshape(shape)
    axes = tuple(f"n{axis}" for axis in range(len(shape)))
    assert same_bits(run(session(by_id(stored, axes=axes), library=library), ids), rows_of(stored, ids))
    padded = pad_tokens(TOKENS, 32)[ids]
    opened = session(by_bytes(stored, axes=(*axes, "width")), library=library)
    assert same_bits(run(opened, padded), rows_of(stored, ids))


@pytest.mark.parametrize("library", [False, True], ids=["portable", "native"])
def test_padded_tokens_may_be_of_any_width(library: bool) -> None:
    stored = arrays()
    opened = session(by_bytes(stored, axes=("n", "width")), library=library)
    for width in (1, 2, 7, 40):
        ids = np.array([number for number, token in enumerate(TOKENS) if len(token) <= width])
        assert same_bits(run(opened, pad_tokens(TOKENS, width)[ids]), rows_of(stored, ids))
    followed = np.array([[2, 97, 0, 98], [0, 97, 98, 99], [2] * 4], np.uint8)
    ended = np.array([[2, 97, 0, 0], [0, 0, 0, 0], [2] * 4], np.uint8)
    assert same_bits(run(opened, followed), run(opened, ended))
    long = np.full((1, 40), 97, np.uint8)
    assert same_bits(run(opened, long), run(opened, long[:, :MAX_TOKEN_BYTES]))


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**40, -(2**63)])
def test_an_id_out_of_range_is_an_invalid_argument_that_names_it(wrong: int) -> None:
    opened = session(by_id(arrays()))
    with pytest.raises(
        InvalidArgument, match=rf"NgramLookup3: id {wrong} at position 4 is outside \[0, {ROWS}\)"
    ):
        run(opened, np.array([[0, 1, 2], [3, wrong, 5]]))
    assert run(opened, np.array([[0]])).shape == (1, 1, 96)


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**40, -(2**40)])
def test_an_id_out_of_range_is_refused_by_the_portable_body_too(wrong: int) -> None:
    with pytest.raises(RUNTIME_ERRORS, match=str(ROWS)):
        run(session(by_id(arrays()), library=False), np.array([[0, wrong]]))


def test_bounds_of_a_token_that_are_none_are_an_invalid_argument() -> None:
    stored = arrays()
    stored["starts"][7] = 2**31 - 1
    opened = session(by_id(stored))
    assert run(opened, np.array([[0, 5, 8]])).shape == (1, 3, 96)
    with pytest.raises(InvalidArgument, match="NgramLookup3: token 6 does not span 0 to 32 of the"):
        run(opened, np.array([[0, 6]]))


@pytest.mark.parametrize(("op", "n"), [("NgramLookup", 0), ("NgramLookup", 9), ("NgramLookup3", 2)])
def test_an_n_that_cannot_be_is_refused_at_load(op: str, n: int) -> None:
    with pytest.raises(RuntimeException, match=f"{op}: n {n} must lie in"):
        session(lookup_model(op, arrays(), {"n": n}, rows_shape=("n", "m", 96)))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tokens", np.zeros((2, 2), np.uint8), "tokens must be uint8"),
        ("starts", np.zeros(9, np.int64), r"starts int32\[V"),
        ("starts", np.zeros(0, np.int32), r"starts int32\[V"),
        ("seeds", np.ones(96, np.int32), "seeds must be int16"),
        ("seeds", np.full(96, 4093, np.int16), r"in \[1, 4093\)"),
        ("seeds", np.ones(95, np.int16), "95 seeds and 8 bases are none"),
        ("bases", np.ones(3, np.int16), "96 seeds and 3 bases are none"),
        ("bases", np.zeros(8, np.int16), r"in \[1, 4093\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, value: NDArray[Any], said: str) -> None:
    opened = session(
        lookup_model("NgramLookup3", {**arrays(), name: value}, {"n": 3}, rows_shape=("n", "m", "d"))
    )
    with pytest.raises(InvalidArgument, match=said):
        run(opened, np.array([[0]]))


def test_rows_written_by_several_threads_are_the_same() -> None:
    stored = arrays(8, 384)
    ids = np.random.default_rng(2).integers(0, ROWS, (7, 311))
    padded = pad_tokens(TOKENS, MAX_TOKEN_BYTES)[ids]
    for model, asked in ((by_id(stored), ids), (by_bytes(stored), padded)):
        assert same_bits(run(session(model, threads=2), asked), run(session(model, threads=1), asked))

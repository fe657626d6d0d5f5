"""The ops CodebookLogits and CodebookSumLogits in ONNX Runtime: what the adapter accepts, computes and refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from edgeemb.exporters.onnx.functions import function_for, op_name
from edgeemb.tables.head import CodebookLogits, Hidden
from edgeemb.tables.logits import codebook_products
from tests.fixtures.buffers import same_bits
from tests.fixtures.models.lookups import lookup_model, run, session
from tests.runtimes.onnxruntime.test_codebook_op import arrays, dim_of
from tests.runtimes.onnxruntime.test_logits_op import vectors

OPS = {False: "CodebookLogits", True: "CodebookSumLogits"}
SHAPES = [(1, 1, 3), (16, 20, 4), (5, 7, 3), (24, 256, 2)]


def model(
    stored: dict[str, NDArray[Any]],
    *,
    additive: bool,
    function: onnx.FunctionProto | None = None,
    hidden: int = TensorProto.FLOAT,
) -> bytes:
    """A model of one head over a constant table; its input is still called "ids", its output "rows"."""
    shape = ("n", "m", "d")
    return lookup_model(
        OPS[additive], stored, dim_of(stored, additive), hidden, shape, function, ("n", "m", "v")
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_op_gives_the_bits_of_the_reference(
    shape: tuple[int, int, int], additive: bool, threads: int
) -> None:
    stored = arrays(shape, rows=2100)
    dim = dim_of(stored, additive)["dim"]
    hidden = vectors(2, 9, dim)  # more than are held at a time
    found = run(session(model(stored, additive=additive), threads), hidden)
    wanted = codebook_products(hidden.reshape(18, dim), stored["codes"], stored["codebooks"], additive)
    assert same_bits(found, wanted.reshape(2, 9, 2100))


@pytest.mark.parametrize("additive", [False, True])
def test_the_portable_body_and_the_native_op_agree(additive: bool) -> None:
    stored = arrays((8, 30, 4), np.float32)
    head = CodebookLogits(Hidden(), "codes", "codebooks", additive)
    assert op_name(head) == OPS[additive]
    serialized = model(stored, additive=additive, function=function_for([head]))
    hidden = vectors(2, 3, dim_of(stored, additive)["dim"])
    native, portable = (run(session(serialized, library=library), hidden) for library in (True, False))
    assert np.abs(native - portable).max() < 1e-5 * np.abs(portable).max()


def test_no_vectors_give_no_logits() -> None:
    assert run(session(model(arrays(), additive=False)), vectors(0, 3, 64)).shape == (0, 3, 50)


def test_vectors_and_codes_that_do_not_fit_are_refused() -> None:
    stored = arrays()
    with pytest.raises(InvalidArgument, match=r"CodebookLogits: the vectors must be float32\[..., 64\]"):
        run(session(model(stored, additive=False)), vectors(1, 1, 63))
    with pytest.raises(InvalidArgument, match=r"the vectors must be float32\[..., 64\]"):
        opened = session(model(stored, additive=False, hidden=TensorProto.DOUBLE))
        run(opened, vectors(1, 1, 64).astype(np.float64))
    stored["codes"][7, 5] = 20
    with pytest.raises(InvalidArgument, match=r"row 7 of codes holds a code outside \[0, 20\)"):
        run(session(model(stored, additive=False)), vectors(1, 1, 64))

"""The ops QuantizedTop and ShortlistTop in ONNX Runtime: what the adapter accepts, computes and refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from edgeemb.exporters.onnx.functions import top_function, top_op_name
from edgeemb.native.top import quantized_top, shortlist_top
from edgeemb.tables.head import Hidden, QuantizedLogits
from edgeemb.tables.shortlist import fit_shortlist
from tests.fixtures.models.lookups import session

#: Several ranges of rows, the last one short.
ROWS, DIM, BLOCK = 9001, 64, 32
LAYOUT = (4, BLOCK, 1)
CANDIDATES, TOP = 50, 7
FOUR_BITS = {"bits": 4, "dim": DIM, "block": BLOCK, "planes": 1, "top": TOP}
NODE = QuantizedLogits(Hidden(), "codes", "scales", 4, DIM, BLOCK)


def table() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(1)
    return {
        "codes": rng.integers(0, 256, (ROWS, DIM // 2), dtype=np.uint8),
        "scales": rng.standard_normal((ROWS, DIM // BLOCK)).astype(np.float16),
        "bias": rng.standard_normal(ROWS).astype(np.float32),
    }


@pytest.fixture(scope="module")
def listed() -> dict[str, NDArray[Any]]:
    rows = np.random.default_rng(2).standard_normal((ROWS, DIM)).astype(np.float32)
    shortlist = fit_shortlist(rows)
    return {"list_codes": shortlist.codes, "list_scales": shortlist.scales, "codebook": shortlist.codebook}


def vectors(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def model(arrays: dict[str, NDArray[Any]], attributes: dict[str, int], axes: int = 3) -> bytes:
    """A model of one op, with its portable body."""
    name = top_op_name(NODE, shortlist="candidates" in attributes)
    node = helper.make_node(name, ["hidden", *arrays], ["values", "ids"], domain="edgeemb")
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    free = [f"n{axis}" for axis in range(axes)]
    given = [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, free)]
    kinds = {"values": TensorProto.FLOAT, "ids": TensorProto.INT64}
    results = [
        helper.make_tensor_value_info(output, kind, [*free[:-1], "k"]) for output, kind in kinds.items()
    ]
    stored = [numpy_helper.from_array(array, key) for key, array in arrays.items()]
    graph = helper.make_graph([node], "head", given, results, stored)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("edgeemb", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    made.functions.append(top_function(name, [NODE]))
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def run(serialized: bytes, hidden: NDArray[np.float32], threads: int = 1, *, library: bool = True) -> Any:
    return session(serialized, threads, library=library).run(["values", "ids"], {"hidden": hidden})


def same(found: Any, wanted: Any) -> None:
    assert (found[1].reshape(wanted[1].shape) == wanted[1]).all()
    assert (found[0].reshape(wanted[0].shape).view(np.uint32) == wanted[0].view(np.uint32)).all()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "none"])
def test_the_ops_give_the_bits_of_the_kernels(listed: Any, threads: int, biased: bool) -> None:
    arrays, hidden = table(), vectors(2, 10, DIM)
    bias = arrays["bias"] if biased else None
    arrays["bias"] = arrays["bias"] if biased else np.zeros(1, np.float32)
    flat = hidden.reshape(20, DIM)
    found = run(model(arrays, FOUR_BITS), hidden, threads)
    assert found[0].shape == found[1].shape == (2, 10, TOP)
    same(found, quantized_top(flat, arrays["codes"], arrays["scales"], LAYOUT, TOP, bias=bias))
    found = run(model(arrays | listed, FOUR_BITS | {"candidates": CANDIDATES}), hidden, threads)
    shortlist = tuple(listed.values())
    same(
        found,
        shortlist_top(flat, arrays["codes"], arrays["scales"], LAYOUT, shortlist, CANDIDATES, TOP, bias=bias),
    )


@pytest.mark.parametrize("candidates", [0, ROWS], ids=["all", "shortlist"])
def test_the_portable_body_gives_the_best_of_all_logits(listed: Any, candidates: int) -> None:
    arrays = table() | (listed if candidates else {})
    serialized = model(arrays, FOUR_BITS | ({"candidates": candidates} if candidates else {}))
    native, portable = (run(serialized, vectors(1, 3, DIM), library=library) for library in (True, False))
    assert (native[1] == portable[1]).mean() > 0.9
    assert native[0] == pytest.approx(portable[0], rel=1e-4)


@pytest.mark.parametrize("shape", [(DIM,), (2, 1, 3, DIM), (0, DIM)], ids=str)
def test_vectors_of_any_rank_are_taken(listed: Any, shape: tuple[int, ...]) -> None:
    for serialized in (
        model(table(), FOUR_BITS, len(shape)),
        model(table() | listed, FOUR_BITS | {"candidates": CANDIDATES}, len(shape)),
    ):
        found = run(serialized, vectors(*shape))
        assert found[0].shape == found[1].shape == (*shape[:-1], TOP)


def test_inputs_that_do_not_fit_are_refused(listed: Any) -> None:
    arrays, attributes = table(), FOUR_BITS | {"candidates": CANDIDATES}
    everything = arrays | listed
    for change, message in (
        ({"bias": arrays["bias"][:-1].copy()}, r"bias must be float32\[9001\], or a single 0"),
        ({"bias": np.ones(1, np.float32)}, "bias must be"),
        ({"bias": arrays["bias"].astype(np.float64)}, "bias must be"),
        ({"list_codes": listed["list_codes"][:-1].copy()}, r"the shortlist must be uint8\[141, 11, 64\]"),
        ({"list_scales": listed["list_scales"][:-1].copy()}, r"and float32\[9024\]"),
        ({"codebook": listed["codebook"][:15].copy()}, r"codebook of the shortlist must be float32\[16"),
        ({"scales": arrays["scales"][:-1].copy()}, "ShortlistTop4: scales must be"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            run(model(everything | change, attributes), vectors(1, 1, DIM))
    with pytest.raises(InvalidArgument, match=r"vectors must be float32\[..., 64\]"):
        run(model(arrays, FOUR_BITS), vectors(1, 1, DIM - 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"top": ROWS + 1, "candidates": ROWS + 1}, "are more than the 9001 rows"),
        ({"candidates": ROWS + 1}, "are more than the 9001 rows"),
        ({"top": 0}, "top is 0"),
        ({"top": CANDIDATES + 1}, "candidates 50 are fewer than top 51"),
        ({"candidates": 0}, "candidates 0 are fewer than top 7"),
        ({"bits": 2}, "do not fit together"),
        ({"top": 2**40}, r"must lie in \[0, 2\^31\)"),
    ],
    ids=str,
)
def test_attributes_that_do_not_fit_are_refused(listed: Any, change: dict[str, int], message: str) -> None:
    attributes = FOUR_BITS | {"candidates": CANDIDATES} | change
    with pytest.raises(Exception, match=message):
        run(model(table() | listed, attributes), vectors(1, 1, DIM))

"""Output layers over a packed table in ai-edge-litert: one custom op with the bits of the kernel, or the runtime's own ops."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgeemb.exporters.tflite.graph import Constants
from edgeemb.exporters.tflite.tops import add_top
from edgeemb.models.tflite.flatbuffer import pack_tflite
from edgeemb.native.interpreters import find_interpreter
from edgeemb.native.logits import quantized_logits
from edgeemb.runtimes.tflite.engine import load_delegate
from edgeemb.tables import Table, encode
from edgeemb.tables.logits import codebook_products
from edgeemb.tables.top import HeadSpec, best_of
from tests.fixtures.models.tflite_files import head_model

ROWS, DIM = 300, 32
OP, BOOKS = b"edgeemb.QuantizedLogits", b"edgeemb.CodebookLogits"
#: Each with the arguments of the kernel.
SPECS = {
    "int8": (8, DIM, 1),
    "int4:block=16": (4, 16, 1),
    "int2:block=16": (2, 16, 1),
    "binary:block=32,planes=2": (1, 32, 2),
}


def table(spec: str) -> Table:
    weight = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32)
    return encode(weight, spec)


def vectors(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).standard_normal((*shape, DIM)).astype(np.float32)


def run(content: bytes, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
    delegates = [load_delegate(find_interpreter())] if OP in content or BOOKS in content else []
    interpreter = Interpreter(model_content=content, experimental_delegates=delegates)
    found = interpreter.get_signature_runner()(ids=np.zeros(6, np.int32), hidden=hidden)
    return np.asarray(found["logits"], np.float32)


def test_has_the_bits_of_the_kernel_at_every_width_with_the_bias_added_behind() -> None:
    hidden = vectors(2, 3)
    bias = np.random.default_rng(2).standard_normal(ROWS).astype(np.float32)
    for spec, (bits, block, planes) in SPECS.items():
        own = table(spec)
        for offset in (None, bias):
            content = pack_tflite(head_model(own, "tflite", custom=True, shape=(2, 3), bias=offset))
            assert OP in content
            arrays = own.arrays
            exact = quantized_logits(
                hidden.reshape(6, DIM), arrays["codes"], arrays["scales"], bits, block, planes, offset
            )
            found = run(content, hidden)
            assert found.shape == (2, 3, ROWS)
            np.testing.assert_array_equal(found.reshape(6, ROWS), exact, spec)


@pytest.mark.parametrize("spec", ["pq:m=4,k=16", "rvq:m=2,k=16"])
def test_has_the_bits_of_the_reference_over_codebooks_which_are_stored_once(spec: str) -> None:
    own, hidden = table(spec), vectors(2, 3)
    content = pack_tflite(head_model(own, "tflite", custom=True, shape=(2, 3)))
    codes, books = (own.arrays[name] for name in ("codes", "codebooks"))
    exact = codebook_products(hidden.reshape(6, DIM), codes, books, spec.startswith("rvq"))
    np.testing.assert_array_equal(run(content, hidden), exact.reshape(2, 3, ROWS))
    assert BOOKS in content and content.count(codes.tobytes()) == content.count(books.tobytes()) == 1


def test_reads_the_arrays_of_the_lookup_which_are_stored_once() -> None:
    own = table("int4:block=16")
    content = pack_tflite(head_model(own, "tflite", custom=True))
    assert content.count(own.arrays["codes"].tobytes()) == 1
    assert content.count(own.arrays["scales"].tobytes()) == 1


def test_a_vector_that_is_not_finite_spoils_its_own_logits_only() -> None:
    hidden = vectors(6)
    whole = run(content := pack_tflite(head_model(table("int8"), "tflite", custom=True)), hidden)
    hidden[2, 5] = np.nan
    found = run(content, hidden)
    assert np.isnan(found[2]).all()
    np.testing.assert_array_equal(np.delete(found, 2, 0), np.delete(whole, 2, 0))


@pytest.mark.parametrize(
    ("spec", "runtime", "custom"),
    [
        ("int4:block=16", "tflite", False),
        ("int4:block=16", "tflm", True),
        ("lowrank:rank=8", "tflite", True),
    ],
)
def test_all_rows_are_looked_up_where_no_custom_op_computes_the_layer(
    spec: str, runtime: str, custom: bool
) -> None:
    model = head_model(table(spec), runtime, custom=custom)
    assert not {OP, BOOKS} & {code.customCode for code in model.operatorCodes}
    assert any(code.builtinCode == schema.BuiltinOperator.FULLY_CONNECTED for code in model.operatorCodes)


def test_an_activation_without_a_bias_to_carry_it_is_left_to_the_runtime() -> None:
    relu = schema.ActivationFunctionType.RELU
    own, hidden = table("int8"), vectors(6)
    bias = np.ones(ROWS, np.float32)
    assert OP not in pack_tflite(head_model(own, "tflite", custom=True, activation=relu))
    content = pack_tflite(head_model(own, "tflite", custom=True, bias=bias, activation=relu))
    plain = quantized_logits(hidden, own.arrays["codes"], own.arrays["scales"], 8, DIM, 1, bias)
    assert OP in content
    np.testing.assert_array_equal(run(content, hidden), np.maximum(plain, 0))


@pytest.mark.parametrize("custom", [False, True])
def test_the_best_tokens_alone_come_in_order(custom: bool) -> None:
    own = table("int4:block=16")
    # All logits of the first vector are equal: of these the lowest tokens come first.
    hidden = vectors(1, 6) * np.array([0, 1, 1, 1, 1, 1], np.float32)[:, None]
    model = head_model(own, "tflite", custom=custom, shape=(1, 6))
    every = run(pack_tflite(model), hidden)
    add_top(model, Constants(model), "logits", HeadSpec(7))
    content = pack_tflite(model)
    interpreter = Interpreter(
        model_content=content, experimental_delegates=[load_delegate(find_interpreter())] if custom else []
    )
    found = interpreter.get_signature_runner()(ids=np.zeros(6, np.int32), hidden=hidden)
    values, tokens = best_of(every, 7)
    np.testing.assert_array_equal(found["logits"], values)
    np.testing.assert_array_equal(found["tokens"], tokens)
    assert found["tokens"].dtype == np.int64

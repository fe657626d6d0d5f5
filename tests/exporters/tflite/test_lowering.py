"""Lookup programs as TFLite operators, in ai-edge-litert, against the numpy reference."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeemb.errors import ExportError
from edgeemb.exporters.support import sample_tokens
from edgeemb.exporters.tflite.graph import Constants
from edgeemb.exporters.tflite.policy import FUSED, RUNTIMES
from edgeemb.exporters.tflite.tables import replace_table, tidy
from edgeemb.models.tflite.flatbuffer import pack_tflite, parse_tflite
from edgeemb.models.tflite.tables import find_tables
from edgeemb.native.interpreters import find_interpreter
from edgeemb.native.libraries import find_library
from edgeemb.runtimes.tflite.engine import load_delegate
from edgeemb.tables import CODECS, Table, encode
from edgeemb.tables.program import walk
from tests.fixtures.models.tflite_files import lookup_model, table_model
from tests.fixtures.requirements import HAS_TFLM_WHEEL

ROWS, DIM = 300, 32
IDS = (1, 299, 0, 4, 4, 77)


def _weight(rows: int = ROWS, dim: int = DIM) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)


def _table(spec: str, rows: int = ROWS, dim: int = DIM) -> Table:
    shuffled = 1.0 / (1 + np.random.default_rng(1).permutation(rows))
    return encode(
        _weight(rows, dim),
        spec,
        frequency=shuffled if spec.startswith("mixed") else None,
        tokens=sample_tokens(rows),
    )


def _model(
    table: Table, runtime: str = "tflite", *, custom: bool = False, shape: tuple[int, ...] = (6,)
) -> bytes:
    return pack_tflite(table_model(table, runtime, custom=custom, shape=shape))


def _run(content: bytes, ids: Any, *, custom: bool = False) -> NDArray[np.float32]:
    delegates = [load_delegate(find_interpreter())] if custom else []
    interpreter = Interpreter(model_content=content, experimental_delegates=delegates)
    rows = interpreter.get_signature_runner()(ids=np.array(ids, np.int32))["rows"]
    return np.asarray(rows, np.float32)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("codec", CODECS)
def test_computes_the_rows_of_every_codec_with_builtin_ops(codec: str, runtime: str) -> None:
    table = _table(CODECS[codec].samples[0])
    rows = _run(_model(table, runtime), IDS)
    if table.exact:
        np.testing.assert_array_equal(rows, table.rows(IDS))
    else:
        np.testing.assert_allclose(rows, table.rows(IDS), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("codec", CODECS)
def test_computes_the_same_bits_with_the_custom_op(codec: str) -> None:
    table = _table(CODECS[codec].samples[0])
    content = _model(table, custom=True, shape=(2, 3))
    fused = {FUSED[type(node)].encode() for node in walk(table.program) if type(node) in FUSED}
    assert all(name in content for name in fused)
    rows = _run(content, np.reshape(IDS, (2, 3)), custom=bool(fused))
    if table.exact:
        np.testing.assert_array_equal(rows.reshape(6, DIM), table.rows(IDS))
    else:
        np.testing.assert_allclose(rows.reshape(6, DIM), table.rows(IDS), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    "spec",
    [
        "ngram:n=3,lanes=4",
        "ngram:n=1,lanes=1",
        "ngram:n=5,lanes=2",
        "ngram:n=2,lanes=8",
        "mixed:20=int4,*=ngram:n=3,lanes=4",
    ],
)
def test_computes_rows_from_bytes(spec: str, runtime: str, custom: bool) -> None:
    table = _table(spec)
    ids = np.arange(ROWS)
    rows = _run(_model(table, runtime, custom=custom, shape=(ROWS,)), ids, custom=custom)
    np.testing.assert_array_equal(rows.view(np.uint32), table.rows(ids).view(np.uint32))


@settings(max_examples=25, deadline=None)
@given(
    bits=st.sampled_from(["int8", "int4", "int2", "binary", "binary:planes=3"]),
    dim=st.integers(1, 70),
    rows=st.integers(1, 40),
    runtime=st.sampled_from(["tflite", "tflm"] if HAS_TFLM_WHEEL else ["tflite"]),
    custom=st.booleans(),
)
def test_unpacks_any_width(bits: str, dim: int, rows: int, runtime: str, custom: bool) -> None:
    table = encode(_weight(rows, dim), bits)
    ids = [0, rows - 1, rows // 2, 0, 0, rows - 1]
    rows_found = _run(_model(table, runtime, custom=custom), ids, custom=custom)
    np.testing.assert_array_equal(rows_found, table.rows(ids))


@pytest.mark.parametrize("wrong", [-1, ROWS, 1 << 24, 1 << 30, -(1 << 31)])
@pytest.mark.parametrize("codec", CODECS)
def test_refuses_ids_outside_of_the_table(codec: str, wrong: int) -> None:
    content = _model(_table(CODECS[codec].samples[0]))
    with pytest.raises(RuntimeError):
        _run(content, [1, wrong, 0, 4, 4, 77])


@settings(max_examples=25, deadline=None)
@given(
    spec=st.sampled_from(["pq:m={}", "pq:m={},k=7", "rvq:m={},k=5"]),
    books=st.integers(1, 5),
    part=st.integers(1, 17),
    rows=st.integers(1, 40),
    custom=st.booleans(),
)
def test_puts_rows_together_from_any_codebooks(
    spec: str, books: int, part: int, rows: int, custom: bool
) -> None:
    table = encode(_weight(rows, books * part), spec.format(books))
    ids = [0, rows - 1, rows // 2, 0, 0, rows - 1]
    np.testing.assert_array_equal(_run(_model(table, custom=custom), ids, custom=custom), table.rows(ids))


@pytest.mark.parametrize("spec", ["int4", "pq:m=8", "rvq:m=3,k=16", "ngram:lanes=4"])
def test_names_the_id_that_the_custom_op_refuses(spec: str) -> None:
    content = _model(_table(spec), custom=True)
    with pytest.raises(RuntimeError, match=r"id 300 at position 2 is outside \[0, 300\)"):
        _run(content, [1, 5, 300, 4, 4, 77], custom=True)


def test_names_the_row_whose_code_has_no_entry() -> None:
    table = _table("pq:m=8,k=16")
    codes = table.arrays["codes"].copy()
    codes[77, 3] = 16
    broken = dataclasses.replace(table, arrays=dict(table.arrays) | {"codes": codes})
    with pytest.raises(RuntimeError, match=r"CodebookLookup: row 77 holds a code that its codebook"):
        _run(_model(broken, custom=True), IDS, custom=True)


def test_names_the_row_whose_token_is_none() -> None:
    table = _table("ngram:lanes=4")
    starts = table.arrays["starts"].copy()
    starts[78] = len(table.arrays["tokens"]) + 1
    broken = dataclasses.replace(table, arrays=dict(table.arrays) | {"starts": starts})
    with pytest.raises(RuntimeError, match=r"NgramLookup: row 77 has no token: its bounds are none"):
        _run(_model(broken, custom=True), IDS, custom=True)


@pytest.mark.parametrize("spec", ["int4:block=16", "pq:m=8"])
def test_refuses_options_of_another_table(spec: str) -> None:
    model = parse_tflite(_model(_table(spec), custom=True), "model")
    (operator,) = (own for own in model.subgraphs[0].operators if own.customOptions is not None)
    options = np.array(operator.customOptions, np.uint8).view(np.int32)
    for place in range(len(options)):
        operator.customOptions = (options + (np.arange(len(options)) == place)).view(np.uint8)
        with pytest.raises((RuntimeError, ValueError)):
            _run(pack_tflite(model), IDS, custom=True)


def test_stores_a_table_once_for_all_its_lookups() -> None:
    table = _table("int8")
    model = lookup_model(_weight())
    model.subgraphs.append(lookup_model(_weight()).subgraphs[0])
    found = find_tables(model)
    assert [len(entry.sites) for entry in found] == [2]
    replace_table(model, Constants(model), found[0], table, "word", RUNTIMES["tflite"], custom=False)
    tidy(model)
    stored = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    assert stored < table.nbytes + 1000


def test_refuses_a_table_of_another_shape() -> None:
    model = lookup_model(_weight())
    other = _table("int8", 10)
    with pytest.raises(ExportError, match="fit it to this table"):
        replace_table(
            model, Constants(model), find_tables(model)[0], other, "word", RUNTIMES["tflite"], custom=False
        )


def test_the_library_of_the_custom_op_is_installed() -> None:
    assert find_library("edgeemb_tflite").is_file()

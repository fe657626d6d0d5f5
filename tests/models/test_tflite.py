"""Finished .tflite files: their tables are replaced, everything else stays."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.devices import profile_on
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError, ExportError, InputError, ModelError
from edgeemb.exporters.tflite.graph import Constants, Graph
from edgeemb.models.tflite.flatbuffer import opcode_name, parse_tflite, read_tflite, write_tflite
from edgeemb.models.tflite.tables import find_tables
from tests.fixtures.models.tflite_files import lookup_model
from tests.fixtures.requirements import needs_tflm_wheel

ROWS, DIM = 200, 16


def _weight() -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((ROWS, DIM)).astype(np.float32)


def _save(model: Any, path: Path) -> Path:
    write_tflite(model, path)
    return path


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished lookup of int32 ids [1, 6], with metadata and an associated file."""
    model = lookup_model(_weight(), (1, 6))
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers)
    buffer.data = np.arange(7, dtype=np.uint8)
    model.metadata, model.buffers = [entry], [*model.buffers, buffer]
    path = _save(model, tmp_path / "finished.tflite")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "good\nbad\n")
    return path


@pytest.mark.parametrize("runtime", ["tflite", "tflite-runtime"])
@pytest.mark.parametrize("ops", ["builtin", "custom"])
def test_replaces_the_table(finished: Path, tmp_path: Path, ops: str, runtime: str) -> None:
    bundle = edgeemb.export(finished, tmp_path / "out", table="int8", ops=ops, runtime=runtime)
    ids = np.array([[1, 199, 0, 4, 4, 77]])
    with edgeemb.open(bundle) as session:
        assert session.manifest.body == "keep"
        assert session.manifest.parity["cosine_min"] > 0.999
        np.testing.assert_allclose(session.run({"ids": ids})[0], _weight()[ids[0]], atol=0.03)
    assert (bundle / "model.tflite").stat().st_size < _weight().nbytes * 0.6


def test_takes_ids_as_floats(tmp_path: Path) -> None:
    model = lookup_model(_weight(), (1, 6))
    graph = Graph(Constants(model), model.subgraphs[0], "ids")
    ids = model.subgraphs[0].inputs[0]
    floats = graph.tensor((1, 6), "float32", "floats", 0)
    options = {"inDataType": schema.TensorType.FLOAT32, "outDataType": schema.TensorType.INT32}
    graph.op("CAST", [floats], (1, 6), "int32", **options)
    graph.operators[0].outputs = [ids]
    model.subgraphs[0].operators[:0] = graph.operators
    model.subgraphs[0].inputs, model.signatureDefs[0].inputs[0].tensorIndex = [floats], floats
    path = _save(model, tmp_path / "floats.tflite")
    bundle = edgeemb.export(path, tmp_path / "out", table="int8", ops="builtin", runtime="tflite")
    report = profile_on("host", bundle, ProfilePlan(lengths=(6,), runs=3))
    assert all(item.value is not None for item in report.measurements if item.name == "p50_ms")
    with edgeemb.open(bundle) as session:
        rows = session.run({"ids": np.array([[1, 199, 0, 4, 4, 77]], np.float32)})
        np.testing.assert_allclose(rows[0], _weight()[[1, 199, 0, 4, 4, 77]], atol=0.03)
        with pytest.raises(InputError, match="200"):
            session.run({"ids": np.full((1, 6), 200.0, np.float32)})
        with pytest.raises(InputError, match="whole numbers"):
            session.run({"ids": np.full((1, 6), 0.5, np.float32)})


def test_keeps_metadata_and_associated_files(finished: Path, tmp_path: Path) -> None:
    bundle = edgeemb.export(finished, tmp_path / "out", table="int4", ops="builtin", runtime="tflite")
    model, _ = read_tflite(bundle / "model.tflite")
    assert [bytes(model.buffers[entry.buffer].data) for entry in model.metadata] == [bytes(range(7))]
    with zipfile.ZipFile(bundle / "model.tflite") as archive:
        assert archive.read("labels.txt") == b"good\nbad\n"


@needs_tflm_wheel
def test_runs_in_tensorflow_lite_micro(finished: Path, tmp_path: Path) -> None:
    bundle = edgeemb.export(finished, tmp_path / "out", target="tflm", table="int8")
    report = profile_on("tflm", bundle, ProfilePlan(lengths=(6,)))
    total = report.find("arena_total_bytes")
    assert total is not None
    assert 0 < float(total.value or 0) < 100_000
    assert report.find("p50_ms", 6, 1) is not None
    assert "Golden vectors: cosine 1.000000 or more." in report.notes


def test_profiles_only_tflite_bundles_in_tensorflow_lite_micro(tiny_bundle: Path) -> None:
    with pytest.raises(DeviceError, match="is a bundle for onnx, tflm takes TFLite"):
        profile_on("tflm", tiny_bundle, ProfilePlan())


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_replaces_a_table_that_is_quantised_with_one_scale(dtype: str, tmp_path: Path) -> None:
    zero = 3 if dtype == "int8" else 128
    codes = np.clip(
        np.round(_weight() * 20) + zero, 0 if dtype == "uint8" else -128, 255 if dtype == "uint8" else 127
    )
    model = lookup_model(codes.astype(np.float32), (1, 6))
    graph = model.subgraphs[0]
    operator = graph.operators[0]
    table, rows = graph.tensors[int(operator.inputs[0])], graph.tensors[int(operator.outputs[0])]
    model.buffers[table.buffer].data = codes.astype(dtype).reshape(-1).view(np.uint8)
    for tensor in (table, rows):
        tensor.type = getattr(schema.TensorType, dtype.upper())
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [0.05], [zero]
    path = _save(model, tmp_path / "quantised.tflite")
    ids = np.array([[1, 199, 0, 4, 4, 77]])
    bundle = edgeemb.export(path, tmp_path / "out", table="int8", ops="builtin", runtime="tflite")
    with edgeemb.open(bundle) as session:
        found = session.run({"ids": ids})
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_allclose(found[0].astype(np.int32), codes[ids[0]], atol=1)


def test_replaces_a_float16_table_behind_a_dequantize(tmp_path: Path) -> None:
    model = lookup_model(_weight(), (6,))
    subgraph = model.subgraphs[0]
    graph = Graph(Constants(model), subgraph, "half")
    half = graph.op("DEQUANTIZE", [graph.constant(_weight().astype(np.float16))], (ROWS, DIM), version=3)
    subgraph.operators[0].inputs = [half, subgraph.operators[0].inputs[1]]
    subgraph.operators = [*graph.operators, *subgraph.operators]
    path = _save(model, tmp_path / "half.tflite")
    bundle = edgeemb.export(path, tmp_path / "out", table="int8", ops="builtin", runtime="tflite")
    written, _ = read_tflite(bundle / "model.tflite")
    names = [opcode_name(written.operatorCodes[op.opcodeIndex]) for op in written.subgraphs[0].operators]
    assert names.count("DEQUANTIZE") == 1  # that of the scales; the table's own is gone


def test_takes_in_buffers_that_lie_outside(tmp_path: Path) -> None:
    model = lookup_model(_weight())
    table = model.subgraphs[0].tensors[int(model.subgraphs[0].operators[0].inputs[0])]
    data = bytes(model.buffers[table.buffer].data)
    model.buffers[table.buffer].data = None
    write_tflite(model, tmp_path / "short.tflite")
    short = parse_tflite((tmp_path / "short.tflite").read_bytes(), "short")
    outside = schema.BufferT()
    outside.offset, outside.size = 1 << 14, len(data)
    short.buffers[table.buffer] = outside
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(short.Pack(builder), b"TFL3")
    content = bytes(builder.Output()).ljust(1 << 14, b"\0")
    whole = parse_tflite(content + data, "whole")
    assert bytes(whole.buffers[table.buffer].data) == data
    with pytest.raises(ModelError, match="truncated"):
        parse_tflite(content + data[:-1], "cut")


@pytest.mark.parametrize("keep", [0, 3, 7, 40, 200, 1000])
def test_names_a_truncated_file(finished: Path, tmp_path: Path, keep: int) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(finished.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"broken\.tflite"):
        edgeemb.load(broken)


def test_refuses_a_model_without_tables(tmp_path: Path) -> None:
    model = lookup_model(_weight())
    model.subgraphs[0].operators[0].builtinOptions.axis = 1
    with pytest.raises(ModelError, match="has no table to compress"):
        edgeemb.load(_save(model, tmp_path / "none.tflite"))


def test_refuses_a_body_for_a_finished_model(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is finished: leave `body`"):
        edgeemb.export(finished, tmp_path / "out", table="int8", body="int8", runtime="tflite")
    assert not (tmp_path / "out").exists()


def test_needs_no_torch(finished: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; import edgeemb;"
        "edgeemb.export(sys.argv[1], sys.argv[2], table='int4', ops='builtin', runtime='tflite')"
    )
    command = [sys.executable, "-c", program, str(finished), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "manifest.json").is_file()


@needs_tflm_wheel
@pytest.mark.parametrize("spec", ["int8", "int4"])
def test_a_free_batch_axis_is_fixed_for_tflm(tmp_path: Path, spec: str) -> None:
    model = lookup_model(_weight(), (1, 6))
    for tensor in model.subgraphs[0].tensors:
        if tensor.name in (b"ids", b"rows"):
            tensor.shapeSignature = [-1, *tensor.shape[1:]]
    path = _save(model, tmp_path / "free.tflite")
    bundle = edgeemb.export(path, tmp_path / "out", target="tflm", table=spec)
    ids = np.array([[1, 199, 0, 4, 4, 77], [2, 2, 2, 5, 6, 7]])
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.run({"ids": ids}), _weight()[ids], atol=0.5)
        assert session.manifest.parity["cosine_min"] > 0.98


def _quantise(model: Any, place: int, bits: int = 8, scales: int = ROWS) -> NDArray[np.float32]:
    """Store a float table as codes with a scale for each row; the rows that they stand for."""
    table, weight = model.subgraphs[0].tensors[place], _weight()
    most = 2 ** (bits - 1) - 1
    steps = np.abs(weight).max(axis=1, keepdims=True) / most
    codes = np.round(weight / steps).astype(np.int8)
    stored = codes.reshape(-1).view(np.uint8)
    if bits == 4:
        stored = (stored[::2] & 15) | (stored[1::2] << 4)
    model.buffers[table.buffer].data = stored
    table.type = schema.TensorType.INT8 if bits == 8 else schema.TensorType.INT4
    table.quantization = schema.QuantizationParametersT()
    table.quantization.scale = steps.reshape(-1)[:scales].astype(np.float32)
    table.quantization.zeroPoint = np.zeros(scales, np.int64)
    rows: NDArray[np.float32] = codes * steps.astype(np.float32)
    return rows


def _embedding_lookup(bits: int) -> tuple[Any, NDArray[np.float32]]:
    """What ai-edge-quantizer makes of a lookup: codes with a scale for each row, rows of floats."""
    model = lookup_model(_weight(), op="EMBEDDING_LOOKUP")
    rows = _quantise(model, int(model.subgraphs[0].operators[0].inputs[1]), bits)
    return model, rows


def _behind_dequantize(half: bool) -> tuple[Any, NDArray[np.float32]]:
    """A GATHER over a table that a DEQUANTIZE makes of codes with a scale for each row, or of float16."""
    model = lookup_model(_weight())
    subgraph = model.subgraphs[0]
    graph = Graph(Constants(model), subgraph, "first")
    stored = _weight().astype(np.float16) if half else _weight()
    place = graph.constant(stored)
    rows = stored.astype(np.float32) if half else _quantise(model, place)
    floats = graph.op("DEQUANTIZE", [place], (ROWS, DIM), version=3 if half else 2)
    subgraph.operators[0].inputs = [floats, subgraph.operators[0].inputs[1]]
    subgraph.operators = [*graph.operators, *subgraph.operators]
    return model, rows


FORMS = {
    "int8 rows": lambda: _embedding_lookup(8),
    "int4 rows": lambda: _embedding_lookup(4),
    "int8 rows first": lambda: _behind_dequantize(half=False),
    "float16 first": lambda: _behind_dequantize(half=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_in_any_form_is_decoded_as_the_runtime_does_and_fitted_anew(
    form: str, tmp_path: Path
) -> None:
    made, rows = FORMS[form]()
    path = _save(made, tmp_path / "m.tflite")
    model = edgeemb.load(path)
    ids = np.array([1, 199, 0, 4, 4, 77], np.int32)
    np.testing.assert_allclose(model.reference({"ids": ids})[0], rows[ids], atol=1e-6)
    (info,) = model.tables
    np.testing.assert_allclose(model.table_weight(info.alias), rows, atol=1e-6)
    assert info.bytes < rows.nbytes * 0.6
    bundle = edgeemb.export(model, tmp_path / "out", table="int8", ops="builtin", runtime="tflite")
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.run({"ids": ids}), rows[ids], atol=0.05)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_that_is_kept_stays_in_its_own_form(form: str, tmp_path: Path) -> None:
    made, _ = FORMS[form]()
    path = _save(made, tmp_path / "m.tflite")
    bundle = edgeemb.export(path, tmp_path / "out", table="keep", ops="builtin", runtime="tflite")
    manifest = read_manifest(bundle)
    assert (manifest.tables, manifest.parity["cosine_min"]) == ({}, 1.0)
    assert any("stays as it is" in note for note in manifest.notes)
    (before,), (after,) = (find_tables(read_tflite(file)[0]) for file in (path, bundle / "model.tflite"))
    np.testing.assert_array_equal(before.weight, after.weight)
    assert before.stored == after.stored


def test_a_table_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    model = lookup_model(_weight(), op="EMBEDDING_LOOKUP")
    _quantise(model, int(model.subgraphs[0].operators[0].inputs[1]), scales=ROWS // 2)
    with pytest.raises(ModelError, match="looks like one, but it is int8 with scales other than one"):
        edgeemb.load(_save(model, tmp_path / "m.tflite"))


@pytest.mark.parametrize("form", FORMS)
def test_other_rows_can_be_tried_out(form: str, tmp_path: Path) -> None:
    made, _ = FORMS[form]()
    model = edgeemb.load(_save(made, tmp_path / "m.tflite"))
    (info,) = model.tables
    other = np.random.default_rng(5).standard_normal((ROWS, DIM)).astype(np.float32)
    ids = np.array([1, 199, 0, 4, 4, 77], np.int32)
    before = model.reference({"ids": ids})[0]
    tried = model.with_rows(info.alias, other)
    np.testing.assert_array_equal(tried.reference({"ids": ids})[0], other[ids])
    np.testing.assert_array_equal(tried.table_weight(info.alias), other)
    np.testing.assert_array_equal(model.reference({"ids": ids})[0], before)

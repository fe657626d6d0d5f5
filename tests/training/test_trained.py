"""What a training leaves: a folder that others read, whose tables and weights are exported to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModel

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import ModelError
from edgeemb.models.shrinking.tables import choose_specs, fit_tables
from edgeemb.models.torch.model import Model
from edgeemb.tables.request import read_tables
from edgeemb.training.result import Trained
from tests.fixtures.training import QUICK, adapt


@pytest.mark.parametrize(
    "spec",
    [
        "fp32",
        "fp16",
        "int8",
        "int4:block=8",
        "int2:block=4",
        "binary:block=4,planes=2",
        "lowrank:rank=4",
        "lowrank:rank=4+int8",
        "pq:m=4,k=8",
        "pq:m=4,k=8,norm=1",
        "rvq:m=2,k=8",
        "qr:rows=16",
        "hash:rows=16,k=2+int8",
        "memcom:rows=16",
        "tt:rank=4",
        "cluster:k=4,rank=2+int4",
        "ngram:n=3,lanes=4,dim=48",
        "ngram:n=2,lanes=4",
        "mixed:20=int4,*=ngram:n=3,lanes=4,dim=48",
    ],
)
def test_it_stores_the_rows_of_the_last_forward_pass(tiny: Model, spec: str) -> None:
    from edgeemb.tables.spec import parse_spec
    from edgeemb.training.student import copied, fit_start, put_tables

    model = copied(tiny)
    specs = {"word": parse_spec(spec)}
    start = fit_start(model, specs, ["the cat sat on the mat"], 0)
    module = put_tables(model, start)["word"]
    ids = torch.arange(tiny.word_table.rows)
    begun = module(ids)
    np.testing.assert_allclose(begun.detach().numpy(), start["word"].reconstruct(), rtol=0, atol=2e-6)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02) if list(module.parameters()) else None
    if optimizer is not None:
        for _ in range(5):
            optimizer.zero_grad()
            (module(ids) - torch.ones(16)).square().mean().backward()
            optimizer.step()
        assert (module(ids) - 1).square().mean() < (begun - 1).square().mean()
    rows, stored = module(ids).detach().numpy(), module.fitted()
    assert {name: array.dtype for name, array in stored.arrays.items()} == {
        name: array.dtype for name, array in start["word"].arrays.items()
    }
    np.testing.assert_allclose(stored.reconstruct(), rows, rtol=0, atol=2e-6)
    if spec.startswith(("int", "binary", "fp", "pq:m=4,k=8", "rvq")):
        np.testing.assert_array_equal(stored.reconstruct(), rows)


def test_it_exports_the_trained_table_to_the_bit(healed: Trained) -> None:
    model = edgeemb.load(healed.path)
    tables = fit_tables(model, choose_specs(model, read_tables(()), "int2").specs)
    for name, array in model.fitted["word"].arrays.items():
        np.testing.assert_array_equal(tables["word"].arrays[name], array)
    np.testing.assert_array_equal(model.table_weight("word"), tables["word"].reconstruct())


def test_it_refits_the_table_when_another_is_asked_for(healed: Trained) -> None:
    model = edgeemb.load(healed.path)
    assert str(choose_specs(model, read_tables("int2"), "int8").specs["word"]) == "int2"
    assert str(choose_specs(model, read_tables(["position=fp16"]), "int8").specs["word"]) == "int4:block=8"


@pytest.mark.parametrize("body", ["int8", "int4"])
def test_it_exports_the_very_weights_that_were_trained(
    body: str, tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    adapt(tiny, tmp_path / "out", corpus=[corpus], table="int8", body=body, **QUICK)
    bundle = edgeemb.export(tmp_path / "out", tmp_path / "bundle", body=body)
    _, wanted = _weights(edgeemb.load(tmp_path / "out"))
    found = _dequantised(bundle, body)
    assert len(found) == len(wanted) == 12
    for matrix in found:
        same = [other for other in wanted if other.shape == matrix.shape and np.array_equal(other, matrix)]
        assert same, "a weight of the bundle is none of those that were trained"


def _weights(model: Model) -> tuple[list[str], list[np.ndarray[Any, Any]]]:
    layers = [
        (name, layer)
        for name, layer in model.module.named_modules()
        if isinstance(layer, torch.nn.Linear) and ".layer." in name
    ]
    return [name for name, _ in layers], [layer.weight.detach().numpy() for _, layer in layers]


def _dequantised(bundle: Path, body: str) -> list[np.ndarray[Any, Any]]:
    """The matrices of a bundle's products as float32[outputs, inputs]."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(bundle / "model.onnx").graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    found = []
    for node in graph.node:
        options = {item.name: item.i for item in node.attribute}
        if node.op_type.startswith("QuantizedLinear") and node.op_type[-1] == body[-1]:
            first, second = (arrays[name] for name in node.input[1:3])
            values = (
                _from_panels(first, second) if body == "int8" else _from_panels_fours(first, options["block"])
            )
        elif node.op_type == "MatMulNBits":  # whose blocks are not whole
            packed = arrays[node.input[1]]
            codes = np.stack([packed & 15, packed >> 4], axis=-1).reshape(options["N"], -1, 32)
            scaled = (codes.astype(np.float32) - 8) * arrays[node.input[2]].reshape(options["N"], -1, 1)
            values = scaled.reshape(options["N"], -1)
        else:
            continue
        found += _apart(values[: options["N"], : options["K"]])
    return found


def _from_panels(codes: np.ndarray[Any, Any], scales: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Panels int8[panels, inputs / 4, 32, 4] as float32[outputs, inputs]."""
    return codes.transpose(0, 2, 1, 3).reshape(len(scales), -1) * scales[:, None]


def _from_panels_fours(panels: np.ndarray[Any, Any], block: int) -> np.ndarray[Any, Any]:
    """Panels of 4 bits, each block behind its 32 scales of 16 bits, as float32[outputs, inputs]."""
    count, blocks = panels.shape[:2]
    scales = np.ascontiguousarray(panels[:, :, :64]).view("<u2").astype(np.uint32) << 16
    words = panels[:, :, 64:].reshape(count, blocks, block // 8, 32, 4)
    codes = np.stack([words & 15, words >> 4], axis=4).astype(np.float32) - 8
    values = codes.reshape(count, blocks, block // 8, 32, 8) * scales.view(np.float32)[:, :, None, :, None]
    return values.transpose(0, 3, 1, 2, 4).reshape(count * 32, -1)


def _apart(matrix: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Query, key and value are one product of three times as many outputs as inputs."""
    return np.split(matrix, 3) if len(matrix) == 3 * matrix.shape[1] else [matrix]


def test_its_folder_is_read_by_transformers_and_sentence_transformers(healed: Trained) -> None:
    from sentence_transformers import SentenceTransformer

    model = edgeemb.load(healed.path)
    text = "the cat ran away"
    theirs = SentenceTransformer(str(healed.path), device="cpu").encode([text])
    bundle_rows = AutoModel.from_pretrained(healed.path).embeddings.word_embeddings.weight
    np.testing.assert_array_equal(bundle_rows.detach().numpy(), model.fitted["word"].reconstruct())
    from tests.fixtures.models import run

    np.testing.assert_allclose(theirs, run(model, [text]).numpy(), atol=1e-5)


def test_a_trained_model_is_exported_and_run(healed: Trained, tmp_path: Path) -> None:
    bundle = edgeemb.export(healed.path, tmp_path / "bundle", body="int8", ops="builtin")
    manifest = read_manifest(bundle)
    assert manifest.tables["word"].spec == "int4:block=8"
    assert manifest.parity["cosine_mean"] > 0.99
    with edgeemb.open(bundle) as session:
        assert session.encode(["the cat"]).shape == (1, 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held.update(schema=99), "schema 99"),
        (lambda held: held["tables"]["word"].update(shape=[3, 3]), "another model"),
        (lambda held: held["tables"]["word"]["program"].update(node="Ids"), "'Ids'"),
        (lambda held: held["tables"]["word"]["program"].update(node="__import__"), "__import__"),
        (lambda held: held["tables"]["word"]["program"].update(codes="elsewhere"), "not in tables"),
        (lambda held: held["tables"]["word"]["program"].update(bits="4"), "not of type int"),
        (lambda held: held["tables"]["word"]["program"].update(block=0), "cannot be read"),
        (lambda held: held["tables"]["word"]["program"].update(extra=1), "unknown field"),
        (lambda held: held["tables"]["word"]["program"].pop("scales"), "lacks scales"),
        (lambda held: held["tables"].update(nosuch=held["tables"]["word"]), "no table 'nosuch'"),
    ],
)
def test_it_refuses_damaged_tables_in_a_folder(
    change: Any, message: str, healed: Trained, tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(healed.path, tmp_path / "model")
    held = json.loads((folder / "edgeemb.json").read_text("utf-8"))
    change(held)
    (folder / "edgeemb.json").write_text(json.dumps(held), "utf-8")
    with pytest.raises(ModelError, match=message):
        edgeemb.load(folder)


def test_it_refuses_tables_that_are_not_those_of_the_weights(healed: Trained, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(healed.path, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="does not decode to the model's own rows"):
        edgeemb.load(folder)
    (folder / "tables.safetensors").write_bytes(b"\x08")
    with pytest.raises(ModelError, match="missing or damaged"):
        edgeemb.load(folder)

"""Fields of .tflite models that do not fit: named when the file is read, and before LiteRT sees a bundle's model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.bundle.reading import file_entry
from edgeemb.bundle.tflite import check_graphs
from edgeemb.errors import BundleError, ModelError
from edgeemb.models.tflite.flatbuffer import parse_tflite, write_tflite
from tests.fixtures.models.tflite_files import lookup_model

ROWS, DIM = 40, 8


def _model() -> Any:
    return lookup_model(np.random.default_rng(3).standard_normal((ROWS, DIM)).astype(np.float32), (1, 6))


def _save(model: Any, path: Path) -> Path:
    write_tflite(model, path)
    return path


def _write_to_the_table(model: Any, graph: Any) -> None:
    graph.inputs = [graph.operators[0].inputs[0]]


def _circle(model: Any, graph: Any) -> None:
    graph.operators[0].inputs[1] = graph.operators[0].outputs[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_write_to_the_table, "an input of the graph is a constant"),
        (
            lambda model, graph: model.signatureDefs[0].__setattr__("subgraphIndex", 7),
            "a signature is of graph 7 of 1",
        ),
        (
            lambda model, graph: model.signatureDefs[0].inputs[0].__setattr__("tensorIndex", 99),
            "a signature names a tensor",
        ),
        (lambda model, graph: graph.__setattr__("outputs", [99]), "a graph names a tensor"),
        (lambda model, graph: graph.__setattr__("inputs", [-1]), "a graph names a tensor"),
        (_circle, "an operator reads what is written after it"),
        (
            lambda model, graph: graph.operators[0].__setattr__("inputs", [0]),
            "an operator lacks inputs or outputs",
        ),
        (
            lambda model, graph: graph.operators[0].__setattr__("inputs", [-1, 0]),
            "an operator lacks inputs or outputs",
        ),
        (
            lambda model, graph: graph.operators[0].__setattr__("outputs", []),
            "an operator lacks inputs or outputs",
        ),
        (lambda model, graph: graph.operators[0].__setattr__("opcodeIndex", 9), "an operator is of a kind"),
        (lambda model, graph: graph.tensors[0].__setattr__("shape", [-6]), r"a tensor has the shape \[-6\]"),
        (
            lambda model, graph: graph.tensors[0].__setattr__("shapeSignature", [1, 2, 3, 4]),
            "as its signature",
        ),
        (lambda model, graph: graph.tensors[0].__setattr__("shape", [1] * 40), "a tensor has the shape"),
    ],
)
def test_a_field_that_does_not_fit_is_named(change: Any, says: str, tmp_path: Path) -> None:
    model = _model()
    change(model, model.subgraphs[0])
    with pytest.raises(ModelError, match=f"is damaged or truncated .*{says}"):
        edgeemb.load(_save(model, tmp_path / "m.tflite"))


def test_a_bundle_over_which_litert_would_crash_is_refused(tmp_path: Path) -> None:
    finished = _save(_model(), tmp_path / "m.tflite")
    bundle = edgeemb.export(
        finished, tmp_path / "b", target="android", table="int8", runtime="tflite", ops="builtin"
    )
    content = bytearray((bundle / "model.tflite").read_bytes())
    check_graphs(bytes(content))
    model = parse_tflite(bytes(content), "it")
    table = next(
        n
        for n, t in enumerate(model.subgraphs[0].tensors)
        if t.buffer and model.buffers[t.buffer].data is not None
    )
    model.subgraphs[0].inputs = [table]
    write_tflite(model, bundle / "model.tflite")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["model.tflite"] = asdict(file_entry(bundle / "model.tflite"))
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="an input of the graph is a constant"):
        edgeemb.open(bundle)

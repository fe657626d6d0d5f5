"""Parity: every output that depends on the tables counts, each by a measure that fits it, and a broken export is not written."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import edgeemb
from edgeemb.bundle.golden import read_golden
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import ExportError
from edgeemb.exporters.onnx.locate import first_difference
from edgeemb.models.agreement import agreement
from edgeemb.models.lines import sample_feeds
from edgeemb.models.torch.model import Model
from tests.fixtures.models.words import save_words

ROWS, DIM = 200, 32


def echoing(path: Path) -> Path:
    """A finished model whose first output is its ids, and whose second is the mean of rows that one bit ruins."""
    rows = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32) ** 3
    nodes = [
        helper.make_node("Identity", ["input_ids"], ["echo"]),
        helper.make_node("Gather", ["word_embeddings.weight", "input_ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows", "middle"], ["sentence_embedding"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "echoing",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [
            helper.make_tensor_value_info("echo", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", DIM]),
        ],
        [
            numpy_helper.from_array(rows, "word_embeddings.weight"),
            numpy_helper.from_array(np.array([1], np.int64), "middle"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)
    return path


def test_an_output_that_does_not_depend_on_the_table_does_not_count(tmp_path: Path) -> None:
    model = edgeemb.load(str(echoing(tmp_path / "m.onnx")))
    bundle = edgeemb.export(model, tmp_path / "b", target="linux-x64", table="binary", ops="builtin")
    manifest = read_manifest(bundle)
    with edgeemb.open(bundle) as session:
        ids = np.random.default_rng(1).integers(0, ROWS, (4, 16))
        place = [info.name for info in model.outputs].index("sentence_embedding")
        wanted, found = model.reference({"input_ids": ids})[place], session.run_all({"input_ids": ids})[place]
    real = (
        np.einsum("nd,nd->n", wanted, found) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(found, axis=1)
    )
    assert manifest.parity["cosine_mean"] == pytest.approx(real.mean(), abs=0.15)
    assert manifest.parity["sentence_embedding.cosine_mean"] == manifest.parity["cosine_mean"]
    assert manifest.parity["echo.equal_mean"] == 1
    assert any("the tables keep little" in note for note in manifest.notes)
    assert len(read_golden(bundle)) == 1


def test_short_lengths_are_blamed_for_what_they_cut(tiny: Model, tmp_path: Path) -> None:
    bundle = edgeemb.export(tiny, tmp_path / "b", target="cortex-m4", table="int8", lengths=[3])
    manifest = read_manifest(bundle)
    assert manifest.parity["cosine_mean"] < 0.8
    assert any("texts are cut at 3 tokens" in note and "longer lengths" in note for note in manifest.notes)
    assert not any("keep little" in note for note in manifest.notes)


class Scorer(torch.nn.Module):
    """One score, and the hidden states."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rows = torch.nn.Embedding(ROWS, DIM)
        self.score = torch.nn.Linear(DIM, 1)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """:param ids: int64[batch, length]. :return: float32[batch, 1] and float32[batch, length, DIM]."""
        hidden = self.rows(ids)
        return self.score(hidden.mean(dim=1)), hidden


def test_a_single_score_is_held_by_its_difference(tmp_path: Path) -> None:
    model = edgeemb.load(Scorer(), example_inputs=(torch.arange(24).reshape(3, 8),))
    bundle = edgeemb.export(
        model, tmp_path / "b", target="linux-x64", table="int4", body="fp32", ops="builtin"
    )
    parity = read_manifest(bundle).parity
    feeds = model.examples()[0]
    with edgeemb.open(bundle) as session:
        wanted, found = model.reference(feeds)[0], session.run_all(feeds)[0]
    unit = max(np.abs(wanted - wanted.mean()).max(), np.abs(wanted).max() / 10)
    off = np.abs(wanted - found).reshape(-1) / unit
    assert parity["output_0.difference_mean"] == pytest.approx(1 - off.mean(), abs=1e-5)
    assert parity["output_0.difference_min"] == pytest.approx(1 - off.max(), abs=1e-5)
    assert 0.9 < parity["output_1.cosine_min"] < 1
    assert parity["cosine_mean"] == min(parity["output_0.difference_mean"], parity["output_1.cosine_mean"])


@pytest.mark.parametrize(
    ("wanted", "found", "measure", "mean"),
    [
        ([[1, 2]], [[1, 3]], "equal", 0.5),
        ([[3.0, 4.0, *[0.0] * 6], [0.0] * 8], [[6.0, 8.0, *[0.0] * 6], [0.0] * 8], "cosine", 1.0),
        ([[3.0, 4.0, *[0.0] * 6], [0.0] * 8], [[3.0, 4.0, *[0.0] * 6], [1.0] * 8], "cosine", 0.5),
        ([[1.0] * 8], [[np.nan] * 8], "cosine", 0.0),
        ([[2.0], [-4.0]], [[1.0], [-4.0]], "difference", 5 / 6),
        ([[100.0], [101.0]], [[101.0], [101.0]], "difference", 1 - 1 / 10.1 / 2),
        ([[5.0, -5.0], [-5.0, 5.0]], [[1.0, -1.0], [-5.0, 5.0]], "difference", 0.6),
        ([[2.0]], [[-2.0]], "difference", -1.0),
        ([0.5, 0.25], [0.5, 0.25], "difference", 1.0),
        ([[[1.0] * 8]], [[[1.0] * 8, [-9.0] * 8]], "cosine", 1.0),
    ],
)
def test_each_kind_of_output_has_its_measure(wanted: Any, found: Any, measure: str, mean: float) -> None:
    pair: list[NDArray[Any]] = [np.asarray(value) for value in (wanted, found)]
    result = agreement("out", [pair[0]], [pair[1]])
    assert (result.measure, result.mean) == (measure, pytest.approx(mean, abs=1e-6))


def test_scores_of_classes_are_held_by_their_difference_and_by_the_class(tmp_path: Path) -> None:
    wanted = np.array([[4.0, 1.0], [0.0, 3.0], [2.0, 2.5]])
    found = np.array([[8.0, 2.0], [0.0, 3.0], [2.5, 2.0]])
    as_vectors = agreement("embedding", [np.tile(wanted, 4)], [np.tile(found, 4)])
    as_scores = agreement("logits", [wanted], [found], scores=True)
    assert (
        as_vectors.mean > 0.98
    )  # a direction hides that the first is twice as large and the last another class
    assert (as_scores.measure, as_scores.mean) == ("difference", pytest.approx(1 - (2 + 0.25) / 3, abs=1e-6))
    assert as_scores.same_class == pytest.approx(2 / 3)


class TooLarge(torch.nn.Module):
    """A model whose second layer has weights that float16 has not."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rows = torch.nn.Embedding(ROWS, DIM)
        self.first = torch.nn.Linear(DIM, DIM)
        self.large = torch.nn.Linear(DIM, DIM)
        self.last = torch.nn.Linear(DIM, DIM)
        with torch.no_grad():
            self.large.weight *= 1e7
            self.last.weight /= 1e7

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """:param ids: int64[batch, length]. :return: float32[batch, DIM]."""
        mean = self.rows(ids).mean(dim=1)
        result: torch.Tensor = self.last(self.large(self.first(mean)))
        return result


def test_an_export_below_the_floor_of_its_precision_is_not_written(tmp_path: Path) -> None:
    model = edgeemb.load(TooLarge(), example_inputs=(torch.arange(24).reshape(3, 8),))
    for body, spec in (("fp32", "int8"), ("int8", "binary")):
        edgeemb.export(model, tmp_path / body, target="linux-x64", table=spec, body=body, ops="builtin")
    with pytest.raises(ExportError, match=r"below 0\.99 for body fp16: they first differ at layer large"):
        edgeemb.export(model, tmp_path / "b", target="linux-x64", table="int8", body="fp16", ops="builtin")
    assert not (tmp_path / "b").exists()


class Outlier(torch.nn.Module):
    """A model whose first layer gives one number so large that int8 has no step left for the others, which alone count in the second."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rows = torch.nn.Embedding(ROWS, DIM)
        self.first = torch.nn.Linear(DIM, DIM)
        self.second = torch.nn.Linear(DIM, DIM)
        with torch.no_grad():
            self.first.bias[0] = 1e5
            self.second.weight[:, 0] = 0
            self.second.bias.zero_()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """:param ids: int64[batch, length]. :return: float32[batch, DIM]."""
        result: torch.Tensor = self.second(self.first(self.rows(ids).mean(dim=1)))
        return result


@pytest.mark.parametrize("runtime", ["onnx", "tflite", "executorch"])
def test_the_error_names_the_layer_where_the_two_part_in_every_format(runtime: str, tmp_path: Path) -> None:
    model = edgeemb.load(Outlier(), example_inputs=(torch.arange(24).reshape(3, 8),))
    with pytest.raises(ExportError, match=r"below 0\.9 for body int8: they first differ at layer second;"):
        edgeemb.export(
            model, tmp_path / "b", runtime=runtime, table={"rows": "int8"}, body="int8", ops="builtin"
        )
    assert not (tmp_path / "b").exists()


def test_the_first_difference_is_found_where_rows_are_computed_from_words(tmp_path: Path) -> None:
    model = edgeemb.load(save_words(tmp_path / "m"))
    bundle = edgeemb.export(model, tmp_path / "b", runtime="onnx", body="fp32", ops="builtin")
    feeds = sample_feeds(model, None, 0)[0]
    assert first_difference(model, {}, feeds, 1.1, bundle / "model.onnx") == "layer rows"
    assert first_difference(model, {}, feeds, 0.9, bundle / "model.onnx") is None


def test_the_error_names_the_layer_in_c_too(tiny: Model, tmp_path: Path) -> None:
    module = copy.deepcopy(tiny.module)
    layers = dict(module.named_modules())
    up, down = (
        next(layer for path, layer in layers.items() if path.endswith(f"layer.0.{name}.dense"))
        for name in ("intermediate", "output")
    )
    with torch.no_grad():
        up.bias[0] = 1e5
        down.weight[:, 0] = 0
        down.weight *= 1000
    model = replace(tiny, module=module)
    with pytest.raises(ExportError, match=r"they first differ at layer body\..*layer\.0\.output\.dense;"):
        edgeemb.export(model, tmp_path / "b", target="cortex-m55", table={"word": "int8"})
    assert not (tmp_path / "b").exists()

"""Tables that stay as they are: because that was asked for, or because a format cannot replace them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import ExportError, SpecError
from edgeemb.models.base import LoadedModel
from edgeemb.models.shrinking.tables import choose_specs
from edgeemb.models.torch.model import Model
from edgeemb.tables.request import read_tables


class Relative(nn.Module):
    """Looks rows of one table up, and takes the other as a whole, as relative positions are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.word = nn.Embedding(60, 16)
        self.relative = nn.Embedding(12, 16)

    def forward(self, ids: Tensor) -> Tensor:
        return self.word(ids).sum(1) @ self.relative.weight.t()


class Equal(nn.Module):
    """Two tables that happen to hold the same rows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Embedding(60, 16), nn.Embedding(60, 16)
        self.second.weight.data = self.first.weight.data.clone()

    def forward(self, ids: Tensor) -> Tensor:
        return self.first(ids).mean(1) + self.second(ids.flip(1)).amax(1)


def relative() -> LoadedModel:
    torch.manual_seed(0)
    return edgeemb.load(Relative(), example_inputs={"ids": torch.tensor([[3, 5, 59], [1, 0, 7]])})


def test_a_kept_table_stays_in_float32_whatever_the_body_becomes(tiny: Model, tmp_path: Path) -> None:
    bundle = edgeemb.export(tiny, tmp_path / "b", table="keep", body="fp16", ops="builtin")
    manifest = read_manifest(bundle)
    assert manifest.tables == {}
    assert [note for note in manifest.notes if note.startswith("table")] == [
        f"table {alias} stays as it is" for alias in ("word", "position", "type")
    ]
    held = {item.name: item for item in onnx.load(bundle / "model.onnx").graph.initializer}
    for info in tiny.tables:
        np.testing.assert_array_equal(numpy_helper.to_array(held[info.name]), tiny.table_weight(info.alias))


def test_one_table_may_be_kept_and_the_others_compressed(tiny: Model) -> None:
    kept = choose_specs(tiny, read_tables({"word": "keep"}), "int4")
    assert {alias: str(spec) for alias, spec in kept.specs.items()} == {"position": "int8", "type": "int8"}
    others = choose_specs(tiny, read_tables(["keep", "word=int4"]), "int8")
    assert {alias: str(spec) for alias, spec in others.specs.items()} == {"word": "int4"}


@pytest.mark.parametrize("spec", ["keep:rows=4", "keep+int8", "mixed:10=keep,*=int8"])
def test_keep_is_for_whole_tables_and_has_no_options(spec: str) -> None:
    with pytest.raises(SpecError, match="keep"):
        read_tables(spec)


def test_a_c_export_holds_a_kept_table_in_float32(tiny: Model, tmp_path: Path) -> None:
    bundle = edgeemb.export(tiny, tmp_path / "c", target="cortex-m55", table={"word": "keep"})
    manifest = read_manifest(bundle)
    assert list(manifest.tables) == ["position", "type"]
    assert manifest.sizes["tables"] > tiny.word_table.bytes
    assert manifest.parity["cosine_min"] > 0.99


@pytest.mark.parametrize("runtime", ["onnx", "tflite", "executorch"])
def test_a_table_that_a_format_cannot_replace_stays_with_a_note(runtime: str, tmp_path: Path) -> None:
    model = relative()
    for table in ((), "int8"):
        bundle = edgeemb.export(
            model, tmp_path / "b", runtime=runtime, table=table, body="fp32", ops="builtin", force=True
        )
        manifest = read_manifest(bundle)
        assert list(manifest.tables) == ["word"]
        assert [note for note in manifest.notes if note.startswith("table relative stays as it is: ")]
    with pytest.raises(ExportError, match=r"table relative cannot be compressed here: .*relative=keep"):
        edgeemb.export(
            model, tmp_path / "c", runtime=runtime, table={"relative": "int8"}, body="fp32", ops="builtin"
        )
    bundle = edgeemb.export(
        model, tmp_path / "d", runtime=runtime, table={"relative": "keep"}, body="fp32", ops="builtin"
    )
    assert read_manifest(bundle).notes[0] == "table relative stays as it is"


@pytest.mark.parametrize("runtime", ["onnx", "tflite"])
def test_tables_with_the_same_rows_are_stored_once(runtime: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = edgeemb.load(Equal(), example_inputs={"ids": torch.tensor([[3, 5, 59], [1, 0, 7]])})
    how = {"runtime": runtime, "body": "fp32", "ops": "builtin"}
    manifest = read_manifest(edgeemb.export(model, tmp_path / "b", table="int8", **how))
    assert manifest.tables["second"].bytes == 0 < manifest.tables["first"].bytes
    assert "table second holds the same rows as table first, so they are stored once" in manifest.notes
    assert manifest.parity["cosine_min"] > 0.999
    with pytest.raises(ExportError, match="first and second hold the same rows"):
        edgeemb.export(model, tmp_path / "c", table={"first": "int8", "second": "int4"}, **how)

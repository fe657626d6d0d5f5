"""What was trained is saved with all of its stages, and comes in again as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from edgeemb.models.loading import load_torch
from edgeemb.training.saving import save_model
from tests.fixtures.models import HIDDEN, save_sentence


@pytest.mark.parametrize(
    ("width", "residual"),
    [(5, False), (5, True), (HIDDEN, True)],
    ids=["dense", "residual with a matrix", "residual"],
)
def test_stages_after_the_pooling_come_back(width: int, residual: bool, tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m", dense=width, residual=residual, normalize=False)
    place = folder / "3_LayerNorm"
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"dimension": width}))
    gain, bias = torch.linspace(0.5, 2, width), torch.linspace(-1, 1, width)
    save_file({"norm.weight": gain, "norm.bias": bias}, place / "model.safetensors")
    stages = json.loads((folder / "modules.json").read_text())
    added = [{"path": "3_LayerNorm", "type": "x.LayerNorm"}, {"path": "4_Normalize", "type": "x.Normalize"}]
    (folder / "modules.json").write_text(json.dumps([*stages, *added]))
    model = load_torch(folder)
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved")
    again = load_torch(tmp_path / "saved")
    feeds = model.examples()[0]
    torch.testing.assert_close(again.reference(feeds), model.reference(feeds))
    named = [
        stage["type"].rpartition(".")[2]
        for stage in json.loads((tmp_path / "saved/modules.json").read_text())
    ]
    assert named == ["Transformer", "Pooling", "Dense", "LayerNorm", "Normalize"]

"""ExecuTorch programs whose tables are a file of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import edgeemb
from edgeemb.errors import BundleError, SpecError
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model
from tests.places import ROOT


class Small(torch.nn.Module):
    """A table and a linear layer.

    :param seed: of the weights.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.table = torch.nn.Embedding(200, 32)
        self.layer = torch.nn.Linear(32, 8)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """:param ids: int64[batch]. :return: float32[batch, 8]."""
        result: torch.Tensor = self.layer(self.table(ids))
        return result


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bundles of the same shape, their tables in a file of their own."""
    paths = []
    for seed in range(2):
        model = load_torch(Small(seed), example_inputs=(torch.tensor([1, 2]),))
        out = tmp_path_factory.mktemp("apart") / "small"
        paths.append(
            edgeemb.export(
                model,
                out,
                runtime="executorch",
                table="int4:block=32",
                body="fp32",
                ops="custom",
                options=edgeemb.ExportOptions(tables_apart=True),
            )
        )
    return paths


def test_tables_may_be_a_file_of_their_own(apart: list[Path]) -> None:
    manifest = json.loads((apart[0] / "manifest.json").read_text())
    assert (apart[0] / "tables.ptd").stat().st_size >= manifest["tables"]["table"]["bytes"]
    assert (apart[0] / "model.pte").stat().st_size < 4096
    with edgeemb.open(apart[0]) as session:
        assert session.run({"ids": np.array([1, 5, 199])}).shape == (3, 8)
        assert session.manifest.parity["cosine_mean"] > 0.98


def test_tables_of_another_model_are_refused(apart: list[Path], tmp_path: Path) -> None:
    copy = shutil.copytree(apart[0], tmp_path / "copy")
    shutil.copyfile(apart[1] / "tables.ptd", copy / "tables.ptd")
    with pytest.raises(BundleError, match=r"tables\.ptd does not belong to it"):
        edgeemb.open(copy, verify_files=False)
    (copy / "tables.ptd").unlink()
    with pytest.raises(BundleError, match=r"tables\.ptd, which is missing"):
        edgeemb.open(copy, verify_files=False)


@pytest.mark.parametrize("kept", [0, 10, 64, 500, -1])
def test_a_truncated_file_of_tables_is_refused(apart: list[Path], tmp_path: Path, kept: int) -> None:
    copy = shutil.copytree(apart[0], tmp_path / "copy")
    (copy / "tables.ptd").write_bytes((apart[0] / "tables.ptd").read_bytes()[:kept])
    with pytest.raises(BundleError, match="cannot load it"):
        edgeemb.open(copy, verify_files=False)


def test_other_runtimes_have_no_file_of_tables(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match='`tables_apart` is for runtime="executorch"'):
        edgeemb.export(
            tiny, tmp_path / "out", runtime="onnx", options=edgeemb.ExportOptions(tables_apart=True)
        )


def test_missing_kernels_are_named_with_what_brings_them(apart: list[Path]) -> None:
    code = """
import sys, pathlib
from edgeemb.runtimes.executorch.engine import _explain
from edgeemb.runtimes.executorch.runner import RunnerError
from bench.executorch.stock import StockProgram
folder = pathlib.Path(sys.argv[1])
try:
    StockProgram(folder / "model.pte", folder / "tables.ptd").run([])
except RunnerError as error:
    print(_explain(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(apart[0])], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "the ops of edgeemb come with its runner" in done.stdout
    assert "import executorch.kernels.quantized" in done.stdout

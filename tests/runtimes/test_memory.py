"""What a session holds in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import edgeemb

ROWS, DIM = 250002, 768

_MEASURE = """
import json, sys
import numpy as np
import edgeemb
from edgeemb.devices.host.memory import read_memory
import hashlib, edgeemb.runtimes.opening, edgeemb.runtimes.onnxruntime.engine
before = read_memory()
session = edgeemb.open(sys.argv[1], ops=sys.argv[2])
loaded = read_memory()
rows = session.run({"ids": np.arange(16)})
print(json.dumps({"loaded": loaded.rss_bytes - before.rss_bytes, "sum": float(rows.sum())}))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lookup over a table as large as XLM-R's, at 4 bits."""
    table = torch.nn.Embedding(ROWS, DIM)
    with torch.no_grad():
        # Few distinct rows: the test is about memory, and the fit shall be quick.
        table.weight.copy_(torch.randn(6, DIM).repeat(ROWS // 6, 1))
    module = torch.nn.Sequential(table)
    model = edgeemb.load(module, example_inputs={"input": torch.arange(4)}, name="large")
    return edgeemb.export(
        model, tmp_path_factory.mktemp("large") / "b", table="int4:block=32", body="fp32", ops="builtin"
    )


@pytest.mark.parametrize("ops", ["builtin", "custom"])
def test_opening_a_bundle_does_not_read_its_table(large: Path, ops: str) -> None:
    script = _MEASURE.replace('{"ids"', '{"input"')
    result = subprocess.run(
        [sys.executable, "-c", script, large, ops], capture_output=True, text=True, check=True
    )
    # What the runtime itself needs is about 10 MB; the table has 96.
    assert json.loads(result.stdout)["loaded"] < ROWS * DIM / 2 / 8

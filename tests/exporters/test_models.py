"""The matrix of docs/models.md: families and tasks on the runtimes, as tiny random models, each at the cosine of a float32 conversion."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.models import cases, measure, page
from tests.fixtures.models.families import TINY
from tests.places import ROOT

#: What is not left to the slow tests.
SLICE = {("Qwen3", "embedding", "onnx"), ("T5", "embedding", "tflite")}
RUNTIMES = ("onnx", "tflite", "executorch")
MATRIX = [(name, kind, runtime) for name, kind in cases() for runtime in RUNTIMES]


@pytest.mark.parametrize(
    ("name", "kind", "runtime"),
    [case if case in SLICE else pytest.param(*case, marks=pytest.mark.slow) for case in MATRIX],
)
def test_computes_what_transformers_computes(name: str, kind: str, runtime: str, tmp_path: Path) -> None:
    assert float(measure(name, kind, runtime, tmp_path)) > 0.9999


def test_writes_a_page_with_every_family_and_task() -> None:
    figures = {f"{name}|{kind}|{runtime}": "1.000000" for name, kind, runtime in MATRIX}
    text = page(figures, list(RUNTIMES))
    assert all(f"| {name} | 1.000000 | 1.000000 | 1.000000 |" in text for name in TINY)
    assert "not run" not in text
    del figures["T5|embedding|tflite"]
    assert "| T5 | 1.000000 | not run | 1.000000 |" in page(figures, list(RUNTIMES))
    assert (ROOT / "docs" / "models.md").read_text("utf-8").startswith(text[:60])

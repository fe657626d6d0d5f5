"""Hostile models in ai-edge-litert with our delegate, built with the sanitizers: each is refused, or gives the rows that it should."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeemb.native.libraries import find_sources
from edgeemb.native.logits import quantized_logits
from edgeemb.tables import Table
from edgeemb.tables.logits import codebook_products
from tests.fixtures.hostile.isolated import run_cases, sanitized, sanitizer_environment
from tests.fixtures.hostile.tflite import DIM, GRIDS, HEADS, IDS, ROWS, SPECS, table_of, write_models
from tests.fixtures.models.linear import defined

#: Changes that leave a model's meaning as it is: ids of another type or number, more bytes than are used, and the shape of the output,
#: which is computed. The runtime reads the sparsity of constants alone.
HARMLESS = re.compile(
    r"whole|in0-(type-INT64|shape-axis0-\d+|shape-leading-axis|unknown-shape|variable|sparse.*)|in\d-(unknown-shape|data-long)|out-(shape-.*|unknown-shape|variable|sparse.*)"
)
#: Other values are no error where every value is one; nor are fewer outputs of the same panel, and another activation.
OTHER_VALUES = re.compile(
    r"in\d-data-all-\d+|options-number2-3|options-number3-[13]|wiring-in[234]-input[234]"
)
#: Of an op: fewer rows of codes are a smaller table.
SMALLER = {"codebook_logits": re.compile(r"in1-shape-axis0-\d+")}


@pytest.fixture(scope="session")
def delegate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = find_sources() / "runtimes" / "tflite" / "edgeemb_tflite.c"
    return sanitized(source, tmp_path_factory.mktemp("delegate") / "libedgeemb_tflite.so")


def wanted(op: str, table: Table, count: int) -> NDArray[np.float32]:
    """What an op gives for as many rows of the ids, or for vectors of them."""
    if op in GRIDS:
        grid = GRIDS[op]
        rows = np.resize(IDS, (count, grid.codes.shape[1])).astype(np.float32)
        return defined(grid, np.zeros(len(grid.codes), np.float32), rows)
    if op not in HEADS:
        return table.rows(np.resize(IDS, count))
    vectors = np.resize(IDS, (count, DIM)).astype(np.float32)
    if op == "codebook_logits":
        return codebook_products(vectors, table.arrays["codes"], table.arrays["codebooks"], False)
    return quantized_logits(vectors, table.arrays["codes"], table.arrays["scales"], 4, 8)


@pytest.mark.parametrize(
    "op", [*SPECS, *(pytest.param(op, marks=pytest.mark.slow) for op in (*HEADS, *GRIDS))]
)
def test_a_hostile_model_is_refused_and_crashes_nothing(op: str, delegate: Path, tmp_path: Path) -> None:
    cases = write_models(op, "tflite", tmp_path)
    command = [sys.executable, "-m", "tests.fixtures.hostile.run_tflite", str(delegate), json.dumps(IDS)]
    found = run_cases(command, cases, tmp_path, sanitizer_environment())
    died = {name: answer for name, answer in found.items() if "died" in answer}
    assert not died, json.dumps(died, indent=1)[:5000]
    ran = {name: np.array(answer["rows"], np.float32) for name, answer in found.items() if "rows" in answer}
    table = table_of(op if op not in GRIDS else "quantized")
    for name, rows in ran.items():
        fewer = op in SMALLER and SMALLER[op].fullmatch(name) and rows.shape[-1] < ROWS
        assert HARMLESS.fullmatch(name) or OTHER_VALUES.fullmatch(name) or fewer, f"{name} is taken"
        if HARMLESS.fullmatch(name):
            exact = wanted(op, table, int(np.prod(rows.shape[:-1])) if rows.size else 0)
            np.testing.assert_array_equal(rows.reshape(exact.shape), exact, name)
    assert "whole" in ran and len(found) - len(ran) > 200

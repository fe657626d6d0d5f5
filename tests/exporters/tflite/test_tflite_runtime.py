"""Bundles in tflite-runtime 2.14.0, which needs numpy < 2: in an environment of its own, which `make test` makes as ``.venv-tflite``."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.exporters.support import sample_tokens
from edgeemb.models.tflite.flatbuffer import write_tflite
from edgeemb.models.torch.model import Model
from edgeemb.tables import Table, encode
from tests.fixtures.models.tflite_files import table_model
from tests.fixtures.requirements import needs_tflm_wheel
from tests.places import ROOT, TESTS
from tests.programs.tflite_runtime_check import IDS, TEXTS

pytestmark = needs_tflm_wheel

ENVIRONMENT = Path(os.environ.get("EDGEEMB_TFLITE_ENVIRONMENT", ROOT / ".venv-tflite"))


NGRAMS = "ngram:lanes=4"
FUSED_SPECS = ("int4:block=16", "pq:m=8", "rvq:m=3,k=16", NGRAMS)


def _table(spec: str) -> Table:
    weight = np.random.default_rng(0).standard_normal((300, 32)).astype(np.float32)
    return encode(weight, spec, tokens=sample_tokens(300))


@pytest.fixture(scope="module")
def answers(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the second environment says of three bundles, and the vectors of the same bundles here."""
    folder = tmp_path_factory.mktemp("runtime")
    common: dict[str, Any] = {"table": "int4:block=8", "lengths": (40,)}
    edgeemb.export(tiny, folder / "builtin", runtime="tflite-runtime", body="fp32", ops="builtin", **common)
    edgeemb.export(tiny, folder / "custom", runtime="tflite-runtime", body="fp32", ops="custom", **common)
    edgeemb.export(tiny, folder / "int8", runtime="tflite", body="int8", ops="builtin", **common)
    for spec in FUSED_SPECS:
        model = table_model(_table(spec), "tflite-runtime", custom=True)
        write_tflite(model, folder / f"{spec}.tflite")
    write_tflite(table_model(_table(NGRAMS), "tflite-runtime", custom=False), folder / "builtin.tflite")
    python = ENVIRONMENT / "bin" / "python"
    assert python.is_file(), f"{ENVIRONMENT} is missing: make test makes it (docs/tflite.md)"
    bundles = [str(folder / name) for name in ("builtin", "custom", "int8")]
    bundles += [str(folder / f"{spec}.tflite") for spec in (*FUSED_SPECS, "builtin")]
    script = str(TESTS / "programs" / "tflite_runtime_check.py")
    done = subprocess.run([python, script, *bundles], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for name in ("builtin", "custom"):
        with edgeemb.open(folder / name) as session:
            values["bundles"][name]["here"] = session.encode(TEXTS).tolist()
    return values


def test_runs_with_the_base_install(answers: dict[str, Any]) -> None:
    assert answers["versions"]["tflite-runtime"] == "2.14.0"
    assert answers["versions"]["numpy"].startswith("1.")


@pytest.mark.parametrize("ops", ["builtin", "custom"])
def test_gives_the_vectors_of_litert(answers: dict[str, Any], ops: str) -> None:
    found = answers["bundles"][ops]
    np.testing.assert_allclose(found["vectors"], found["here"], atol=1e-5)


@pytest.mark.parametrize("spec", FUSED_SPECS)
def test_computes_the_bits_of_the_reference_with_the_custom_op(answers: dict[str, Any], spec: str) -> None:
    np.testing.assert_array_equal(np.array(answers["rows"][spec], np.float32), _table(spec).rows(IDS))


def test_computes_rows_from_bytes_with_builtin_ops(answers: dict[str, Any]) -> None:
    np.testing.assert_array_equal(np.array(answers["rows"]["builtin"], np.float32), _table(NGRAMS).rows(IDS))


@pytest.mark.parametrize("ops", ["builtin", "custom"])
def test_refuses_ids_in_the_graph_itself(answers: dict[str, Any], ops: str) -> None:
    assert "refused the inputs" in answers["bundles"][ops]["refused"]


def test_refuses_a_body_that_it_would_miscompute(answers: dict[str, Any]) -> None:
    assert "tflite-runtime computes wrongly" in answers["bundles"]["int8"]["error"]

"""Run in the second environment (numpy < 2, tflite-runtime 2.14.0): opens bundles and answers in JSON.

``python tests/tflite_runtime_check.py BUNDLE_OR_MODEL...`` prints an object: for each bundle its vectors, or the error that opening it
gave; what is asked for an id that is out of range; for each model that is a lookup of six ids, its rows; and the versions of this
environment.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import edgeemb
from edgeemb.errors import EdgeembError, InputError
from edgeemb.native.interpreters import find_interpreter
from edgeemb.runtimes.tflite.engine import load_delegate

TEXTS = ["the cat sat on the mat", "a cat", "and the cats ran away"]
IDS = [1, 299, 0, 4, 4, 77]


def _check(path: str) -> dict[str, Any]:
    try:
        session = edgeemb.open(path)
    except EdgeembError as error:
        return {"error": str(error)}
    with session:
        vectors = session.encode(TEXTS).tolist()
        rows = session.manifest.inputs[0].rows or 0
        # The graph itself, without the session's own check.
        feeds = {"input_ids": np.array([[1, 1 << 30, rows]]), "attention_mask": np.ones((1, 3), np.int64)}
        try:
            session.engine.run(feeds)
            refused = ""
        except InputError as error:
            refused = str(error)
    return {"vectors": vectors, "refused": refused}


def _rows(path: str) -> list[list[float]]:
    module = find_interpreter()
    interpreter = module.Interpreter(model_path=path, experimental_delegates=[load_delegate(module)])
    rows: list[list[float]] = interpreter.get_signature_runner()(ids=np.array(IDS, np.int32))["rows"].tolist()
    return rows


if __name__ == "__main__":
    models = [path for path in sys.argv[1:] if path.endswith(".tflite")]
    found = {Path(path).name: _check(path) for path in sys.argv[1:] if path not in models}
    rows = {Path(path).stem: _rows(path) for path in models}
    versions = {name: version(name) for name in ("numpy", "tflite-runtime")}
    print(json.dumps({"bundles": found, "rows": rows, "versions": versions}))

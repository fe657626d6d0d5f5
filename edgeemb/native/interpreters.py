"""Finding a TFLite interpreter."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edgeemb.errors import BundleError

#: Interpreters that can run a bundle, in the order in which they are looked for.
INTERPRETERS = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


def find_interpreter() -> Any:
    """The module of the interpreter that is installed.

    :raises BundleError: if there is none.
    """
    for name in INTERPRETERS:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise BundleError(
        "running a TFLite bundle needs ai-edge-litert or tflite-runtime: pip install 'edgeemb[tflite]'"
    )

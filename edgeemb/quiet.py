"""Keeping other libraries' chatter off the user's terminal, and off the network."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

#: What switches telemetry off: of ONNX Runtime (its Privacy.md), of the Hugging Face libraries, and of tools that follow https://consoledonottrack.com.
NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


def disable_telemetry() -> None:
    """Switch telemetry off in this process and those it starts, before the libraries are imported; what the user has set stays."""
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses warnings and log lines, and undoes changes to the root logger at the end.

    Exporters and quantisers log to the root logger, some set it up when they are imported, and importing transformers imports
    whatever it finds installed. Anything that matters is raised as an error.
    """
    root = logging.getLogger()
    level, handlers, disabled = root.level, root.handlers[:], root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.setLevel(level)
        root.handlers[:] = handlers

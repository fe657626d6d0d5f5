"""Keeping other libraries' chatter off the user's terminal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses warnings and log lines below errors, and undoes changes to the root logger at the end.

    Exporters and quantisers log to the root logger, some set it up when they are imported, and importing transformers imports
    whatever it finds installed. Anything that matters is raised as an error.
    """
    root = logging.getLogger()
    level, handlers, disabled = root.level, root.handlers[:], root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.setLevel(level)
        root.handlers[:] = handlers

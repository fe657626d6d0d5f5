"""What runs inside the emulated phone (``python -m edgeemb.devices.arm64.guest``): the measuring process, with marks for the counter.

It answers what `edgeemb.devices.host.worker` does, and more: ``count`` runs inferences between marks, ``outputs`` gives results, ``maps`` gives
its memory as the system reports it.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgeemb.devices.host.worker import Bench, start

#: Inferences before those that are counted: the first ones set up what later ones find.
WARM_UP_RUNS = 2


class GuestBench(Bench):
    """A bundle in an emulated process, and what can be asked about it."""

    def answer(self, ask: str, **arguments: Any) -> dict[str, Any]:
        """Answer one question.

        :param ask: its name.
        :param arguments: its arguments.
        """
        match ask:
            case "count":
                return self._count(int(arguments["length"]), int(arguments["runs"]), int(arguments["mark"]))
            case "outputs":
                return {"outputs": [self._output(item) for item in arguments["inputs"]]}
            case "maps":
                return {name: Path("/proc/self", name).read_text("utf-8") for name in ("maps", "smaps")}
        return super().answer(ask, **arguments)

    def _count(self, length: int, runs: int, number: int) -> dict[str, Any]:
        """Three marks for each inference: there is nothing between the first two, so they show the cost of marking itself."""
        feeds, engine = self.feeds(length), self.session.engine
        # As little of the interpreter's own work as there can be: it varies with its caches.
        run: partial[Any] = partial(engine.bare(feeds))
        for _ in range(WARM_UP_RUNS):
            run()
        mark: partial[Any] = partial(os.getpgid, number)
        # One loop in C from the first mark to the last: no bytecode is interpreted in between.
        steps: list[partial[Any]] = [mark, mark, run] * runs + [mark]
        gc.collect()
        gc.disable()
        deque(map(partial.__call__, steps), maxlen=0)
        gc.enable()
        return {}

    def _output(self, item: Any) -> list[float]:
        """The first output for the ids of a text, or for raw inputs by name."""
        session = self.session
        if isinstance(item, list):
            feeds: dict[str, Any] = dict(session.feeds([item]))
        else:
            feeds = {info.name: np.array(item[info.name], info.dtype) for info in session.manifest.inputs}
        values: list[float] = np.asarray(session.run(feeds), np.float64).reshape(-1).tolist()
        return values


if __name__ == "__main__":
    start(GuestBench)

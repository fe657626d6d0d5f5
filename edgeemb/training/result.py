"""What a training gave."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    :param path: the model's folder.
    :param texts: different texts that were learnt from.
    :param start: held-out score before training.
    :param best: held-out score of the saved weights.
    :param best_step: the step that they come from.
    :param steps: steps made.
    :param tables: bytes of each trained table, by alias.
    :param accuracy: test texts with the right label, in percent; None without a test.
    """

    path: Path
    texts: int
    start: float
    best: float
    best_step: int
    steps: int
    tables: dict[str, int]
    accuracy: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {**asdict(self), "path": str(self.path)}

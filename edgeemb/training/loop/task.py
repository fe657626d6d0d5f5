"""What the training loop requires of whatever it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True)
class Report:
    """The progress of a training.

    :param step: updates made.
    :param steps: updates in all.
    :param loss: mean loss since the last report.
    :param rate: tokens a second since the last report, of all processes.
    :param score: score on the held-out texts if they were just looked at, else None.
    :param best: the best score so far, or None.
    """

    step: int
    steps: int
    loss: float
    rate: float
    score: float | None
    best: float | None


#: Called after every step.
Watch = Callable[[Report], None]


def unwatched(report: Report) -> None:
    """The `Watch` that does nothing."""


class Task(Protocol):
    """Something to learn.

    :param module: what is trained; its parameters that need a gradient learn.
    :param lengths: int[n], tokens of each example.
    """

    module: nn.Module
    lengths: NDArray[np.int64]

    def loss(self, forward: Callable[..., Any], index: NDArray[np.int64]) -> Tensor:
        """The loss of a batch.

        :param forward: `module`, or what stands for it when several processes train together.
        :param index: places of the examples.
        """
        ...

    def score(self) -> float:
        """How well the module does on held-out examples; higher is better."""
        ...

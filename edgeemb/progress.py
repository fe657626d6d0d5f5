"""How long-running work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (steps done, steps in all).
Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """The `Progress` that shows nothing."""


#: Called with the name of a step and (done, total) within it; total 0 where it is not known.
Steps = Callable[[str, int, int], None]


def no_steps(step: str, done: int, total: int) -> None:
    """The `Steps` that shows nothing."""

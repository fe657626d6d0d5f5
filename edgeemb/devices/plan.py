"""What is to be measured, the same for every kind of device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeemb.errors import InputError


@dataclass(frozen=True)
class ProfilePlan:
    """What is to be measured. What a device or bundle cannot do is reported as absent, with the reason.

    :param lengths: sequence lengths in tokens.
    :param threads: thread counts.
    :param runs: inferences for each latency; None takes what the budget allows, 100 at least unless they
        are very slow.
    :param ops: ``auto``, ``builtin`` or ``custom`` lookups.
    :param ops_profile: also measure the cost by operator, at the first length that the bundle takes.
    :param budget_s: seconds for each latency.
    :param cores: ``all``, or the ``big`` or ``little`` ones of a phone.
    :param runtime_lib: the runtime's shared library for a phone, or None.
    :raises InputError: if a number makes no sense.
    """

    lengths: tuple[int, ...] = (16, 128)
    threads: tuple[int, ...] = (1,)
    runs: int | None = None
    ops: str = "auto"
    ops_profile: bool = False
    budget_s: float = 1.0
    cores: str = "all"
    runtime_lib: Path | None = None

    def __post_init__(self) -> None:
        runs = (1 if self.runs is None else self.runs,)
        for what, values in (
            ("sequence length", self.lengths),
            ("thread count", self.threads),
            ("run count", runs),
        ):
            wrong = [value for value in values if value < 1]
            if wrong or not values:
                raise InputError(f"{what} {wrong[0] if wrong else 'missing'}: give a number from 1 up")
        if not self.budget_s > 0:
            raise InputError(f"budget of {self.budget_s} s: give a positive number")

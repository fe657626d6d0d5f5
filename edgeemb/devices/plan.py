"""What is to be measured, the same for every kind of device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeemb.errors import InputError


@dataclass(frozen=True)
class ProfilePlan:
    """What is to be measured. What a device or bundle cannot do is reported as absent, with the reason.

    :param lengths: sequence lengths in tokens; by default 16 and 128, or those that the bundle was made for.
    :param threads: thread counts.
    :param runs: inferences for each latency; by default as many as the budget allows, and 100 at least unless they are very slow.
    :param ops: lookups to use.
    :param ops_profile: also measure the cost by operator, at the first length that the bundle takes.
    :param budget_s: seconds for each latency.
    :param cores: cores of a phone to run on; big ones have the highest clock, little ones the lowest.
    :param runtime_lib: shared library of the runtime for a phone, for example libonnxruntime.so.
    :param allow_code: compile and run source code that the bundle holds, as C exports do; allow it if you trust its author.
    :raises InputError: if a number makes no sense.
    """

    lengths: tuple[int, ...] = ()
    threads: tuple[int, ...] = (1,)
    runs: int | None = None
    ops: Literal["auto", "builtin", "custom"] = "auto"
    ops_profile: bool = False
    budget_s: float = 1.0
    cores: Literal["all", "big", "little"] = "all"
    runtime_lib: Path | None = None
    allow_code: bool = False

    def __post_init__(self) -> None:
        runs = (1 if self.runs is None else self.runs,)
        for what, values in (
            ("sequence length", self.lengths),
            ("thread count", self.threads),
            ("run count", runs),
        ):
            wrong = [value for value in values if value < 1]
            if wrong or not (values or what == "sequence length"):
                raise InputError(f"{what} {wrong[0] if wrong else 'missing'}: give a number of 1 or more")
        if not self.budget_s > 0:
            raise InputError(f"budget of {self.budget_s} s: give a positive number")

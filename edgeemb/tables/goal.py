"""Goals: `auto:...` in place of a spec lets the planner choose one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edgeemb.errors import SpecError

_AUTO = re.compile(r"auto(?::(.*))?")
_BYTES = re.compile(r"([0-9]*\.?[0-9]+)(B|bytes|kB|KB|MB|GB|KiB|MiB|GiB)?")
_UNITS = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
#: What to write, for messages.
HINT = "write auto:budget=2MB or auto:cosine=.99"


@dataclass(frozen=True)
class Goal:
    """What a plan is to reach: one of the two is set.

    :param budget: bytes that the table, or the body's matrices, may take.
    :param cosine: mean cosine to the original, in (0, 1].
    """

    budget: int | None = None
    cosine: float | None = None

    def __str__(self) -> str:
        return f"budget={self.budget}" if self.budget is not None else f"cosine={self.cosine}"


def parse_goal(text: str, kind: str = "table spec") -> Goal | None:
    """Read ``auto:budget=2MB`` or ``auto:cosine=.99``.

    :param text: what stands in the place of a spec.
    :param kind: what that spec is called in messages.
    :return: the goal, or None if it is not an ``auto`` spec.
    :raises SpecError: if it is one and does not parse.
    """
    match = _AUTO.fullmatch(text.strip())
    return (
        None
        if match is None
        else _read(match[1] or "", f"{kind} '{text}'", f"auto needs a budget or a cosine; {HINT}")
    )


def read_goal(text: str) -> Goal:
    """Read ``budget=14MB`` or ``cosine=.99``.

    :param text: the goal of a whole export.
    :raises SpecError: if it does not parse.
    """
    return _read(
        text.strip(), f"goal '{text}'", "it needs a budget or a cosine; write budget=14MB or cosine=.99"
    )


def _read(text: str, shown: str, hint: str) -> Goal:
    key, _, value = text.partition("=")
    if key == "budget":
        size = _BYTES.fullmatch(value.strip())
        budget = int(float(size[1]) * _UNITS.get(size[2] or "", 1)) if size is not None else 0
        if budget < 1:
            raise SpecError(f"{shown}: '{value}' is not a size; write for example budget=2MB")
        return Goal(budget=budget)
    if key == "cosine":
        try:
            cosine = float(value)
        except ValueError:
            cosine = math.nan
        if not 0 < cosine <= 1:
            raise SpecError(f"{shown}: a cosine is above 0 and at most 1; write cosine=.99")
        return Goal(cosine=cosine)
    raise SpecError(f"{shown}: {hint}")

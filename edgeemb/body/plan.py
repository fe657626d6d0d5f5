"""What a plan of a body found, for those who have no torch too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BodyPlan:
    """What a plan found.

    :param goal: what it was to reach, as text.
    :param four: names of the layers that get 4 bits.
    :param layers: how many there were to choose from.
    :param stored: bytes of their matrices.
    :param cosine: mean cosine of the model's vectors to those of the model in float, on inputs that no grid was fitted to.
    """

    goal: str
    four: tuple[str, ...]
    layers: int
    stored: int
    cosine: float

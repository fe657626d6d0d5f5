"""Plots as places in percent of their width and height, so that they fit a phone as well; ``page.html`` draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

# Where the axes of a scatter plot lie, in percent of its width and height.
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 95.0, 6.0, 84.0
#: A mark further to the right would be cut off.
_LAST = 99.7


@dataclass(frozen=True)
class Segment:
    """A piece of a bar.

    :param value: its length in the unit of the plot.
    :param colour: name of its colour in the page's style sheet.
    """

    value: float
    colour: str


@dataclass(frozen=True)
class Piece:
    """A segment where it is drawn: its start and its width in percent, and its colour."""

    start: float
    width: float
    colour: str


@dataclass(frozen=True)
class Bar:
    """A horizontal bar.

    :param pieces: its pieces from left to right.
    :param marks: places of thin lines across the bar, in percent.
    :param says: what it shows, as text for screen readers.
    """

    pieces: tuple[Piece, ...]
    marks: tuple[float, ...]
    says: str


@dataclass(frozen=True)
class Tick:
    """A line of a plot's grid: its place in percent, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Scatter:
    """Points by two values, numbered from 1.

    :param places: of each point x and y, in percent.
    :param x_ticks: the grid of the x axis, from the left.
    :param y_ticks: the grid of the y axis, from the bottom.
    :param x_label: what x is, with its unit.
    :param y_label: what y is, with its unit.
    :param legend: what each point is.
    """

    kind: ClassVar = "scatter"
    left: ClassVar = _LEFT
    right: ClassVar = _RIGHT
    top: ClassVar = _TOP
    bottom: ClassVar = _BOTTOM

    places: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    legend: tuple[str, ...]

    @property
    def says(self) -> str:
        """What it shows, as text for screen readers."""
        return "; ".join(self.legend)


def bar(segments: Sequence[Segment], whole: float, *, marks: Sequence[float] = (), says: str = "") -> Bar:
    """A horizontal bar.

    :param segments: its pieces from left to right.
    :param whole: the value that corresponds to the full width, unless the pieces need more.
    :param marks: values that get a thin line across the bar.
    :param says: what it shows, as text for screen readers.
    """
    whole = max(whole, sum(segment.value for segment in segments), 1e-9)
    pieces = []
    start = 0.0
    for segment in segments:
        width = 100 * segment.value / whole
        pieces.append(Piece(start, width, segment.colour))
        start += width
    return Bar(tuple(pieces), tuple(min(100 * mark / whole, _LAST) for mark in marks), says)


def scatter(
    points: Sequence[tuple[float, float]], x_label: str, y_label: str, legend: Sequence[str]
) -> Scatter:
    """Points by two values; the x axis starts at 0, the y axis fits the points.

    :param points: x and y of each.
    :param x_label: what x is, with its unit.
    :param y_label: what y is, with its unit.
    :param legend: what each point is.
    """
    xs, ys = zip(*points, strict=True)
    x_axis, y_axis = ticks(0.0, max(xs)), ticks(min(ys), max(ys))
    return Scatter(
        tuple((_along(x, x_axis, _LEFT, _RIGHT), _along(y, y_axis, _BOTTOM, _TOP)) for x, y in points),
        tuple(Tick(_along(tick, x_axis, _LEFT, _RIGHT), f"{tick:g}") for tick in x_axis),
        tuple(Tick(_along(tick, y_axis, _BOTTOM, _TOP), f"{tick:g}") for tick in y_axis),
        x_label,
        y_label,
        tuple(legend),
    )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers in increasing order, the first not above ``low`` and the last not below ``high``; at least two.

    :param low: the smallest value.
    :param high: the largest value.
    """
    span = high - low
    if span < max(1e-9, 1e-9 * abs(high)):
        span = max(abs(high), 1e-9) if high else 1.0
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if span / (factor * power) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _along(value: float, axis: Sequence[float], start: float, end: float) -> float:
    return start + (end - start) * (value - axis[0]) / (axis[-1] - axis[0])

"""Plots as inline SVG: lengths are percentages, text has a fixed size, so that they fit a phone as well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

BAR_HEIGHT = 18
SCATTER_HEIGHT = 260

# Where the axes of a scatter plot lie, in percent of its width and height.
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 95.0, 6.0, 84.0


@dataclass(frozen=True)
class Segment:
    """A piece of a bar.

    :param value: its length in the unit of the plot.
    :param colour: name of its colour in the page's style sheet.
    """

    value: float
    colour: str


@dataclass(frozen=True)
class Point:
    """A point of a scatter plot, marked with its number."""

    x: float
    y: float


def bar(segments: Sequence[Segment], whole: float, *, marks: Sequence[float] = (), says: str = "") -> str:
    """A horizontal bar.

    :param segments: its pieces from left to right.
    :param whole: the value that corresponds to the full width, unless the pieces need more.
    :param marks: values that get a thin line across the bar.
    :param says: what it shows, as text for screen readers.
    """
    whole = max(whole, sum(segment.value for segment in segments), 1e-9)
    parts = []
    start = 0.0
    for segment in segments:
        width = 100 * segment.value / whole
        place = f'x="{start:.3f}%" width="{width:.3f}%"'
        parts.append(f'<rect class="{segment.colour}" {place} height="{BAR_HEIGHT}"/>')
        start += width
    for mark in marks:
        at = f"{min(100 * mark / whole, 99.7):.3f}%"
        parts.append(f'<line class="mark" x1="{at}" x2="{at}" y1="-1" y2="{BAR_HEIGHT + 1}"/>')
    return _svg("".join(parts), BAR_HEIGHT, says)


def scatter(points: Sequence[Point], x_label: str, y_label: str, *, says: str = "") -> str:
    """Points by two values; the x axis starts at 0, the y axis fits the points.

    :param points: the points, numbered from 1.
    :param x_label: what x is, with its unit.
    :param y_label: what y is, with its unit.
    :param says: what it shows, as text for screen readers.
    """
    x_ticks = ticks(0.0, max(point.x for point in points))
    y_ticks = ticks(min(point.y for point in points), max(point.y for point in points))
    parts = []
    for tick in x_ticks:
        at = _along(tick, x_ticks, _LEFT, _RIGHT)
        parts.append(f'<line class="grid" x1="{at:.2f}%" x2="{at:.2f}%" y1="{_TOP}%" y2="{_BOTTOM}%"/>')
        parts.append(f'<text x="{at:.2f}%" y="{_BOTTOM + 6}%" text-anchor="middle">{tick:g}</text>')
    for tick in y_ticks:
        at = _along(tick, y_ticks, _BOTTOM, _TOP)
        parts.append(f'<line class="grid" x1="{_LEFT}%" x2="{_RIGHT}%" y1="{at:.2f}%" y2="{at:.2f}%"/>')
        parts.append(f'<text x="{_LEFT - 2}%" y="{at:.2f}%" dy="4" text-anchor="end">{tick:g}</text>')
    for number, point in enumerate(points, 1):
        x, y = _along(point.x, x_ticks, _LEFT, _RIGHT), _along(point.y, y_ticks, _BOTTOM, _TOP)
        parts.append(f'<circle class="point" cx="{x:.2f}%" cy="{y:.2f}%" r="9"/>')
        parts.append(
            f'<text class="number" x="{x:.2f}%" y="{y:.2f}%" dy="4" text-anchor="middle">{number}</text>'
        )
    parts.append(f'<text x="{_RIGHT}%" y="98%" text-anchor="end">{escape(x_label)}</text>')
    return f'<p class="axis">{escape(y_label)}</p>{_svg("".join(parts), SCATTER_HEIGHT, says)}'


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


def _svg(body: str, height: int, says: str) -> str:
    return f'<svg role="img" aria-label="{escape(says)}" width="100%" height="{height}">{body}</svg>'


def _along(value: float, axis: Sequence[float], start: float, end: float) -> float:
    return start + (end - start) * (value - axis[0]) / (axis[-1] - axis[0])

"""Marks: how a program on an emulated phone says where what is counted begins and ends."""

from __future__ import annotations

from collections.abc import Sequence

#: The system call ``getpgid`` for this process marks a point: the first process is always there, and no runtime asks for its group.
MARK = 1


def between(marks: Sequence[int]) -> list[int]:
    """Instructions of the inferences between marks: two marks before each, with nothing between them, and one after the last.

    :param marks: counts at the marks.
    """
    firsts, seconds, ends = marks[:-1:2], marks[1::2], marks[2::2]
    return [
        (end - second) - (second - first) for first, second, end in zip(firsts, seconds, ends, strict=True)
    ]

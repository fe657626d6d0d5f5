"""What a program on an emulated phone leaves behind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """A program that ended well.

    :param output: what it wrote to its standard output.
    :param marks: instructions that it had executed at each mark.
    """

    output: str
    marks: tuple[int, ...]

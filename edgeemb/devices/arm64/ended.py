"""How a program on an emulated phone ends: with what it leaves behind, or with the reason why it failed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeemb.devices.arm64.phone import Phone
from edgeemb.errors import DeviceError


@dataclass(frozen=True)
class Ended:
    """A program that ended well.

    :param output: what it wrote to its standard output.
    :param marks: instructions that it had executed at each mark.
    """

    output: str
    marks: tuple[int, ...]


def failure(phone: Phone, program: Path, status: int, errors: str) -> DeviceError:
    """The error for a program that failed.

    :param phone: what it ran on.
    :param program: the program.
    :param status: its exit status, or the negative number of the signal that ended it.
    :param errors: what it wrote to its standard error.
    """
    lines = errors.strip().splitlines() or [f"exit status {status}"]
    return DeviceError(f"the emulated {program.name} failed: {phone.deaths().get(-status, lines[-1])}")

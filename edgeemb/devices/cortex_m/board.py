"""Simulated boards: one TOML file each in ``devices/boards``; to add a board, add a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeemb.errors import DeviceError
from edgeemb.files import read_text
from edgeemb.native.libraries import find_sources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class Region:
    """A piece of memory: its first address and its size in bytes."""

    origin: int
    bytes: int


@dataclass(frozen=True)
class Board:
    """A board.

    :param name: name of its file and for `device`.
    :param summary: a one-line description.
    :param core: name of the processor.
    :param qemu: machine of qemu-system-arm; empty where it has none like it.
    :param unicorn: name of unicorn's constant for the processor; empty where it cannot simulate it.
    :param target: target of zig.
    :param cpu: processor of zig, with its floating-point unit: a bare name compiles to software floats.
    :param gcc: the same for arm-none-eabi-gcc.
    :param cycles: processor whose published timings hold, ``cortex-m3`` or ``cortex-m4``; empty for none.
    :param stack_bytes: what the stack may take.
    :param flash: code, and the weights where there is no external memory.
    :param ram: stack, arena and statics.
    :param external: memory for weights, or None.
    """

    name: str
    summary: str
    core: str
    qemu: str
    unicorn: str
    target: str
    cpu: str
    gcc: tuple[str, ...]
    cycles: str
    stack_bytes: int
    flash: Region
    ram: Region
    external: Region | None


def boards(folder: Path | None = None) -> dict[str, Board]:
    """All boards by name.

    :param folder: where their files are; by default those that edgeemb comes with.
    :raises DeviceError: if a file is damaged.
    """
    place = folder or find_sources() / "devices" / "boards"
    return {path.stem: read_board(path) for path in sorted(place.glob("*.toml"))}


def find_board(name: str) -> Board:
    """A board by name.

    :raises DeviceError: if there is none of that name.
    """
    known = boards()
    if name not in known:
        raise DeviceError(f"board '{name}' is not known: use {', '.join(known)}")
    return known[name]


def read_board(path: Path) -> Board:
    """Read a board's file.

    :param path: the file.
    :raises DeviceError: if it is damaged, or lacks a field.
    """
    try:
        values = tomllib.loads(read_text(path, _MAX_BYTES, DeviceError))
        external = values.get("external")
        return Board(
            name=path.stem,
            **{
                key: str(values[key])
                for key in ("summary", "core", "qemu", "unicorn", "target", "cpu", "cycles")
            },
            gcc=tuple(map(str, values["gcc"])),
            stack_bytes=int(values["stack_bytes"]),
            flash=_region(values["flash"]),
            ram=_region(values["ram"]),
            external=None if external is None else _region(external),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise DeviceError(
            f"{path} does not describe a board ({error}): compare it with another one"
        ) from None


def _region(values: Any) -> Region:
    return Region(int(values["origin"]), int(values["bytes"]))

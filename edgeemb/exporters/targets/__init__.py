"""Targets: what an export aims at. A target is a TOML file in ``edgeemb/exporters/targets``; to add one, add a file."""

from __future__ import annotations

import platform
import sys
from dataclasses import MISSING, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgeemb.errors import SpecError, unknown
from edgeemb.files import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class Target:
    """A target and its defaults.

    :param name: name on the command line.
    :param summary: one line for people.
    :param runtime: default runtime, a key of `edgeemb.runtimes.registry.RUNTIMES`.
    :param ops: default lowering of the lookups, ``custom`` or ``builtin``.
    :param abis: platforms whose native libraries the bundle carries when ops is ``custom``.
    :param table: default spec of word tables.
    :param body: default precision of everything else.
    :param runtimes: runtimes that the target can take; empty for the default alone.
    :param builtin_only: runtimes that cannot be given ops there, whatever `ops` says.
    :param flash_bytes: what the bundle's model and tokenizer may occupy, or None.
    :param ram_bytes: what the device has to run in, or None.
    :param page_bytes: alignment that the platform's loader requires of native libraries, or None.
    :param packing: how the C runtime's weights are stored: ``panels`` for application processors, ``pairs`` for microcontrollers.
    :param kit: folder under ``export/`` whose integration code the bundle carries, or None.
    """

    name: str
    summary: str
    runtime: str
    ops: str
    abis: tuple[str, ...]
    table: str
    body: str
    runtimes: tuple[str, ...] = ()
    builtin_only: tuple[str, ...] = ()
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    page_bytes: int | None = None
    packing: str = "panels"
    kit: str | None = None


def targets() -> dict[str, Target]:
    """All targets by name, in alphabetical order."""
    found = {}
    for entry in sorted(files("edgeemb.exporters.targets").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            name = entry.name.removesuffix(".toml")
            found[name] = _target(name, tomllib.loads(entry.read_text("utf-8")))
    return found


def find_target(name: str | None) -> Target:
    """A target by name, or from a file of your own.

    :param name: its name, or the path of a ``.toml`` file; None for the machine this runs on.
    :raises SpecError: if there is no such target (the message lists what there is, and the nearest name), or the file does not describe one.
    """
    if name is not None and name.endswith(".toml"):
        return _read(Path(name))
    known = targets()
    wanted = name or host_abi()
    if wanted not in known:
        raise SpecError(unknown("target", wanted, known))
    return known[wanted]


def _read(path: Path) -> Target:
    try:
        values = tomllib.loads(read_text(path, _MAX_BYTES, SpecError))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path} is not TOML ({error}): see docs/targets.md") from None
    return _target(path.stem, values)


def host_abi() -> str:
    """Name of the platform this runs on, as targets and ``lib/<abi>/`` spell it, for example ``linux-x64``."""
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")
    machine = platform.machine().lower()
    return f"{system}-{'arm64' if machine in ('aarch64', 'arm64') else 'x64' if machine in ('x86_64', 'amd64') else machine}"


def _target(name: str, values: dict[str, Any]) -> Target:
    unknown = sorted(set(values) - {field.name for field in fields(Target)})
    if unknown:
        raise SpecError(f"target {name}: '{unknown[0]}' is not a property of a target; see docs/targets.md")
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    try:
        return Target(name=name, **{**values, **lists})
    except TypeError:
        missing = [
            field.name
            for field in fields(Target)
            if field.default is MISSING and field.name not in {"name", *values}
        ]
        raise SpecError(f"target {name} lacks '{missing[0]}'; see docs/targets.md") from None

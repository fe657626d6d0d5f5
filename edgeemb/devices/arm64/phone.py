"""Emulated phone CPUs: one TOML file each in ``devices/phones``; to add one, add a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from edgeemb.errors import DeviceError
from edgeemb.files import read_text
from edgeemb.native.libraries import find_sources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MAX_BYTES = 1 << 16
_FIELDS = ("implementer", "architecture", "variant", "part", "revision")


@dataclass(frozen=True)
class Phone:
    """A phone's CPU.

    :param name: name of its file and for `device`.
    :param summary: a one-line description.
    :param core: name of the processor.
    :param qemu: what ``qemu-aarch64 -cpu`` calls it.
    :param cpuinfo: text of its ``/proc/cpuinfo``, with one core.
    """

    name: str
    summary: str
    core: str
    qemu: str
    cpuinfo: str


def phones(folder: Path | None = None) -> dict[str, Phone]:
    """All phone CPUs by name.

    :param folder: where their files are; by default those that edgeemb comes with.
    :raises DeviceError: if a file is damaged.
    """
    place = folder or find_sources() / "devices" / "phones"
    return {path.stem: read_phone(path) for path in sorted(place.glob("*.toml"))}


def read_phone(path: Path) -> Phone:
    """Read a phone CPU's file.

    :param path: the file.
    :raises DeviceError: if it is damaged, or lacks a field.
    """
    try:
        values = tomllib.loads(read_text(path, _MAX_BYTES, DeviceError))
        texts = {key: str(values[key]) for key in ("summary", "core", "qemu")}
        fields = values["cpuinfo"]
        lines = ["processor\t: 0", "BogoMIPS\t: 50.00", f"Features\t: {fields['features']}"]
        lines += [f"CPU {name}\t: {fields[name]}" for name in _FIELDS]
        return Phone(path.stem, **texts, cpuinfo="\n".join(lines) + "\n\n")
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise DeviceError(
            f"{path} does not describe a phone's CPU ({error}): compare it with another one"
        ) from None

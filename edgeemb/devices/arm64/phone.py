"""Emulated phone CPUs: one TOML file each in ``devices/phones``; to add one, add a file."""

from __future__ import annotations

import signal
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
    :param unicorn: name of unicorn's constant for it, or for a processor that has all of its instructions; empty where there is none.
    :param features: what ``/proc/cpuinfo`` and the kernel's hardware capabilities say that it has.
    :param cpuinfo: text of its ``/proc/cpuinfo``, with one core.
    """

    name: str
    summary: str
    core: str
    qemu: str
    unicorn: str
    features: tuple[str, ...]
    cpuinfo: str

    def deaths(self) -> dict[int, str]:
        """What it means when a program on it is ended by a signal, by the signal's number."""
        return {
            signal.SIGILL: f"the runtime executed an instruction that the emulated {self.core} does not have (SIGILL): "
            "choose a newer CPU, or a runtime that was built for this one",
            signal.SIGSEGV: f"the runtime crashed on the emulated {self.core} (SIGSEGV): try another runtime",
            signal.SIGABRT: f"the runtime gave up on the emulated {self.core} (SIGABRT): try another runtime",
        }


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
        texts = {key: str(values[key]) for key in ("summary", "core", "qemu", "unicorn")}
        fields = values["cpuinfo"]
        lines = ["processor\t: 0", "BogoMIPS\t: 50.00", f"Features\t: {fields['features']}"]
        lines += [f"CPU {name}\t: {fields[name]}" for name in _FIELDS]
        features = tuple(str(fields["features"]).split())
        return Phone(path.stem, **texts, features=features, cpuinfo="\n".join(lines) + "\n\n")
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise DeviceError(
            f"{path} does not describe a phone's CPU ({error}): compare it with another one"
        ) from None

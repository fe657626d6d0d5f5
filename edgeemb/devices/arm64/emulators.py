"""What can run a program for 64-bit Arm and count its instructions. The first that is there is used, unless one is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgeemb.devices.arm64 import qemu, unicorn
from edgeemb.devices.arm64.ended import Ended
from edgeemb.devices.arm64.phone import Phone
from edgeemb.errors import DeviceError, SpecError


@dataclass(frozen=True)
class Emulator:
    """An emulator.

    :param name: what follows the phone's name after a colon.
    :param remedy: how to get it.
    :param found: whether it is installed.
    :param version: its name and version.
    :param knows: whether it has the CPU of a phone.
    :param run: runs a static program to its end: the phone, the program, its arguments, and the folder that it runs in.
    :param runs_systems: whether it also runs Python, and so the bundles of every runtime.
    """

    name: str
    remedy: str
    found: Callable[[], bool]
    version: Callable[[], str]
    knows: Callable[[Phone], bool]
    run: Callable[[Phone, Path, Sequence[str], Path], Ended]
    runs_systems: bool


#: By name, the one that is preferred first.
EMULATORS = {
    emulator.name: emulator
    for emulator in (
        Emulator(
            "qemu",
            "apt-get install qemu-user",
            lambda: shutil.which(qemu.PROGRAM) is not None,
            qemu.version,
            lambda phone: bool(phone.qemu),
            qemu.run,
            runs_systems=True,
        ),
        Emulator(
            "unicorn",
            "pip install unicorn pyelftools",
            lambda: bool(find_spec("unicorn") and find_spec("elftools")),
            unicorn.version,
            lambda phone: bool(phone.unicorn),
            unicorn.run,
            runs_systems=False,
        ),
    )
}


def choose(phone: Phone, asked: str = "", *, is_program: bool) -> Emulator:
    """The emulator to use.

    :param phone: the CPU.
    :param asked: name of one; empty for the first that is installed.
    :param is_program: whether what runs is one static program, as C exports are.
    :raises SpecError: if it is not known, or does not have this CPU.
    :raises DeviceError: if it runs programs only and this is none, or no emulator that can is installed.
    """
    if asked and asked not in EMULATORS:
        names = " or ".join(f"{phone.name}:{name}" for name in EMULATORS)
        raise SpecError(f"emulator '{asked}' is not known: use {names}")
    known = [emulator for emulator in EMULATORS.values() if emulator.knows(phone)]
    wanted = [emulator for emulator in known if asked in ("", emulator.name)]
    if not wanted:
        names = " or ".join(f"{phone.name}:{emulator.name}" for emulator in known)
        raise SpecError(f"{asked or 'no emulator'} has no {phone.core}: use {names or 'another phone'}")
    able = [emulator for emulator in wanted if is_program or emulator.runs_systems]
    if not able:
        raise DeviceError(
            f'{asked} runs C exports only: use {phone.name}:qemu, or export the bundle with runtime="c"'
        )
    for emulator in able:
        if emulator.found():
            return emulator
    missing = (
        f"no emulator is installed for this bundle: {', or '.join(emulator.remedy for emulator in able)}"
    )
    raise DeviceError(missing + ("" if is_program else '; for a C export (runtime="c") unicorn is enough'))

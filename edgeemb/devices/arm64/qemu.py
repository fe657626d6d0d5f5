"""Running programs for 64-bit Arm in QEMU's user mode, counted by a plugin."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeemb.devices.arm64.ended import Ended, failure
from edgeemb.devices.arm64.marks import MARK
from edgeemb.devices.arm64.phone import Phone
from edgeemb.devices.counter import counter
from edgeemb.errors import DeviceError
from edgeemb.scratch import Scratch

PROGRAM = "qemu-aarch64"

_LIMIT_S = 3600
_MAX_COUNTS_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Machine:
    """An emulated phone that programs can be started on.

    :param phone: its CPU.
    :param root: folder that stands for ``/`` where it has a file.
    :param counts: file that the counter writes.
    """

    phone: Phone
    root: Path
    counts: Path

    def command(self) -> list[str]:
        """The emulator with its options; the program and its arguments follow it.

        :raises DeviceError: if QEMU is not installed.
        :raises NativeError: if the counter cannot be compiled.
        """
        plugin = f"{counter('count_qemu')},getpgid={MARK},out={self.counts}"
        # The seed is for the random bytes that a program starts with: it is the same program every time.
        options = ["-cpu", self.phone.qemu, "-seed", "1", "-L", str(self.root), "-plugin", plugin]
        return [emulator(), *options]

    def marks(self) -> list[int]:
        """Instructions that the marking thread had executed at each mark so far.

        :raises DeviceError: if the counter wrote nothing.
        """
        try:
            if self.counts.stat().st_size > _MAX_COUNTS_BYTES:
                raise DeviceError(f"{PROGRAM} counted more marks than are possible: report this as a bug")
            lines = self.counts.read_text("utf-8").splitlines()
        except OSError:
            raise DeviceError(
                f"{PROGRAM} cannot load the counting plugin: install the package qemu-user, not qemu-user-static"
            ) from None
        return [int(line.split()[1]) for line in lines if line.startswith("mark ")]


def emulator() -> str:
    """Path of QEMU.

    :raises DeviceError: if it is not installed.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise DeviceError(f"{PROGRAM} is not installed: apt-get install qemu-user")
    return found


@contextmanager
def machine(phone: Phone, system: Path | None) -> Iterator[Machine]:
    """An emulated phone for as long as the block runs: a system, and in it the ``/proc/cpuinfo`` of the CPU.

    :param phone: its CPU.
    :param system: what `edgeemb.devices.arm64.system.system` gave; None for programs that need none.
    """
    with Scratch() as scratch:
        root = scratch / "root"
        (root / "proc").mkdir(parents=True)
        (root / "proc" / "cpuinfo").write_text(phone.cpuinfo, "utf-8")
        for entry in system.iterdir() if system is not None else ():
            if entry.name != "proc":
                (root / entry.name).symlink_to(entry)
        yield Machine(phone, root, scratch / "counts.txt")


def run(phone: Phone, program: Path, arguments: Sequence[str], folder: Path) -> Ended:
    """Run a static program to its end; the parameters are those of `edgeemb.devices.arm64.emulators.Emulator`.

    :raises DeviceError: if QEMU is missing, or the program fails.
    """
    with machine(phone, None) as emulated:
        try:
            done = subprocess.run(
                [*emulated.command(), str(program), *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"the emulated {program.name} did not end within {_LIMIT_S} s: measure shorter lengths"
            ) from None
        if done.returncode:
            raise failure(phone, program, done.returncode, done.stderr)
        return Ended(done.stdout, tuple(emulated.marks()))


def version() -> str:
    """Name and version of QEMU, as it reports them.

    :raises DeviceError: if it is not installed.
    """
    done = subprocess.run([emulator(), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version ([\w.]+)", done.stdout)
    return f"QEMU {found[1]}" if found else "QEMU"

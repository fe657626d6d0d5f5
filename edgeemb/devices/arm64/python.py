"""A Python for 64-bit Arm in the emulated phone, with a bundle's runtime, this edgeemb, and its native libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeemb.cache import cache_folder, digest_of, made_once
from edgeemb.devices.arm64.native import libraries
from edgeemb.devices.arm64.phone import Phone
from edgeemb.devices.arm64.qemu import Machine, machine
from edgeemb.devices.arm64.system import python, site, system
from edgeemb.devices.host.process import Launcher
from edgeemb.errors import DeviceError, NativeError
from edgeemb.native.libraries import python_package
from edgeemb.quiet import NO_TELEMETRY
from edgeemb.runtimes.registry import RUNTIMES
from edgeemb.runtimes.runtime import Runtime

#: Packages that any bundle needs there, in addition to those of its runtime; dependencies that an inference does not need are left out.
COMMON = ("numpy", "tokenizers", "msgspec", "filelock", "platformdirs")

#: Other threads would make the counts of the measuring one depend on their timing.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Guest:
    """An emulated phone with Python on it.

    :param machine: the emulated phone.
    :param launcher: starts a measuring process on it.
    :param notes: what is not as on a real one.
    """

    machine: Machine
    launcher: Launcher
    notes: tuple[str, ...] = ()


@contextmanager
def guest(phone: Phone, runtime: Runtime, module: str, *, ops: str = "auto") -> Iterator[Guest]:
    """An emulated phone with Python and a runtime for as long as the block runs.

    :param phone: its CPU.
    :param runtime: the bundle's.
    :param module: module that the process runs.
    :param ops: ``builtin`` does without our libraries, ``custom`` needs them, ``auto`` takes them where they can be compiled.
    :raises DeviceError: if the runtime does not exist there, or the system around it cannot be set up.
    :raises NativeError: if our libraries are needed and cannot be compiled.
    """
    on_phone = runtime.phone
    if on_phone is None or not on_phone.packages:
        able = [
            other.name
            for other in RUNTIMES.values()
            if other.phone and (other.phone.packages or other.is_source)
        ]
        raise DeviceError(
            f"{runtime.title} does not exist for a phone: export the bundle for {', '.join(able)}"
        )
    debian = system()
    interpreter = python(debian)
    release = interpreter.name.removeprefix("python")
    packages_there = site((*COMMON, *on_phone.packages), release)
    environment = {
        **_ONE_THREAD,
        "PYTHONHOME": str(debian / "usr"),
        # Compiled modules are kept: in an emulator it takes a while to compile them.
        "PYTHONPYCACHEPREFIX": str(cache_folder() / "arm64" / "compiled"),
        "PYTHONHASHSEED": "0",
        # Uploads run on threads of their own, and what they allocate changes the counts.
        **NO_TELEMETRY,
        "PYTHONIOENCODING": "utf-8",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
    }
    notes = []
    native: Path | None = None
    if ops != "builtin":
        try:
            native = libraries()
        except NativeError as error:
            if ops == "custom":
                raise
            notes.append(f"Lookups are the runtime's own ops: {error}.")
    if on_phone.environment:
        environment |= runtime.resolve(on_phone.environment)(packages_there)
    environment["PYTHONPATH"] = f"{_package(native)}:{packages_there}"
    with machine(phone, debian) as emulated:
        command = (*emulated.command(), str(interpreter), "-m", module)
        yield Guest(emulated, Launcher(command, environment, phone.deaths()), tuple(notes))


def _package(native: Path | None) -> Path:
    """Folder with this edgeemb, and in it native libraries for another machine; at a fixed place, so that compiled modules stay valid."""
    package = python_package()
    entries = sorted(
        entry.relative_to(package)
        for folder in (package, package / "native")
        for entry in folder.iterdir()
        if entry.name not in ("__pycache__", "native", "lib", "sources")
    )

    def link(folder: Path) -> None:
        place = folder / "edgeemb"
        (place / "native").mkdir(parents=True)
        for entry in entries:
            (place / entry).symlink_to(package / entry)
        if native is not None:
            (place / "native" / "lib").symlink_to(native)

    return made_once(
        f"arm64/package-{digest_of(str(native), str(package), *map(str, entries))}", link, DeviceError
    )

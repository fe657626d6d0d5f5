"""The known devices. Adding a kind of device means adding its folder, which provides `Device` records, and a line
here, or calling `register` from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name

from edgeemb.devices import android, arm64, cortex_m, host, tflm
from edgeemb.devices.device import Device
from edgeemb.devices.measurement import KINDS, Report
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import SpecError, unknown
from edgeemb.progress import Progress, silent

#: Each gives the devices of a room; those that are read from files are read when they are asked for.
ROOMS: list[Callable[[], list[Device]]] = [
    host.devices,
    android.devices,
    tflm.devices,
    arm64.devices,
    cortex_m.devices,
]


def devices() -> list[Device]:
    """Every known device, whether it can be used now or not."""
    return [device for room in ROOMS for device in room()]


def attached() -> list[Device]:
    """The phones on adb, ready or not; empty if there is no adb."""
    return android.attached()


def find_device(name: str) -> Device:
    """A device by its name.

    :param name: its name, possibly with something after a colon.
    :raises SpecError: if there is none; the message lists those that there are, and names the nearest.
    """
    known = {device.name: device for device in devices()}
    wanted = name.partition(":")[0]
    if wanted in known:
        return known[wanted]
    raise SpecError(unknown("device", wanted, known))


def profile_on(device: str, bundle: Path, plan: ProfilePlan, progress: Progress = silent) -> Report:
    """Measure a bundle on a device.

    :param device: name of the device.
    :param bundle: the bundle's folder or zip file.
    :param plan: what to measure.
    :param progress: called with (steps done, steps in all).
    :raises SpecError: if there is no such device, or it has no cores to choose and takes no library.
    :raises DeviceError: if the measurement fails.
    """
    found = find_device(device)
    if not found.has_cores and (plan.cores != "all" or plan.runtime_lib is not None):
        raise SpecError(f'`cores` and `runtime_lib` are for phones, not for {device}: use device="android"')
    return found.profile(device, bundle, plan, progress)


def register(room: Callable[[], list[Device]]) -> None:
    """Add devices to those that this process knows.

    :param room: returns the devices; it is called whenever they are listed.
    :raises SpecError: if a name is taken, or a device names something that cannot be called; the message says what.
    """
    taken = {device.name for device in devices()}
    for device in room():
        if device.name in taken:
            raise SpecError(f"device '{device.name}' has a name that is taken")
        if device.kind not in KINDS:
            raise SpecError(f"device '{device.name}' is of kind '{device.kind}': use {', '.join(KINDS)}")
        try:
            profile = resolve_name(device.profiles)
        except (ImportError, AttributeError, ValueError) as error:
            raise SpecError(
                f"device '{device.name}' names profiles=\"{device.profiles}\", which cannot be imported ({error})"
            ) from None
        if not callable(profile):
            raise SpecError(
                f"device '{device.name}' names profiles=\"{device.profiles}\", which cannot be called"
            )
    ROOMS.append(room)

"""The devices that there are. Adding a kind of device means adding its room, which gives `Device` records, and a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeemb.devices import android, arm64, cortex_m, host, tflm
from edgeemb.devices.device import Device
from edgeemb.devices.measurement import Report
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
    """Every device that there is, whether it can be used now or not."""
    return [device for room in ROOMS for device in room()]


def attached() -> list[Device]:
    """The phones on adb, ready or not; empty where there is no adb."""
    return android.attached()


def find_device(name: str) -> Device:
    """A device by its name.

    :param name: its name, perhaps with something behind a colon.
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

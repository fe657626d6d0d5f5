"""What a bundle can be measured on: this machine, and simulated or attached devices. One profiler per kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeemb.errors import DeviceError, SpecError
from edgeemb.progress import Progress, silent

if TYPE_CHECKING:
    from edgeemb.devices.measurement import Report
    from edgeemb.devices.plan import ProfilePlan


@dataclass(frozen=True)
class DeviceInfo:
    """A device: its name for ``--device``, its kind as in `edgeemb.devices.measurement.KINDS`, and a line about it."""

    name: str
    kind: str
    summary: str


def devices() -> list[DeviceInfo]:
    """Every device there is."""
    from edgeemb.devices.arm64.phone import phones
    from edgeemb.devices.cortex_m.board import boards

    return [
        DeviceInfo("host", "host", "this machine, a fresh process per measurement"),
        DeviceInfo(
            "android",
            "phone",
            "the phone on adb, by a runner that is sent to it; android:SERIAL where there are several",
        ),
        DeviceInfo("tflm", "simulated", "TensorFlow Lite Micro's interpreter: arena, missing ops, parity"),
        *(DeviceInfo(name, "emulated", phone.summary) for name, phone in phones().items()),
        *(DeviceInfo(name, "simulated", board.summary) for name, board in boards().items()),
    ]


def attached() -> list[DeviceInfo]:
    """The phones on adb, ready or not; empty where there is no adb."""
    from edgeemb.devices.android import adb

    try:
        phones = adb.attached()
    except DeviceError:
        return []
    return [DeviceInfo(f"android:{phone.serial}", "phone", phone.trouble or phone.model) for phone in phones]


def find_device(name: str) -> DeviceInfo:
    """A device by what is given to ``--device``.

    :param name: its name, perhaps with something behind a colon.
    :raises SpecError: if there is no such device.
    """
    known = devices()
    for info in known:
        if info.name == name.partition(":")[0]:
            return info
    raise SpecError(f"device '{name}' is not known: use {', '.join(info.name for info in known)}")


def profile_on(device: str, bundle: Path, plan: ProfilePlan, progress: Progress = silent) -> Report:
    """Measure a bundle on a device.

    :param device: name of the device.
    :param bundle: the bundle's folder.
    :param plan: what to measure.
    :param progress: called with (steps done, steps in all).
    :raises SpecError: if there is no such device, or it has no cores to choose and takes no library.
    :raises DeviceError: if the measurement fails.
    """
    from edgeemb.devices.arm64.phone import phones
    from edgeemb.devices.cortex_m.board import boards

    if device.partition(":")[0] == "android":
        from edgeemb.devices.android.profile import profile as profile_phone

        return profile_phone(device, bundle, plan, progress=progress)
    if plan.cores != "all" or plan.runtime_lib is not None:
        raise SpecError(f"--cores and --runtime-lib are for phones, not for {device}: use --device android")
    if device == "host":
        from edgeemb.devices.host.profile import profile

        return profile(bundle, plan, progress=progress)
    if device == "tflm":
        from edgeemb.devices.tflm.profile import profile as profile_tflm

        return profile_tflm(bundle, plan, progress=progress)
    if device in phones():
        from edgeemb.devices.arm64.profile import profile as profile_emulated

        return profile_emulated(device, bundle, plan, progress=progress)
    if device.partition(":")[0] in boards():
        from edgeemb.devices.cortex_m.profile import profile as profile_board

        return profile_board(device, bundle, plan, progress=progress)
    raise SpecError(f"device '{device}' is not known: use {', '.join(info.name for info in devices())}")

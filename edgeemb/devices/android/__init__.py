"""Measuring on a phone over adb."""

from __future__ import annotations

from edgeemb.devices.device import Device
from edgeemb.errors import DeviceError

_PROFILE = "edgeemb.devices.android.profile:profile"


def devices() -> list[Device]:
    """The phone."""
    summary = (
        "the phone on adb, measured by a runner that is copied to it; android:SERIAL if there are several"
    )
    return [Device("android", "phone", summary, _PROFILE, has_cores=True)]


def attached() -> list[Device]:
    """The phones on adb, ready or not; empty if there is no adb."""
    from edgeemb.devices.android import adb

    try:
        phones = adb.attached()
    except DeviceError:
        return []
    return [
        Device(f"android:{phone.serial}", "phone", phone.trouble or phone.model, _PROFILE, has_cores=True)
        for phone in phones
    ]

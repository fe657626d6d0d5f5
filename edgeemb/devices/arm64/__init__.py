"""Measuring on an emulated phone CPU."""

from __future__ import annotations

from edgeemb.devices.device import Device


def devices() -> list[Device]:
    """The CPUs that ``devices/phones`` describes."""
    from edgeemb.devices.arm64.phone import phones

    profile = "edgeemb.devices.arm64.profile:profile"
    return [Device(name, "emulated", phone.summary, profile) for name, phone in phones().items()]

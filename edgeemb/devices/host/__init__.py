"""Measuring on this machine."""

from __future__ import annotations

from edgeemb.devices.device import Device


def devices() -> list[Device]:
    """This machine."""
    summary = "this machine, a fresh process per measurement"
    return [Device("host", "host", summary, "edgeemb.devices.host.profile:profile_device")]

"""Measuring on simulated microcontroller boards."""

from __future__ import annotations

from edgeemb.devices.device import Device


def devices() -> list[Device]:
    """The boards that ``devices/boards`` describes."""
    from edgeemb.devices.cortex_m.board import boards

    profile = "edgeemb.devices.cortex_m.profile:profile"
    return [Device(name, "simulated", board.summary, profile) for name, board in boards().items()]

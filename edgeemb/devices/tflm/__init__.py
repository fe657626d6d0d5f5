"""Measuring in TensorFlow Lite Micro's interpreter."""

from __future__ import annotations

from edgeemb.devices.device import Device


def devices() -> list[Device]:
    """The interpreter."""
    summary = "TensorFlow Lite Micro's interpreter: arena, missing ops, parity"
    return [Device("tflm", "simulated", summary, "edgeemb.devices.tflm.profile:profile")]

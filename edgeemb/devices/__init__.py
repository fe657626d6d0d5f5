"""What a bundle can be measured on: this machine, and simulated, emulated and attached devices."""

from __future__ import annotations

from edgeemb.devices.registry import attached, devices, find_device, profile_on

__all__ = ["attached", "devices", "find_device", "profile_on"]

"""What there is to know of a device, in one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from edgeemb.devices.measurement import Report
from edgeemb.devices.plan import ProfilePlan
from edgeemb.progress import Progress

#: Measures a bundle on a device: the device's name with anything after its colon, the bundle, what to measure, and the progress.
Profile = Callable[[str, Path, ProfilePlan, Progress], Report]


@dataclass(frozen=True)
class Device:
    """A device.

    :param name: its name for ``device=``; a simulator or a serial number may follow after a colon.
    :param kind: as in `edgeemb.devices.measurement.KINDS`.
    :param summary: a one-line description.
    :param profiles: a `Profile`, as ``module:function``, imported when it is called.
    :param has_cores: whether cores and the runtime's library can be chosen, as on a phone.
    """

    name: str
    kind: str
    summary: str
    profiles: str
    has_cores: bool = False

    def profile(self, name: str, bundle: Path, plan: ProfilePlan, progress: Progress) -> Report:
        """Measure a bundle.

        :param name: the device's name as given, including anything after the colon.
        :param bundle: the bundle's folder or zip file.
        :param plan: what to measure.
        :param progress: called with (steps done, steps in all).
        :raises DeviceError: if the measurement fails.
        """
        profile: Profile = resolve_name(self.profiles)
        return profile(name, bundle, plan, progress)

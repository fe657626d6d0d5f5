"""What a run on an emulated phone found, before it becomes a report."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeemb.devices.host.memory import Reading
from edgeemb.devices.measurement import Operator


@dataclass
class Findings:
    """What a run on an emulated phone found.

    :param ops: the lowering of the lookups that was in use.
    :param kernel: variant of the native lookup kernel, or empty.
    :param instructions: executed instructions of each counted inference, by length.
    :param outputs: results for the golden inputs.
    :param memory: the program's memory before the bundle, after it was loaded, and after inferences.
    :param operators: cost by part, where it is known.
    :param notes: how it was measured.
    """

    ops: str
    kernel: str
    instructions: dict[int, list[int]]
    outputs: list[list[float]]
    memory: tuple[Reading, Reading, Reading]
    operators: tuple[Operator, ...] = ()
    notes: list[str] = field(default_factory=list)

"""The inputs and outputs of a simulated inference, the same for both simulators."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.devices.cortex_m.firmware import Firmware
from edgeemb.errors import DeviceError
from edgeemb.runtimes.c.sources import STATUS

#: Files that the firmware reads and writes.
INPUT, OUTPUT, STACK, FAULT = "input.bin", "output.bin", "stack.bin", "fault.bin"

#: Bytes of the longest text that the firmware takes.
TEXT_BYTES = 2048

#: Exit status of the firmware after a fault.
FAULTED = 70


@dataclass(frozen=True)
class Count:
    """What one part of an inference cost.

    :param instructions: executed instructions, exact.
    :param read: bytes loaded; 0 where they were not counted.
    :param written: bytes stored; 0 where they were not counted.
    :param cycles: the range of cycles by published timings, not validated on silicon; (0, 0) where there are none.
    """

    instructions: int
    read: int = 0
    written: int = 0
    cycles: tuple[int, int] = (0, 0)

    def __add__(self, other: Count) -> Count:
        low, high = (mine + its for mine, its in zip(self.cycles, other.cycles, strict=True))
        return Count(
            self.instructions + other.instructions,
            self.read + other.read,
            self.written + other.written,
            (low, high),
        )


@dataclass(frozen=True)
class Inference:
    """One inference: its result and the cost of its parts in order."""

    output: NDArray[np.float32]
    parts: tuple[Count, ...]

    @property
    def total(self) -> Count:
        """The cost of the whole inference."""
        return sum(self.parts[1:], self.parts[0])


@dataclass(frozen=True)
class Run:
    """What a simulator reports.

    :param inferences: one per input.
    :param stack: peak bytes of stack.
    """

    inferences: tuple[Inference, ...]
    stack: int


def write_inputs(folder: Path, inputs: Sequence[Sequence[int]]) -> None:
    """Several texts as the firmware reads them.

    :param folder: where the simulator runs.
    :param inputs: ids of each text, or its bytes where the model has no vocabulary.
    :raises DeviceError: if a text is too long for the firmware.
    """
    long = next((given for given in inputs if isinstance(given, bytes) and len(given) > TEXT_BYTES), None)
    if long is not None:
        raise DeviceError(f"a text has {len(long)} bytes, the firmware takes {TEXT_BYTES}: use shorter ones")
    with (folder / INPUT).open("wb") as file:
        for given in inputs:
            packed = bytes(given) if isinstance(given, bytes) else struct.pack(f"<{len(given)}i", *given)
            file.write(struct.pack("<I", len(given)) + packed)


def read_results(
    folder: Path, outputs: int, marks: Sequence[tuple[int, ...]], inputs: int, stages: int
) -> Run:
    """What the firmware and the counter wrote.

    :param folder: where the simulator ran.
    :param outputs: floats of a result, of the longest text where it has a row for each token.
    :param marks: running counts at each mark: instructions, and where known bytes read, written and cycles.
    :param inputs: number of inferences.
    :param stages: parts of an inference; one mark more is executed.
    :raises DeviceError: if the model refused an input, or something is missing.
    """
    record = np.dtype([("status", "<i4"), ("output", "<f4", (outputs,))])
    place = folder / OUTPUT
    results: NDArray[Any] = np.fromfile(place, record) if place.is_file() else np.empty(0, record)
    if len(results) != inputs or len(marks) != inputs * (stages + 1):
        raise DeviceError(
            f"the simulator ran {len(results)} of {inputs} inferences ({len(marks)} marks): report this as a bug"
        )
    refused = results["status"].nonzero()[0]
    if len(refused):
        status = int(results["status"][refused[0]])
        raise DeviceError(
            f"the model refused input {refused[0] + 1}: {STATUS.get(status, f'status {status}')}"
        )
    table = np.array(marks, np.int64).reshape(inputs, stages + 1, -1)
    costs = np.diff(table, axis=1)
    inferences = [
        Inference(np.array(result["output"], np.float32), tuple(_count(row) for row in cost))
        for result, cost in zip(results, costs, strict=True)
    ]
    return Run(tuple(inferences), struct.unpack("<I", (folder / STACK).read_bytes())[0])


def _count(row: NDArray[np.int64]) -> Count:
    values = [int(value) for value in row]
    return (
        Count(values[0], values[1], values[2], (values[3], values[4]))
        if len(values) == 5
        else Count(values[0])
    )


def fault_error(folder: Path, firmware: Firmware) -> DeviceError:
    """The error for a firmware that faulted: where, why, and at what address.

    :param folder: where the simulator ran.
    :param firmware: what ran.
    """
    try:
        pc, cause, address, on_stack = struct.unpack("<4I", (folder / FAULT).read_bytes())
    except (OSError, struct.error):
        return DeviceError("the firmware faulted and could not report where: report this as a bug")
    if not on_stack:
        return overflow_error()
    precise = f", address {address:#010x}" if cause & 0x8000 else ""
    return DeviceError(
        f"the firmware faulted in {firmware.symbol_at(pc)} (pc {pc:#010x}{precise}, CFSR {cause:#010x})"
    )


def overflow_error() -> DeviceError:
    """The error for a stack that left the memory."""
    return DeviceError("the stack of the firmware overflowed: raise stack_bytes in the board's file")


def hung_error(limit: int, where: str) -> DeviceError:
    """The error for a firmware that ran too long.

    :param limit: instructions after which it was stopped.
    :param where: function that it was in.
    """
    return DeviceError(
        f"the firmware did not end within {limit} instructions, it was in {where}: it hangs, or the limit is too low"
    )

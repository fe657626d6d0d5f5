"""Running a firmware in QEMU, counted by a plugin."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgeemb.devices.cortex_m.board import Board
from edgeemb.devices.cortex_m.firmware import Firmware
from edgeemb.devices.cortex_m.run import (
    FAULTED,
    Run,
    fault_error,
    hung_error,
    read_results,
    write_inputs,
)
from edgeemb.devices.counter import LIMIT, counter
from edgeemb.errors import DeviceError

PROGRAM = "qemu-system-arm"
_COUNTS = "counts.txt"
_HUNG = 9
_SECONDS = 3600
_CORES = {"cortex-m3": 3, "cortex-m4": 4}


def run(
    firmware: Firmware,
    board: Board,
    inputs: Sequence[Sequence[int]],
    outputs: int,
    stages: int,
    folder: Path,
    *,
    memory: bool = False,
    limit: int = LIMIT,
) -> Run:
    """Run a firmware over some inputs.

    :param firmware: what to run.
    :param board: its board.
    :param inputs: ids of each text.
    :param outputs: floats of a result.
    :param stages: parts of an inference.
    :param folder: an empty folder for the files that the firmware reads and writes.
    :param memory: also count the bytes that are loaded and stored, which takes longer.
    :param limit: instructions after which it counts as hung.
    :raises DeviceError: if QEMU is missing or fails, or the firmware faults or hangs.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise DeviceError(
            f"{PROGRAM} is not installed: apt-get install qemu-system-arm, or pip install 'edgeemb[micro]' for unicorn"
        )
    write_inputs(folder, inputs)
    counts = folder / _COUNTS
    options = [f"mark={firmware.symbols['eem_mark']:#x}", f"limit={limit}", f"out={counts}"]
    options += ["memory=on"] if memory else []
    options += [f"cycles={_CORES[board.cycles]}"] if board.cycles else []
    command = [program, "-M", board.qemu, "-nographic", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(firmware.path)]
    command += ["-plugin", ",".join([str(counter("count_qemu")), *options])]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(f"{PROGRAM} did not end within {_SECONDS} s: measure fewer inputs") from None
    lines = counts.read_text("utf-8").splitlines() if counts.is_file() else []
    if done.returncode == _HUNG and lines:
        raise hung_error(limit, firmware.symbol_at(int(lines[-1].split()[1])))
    if done.returncode == FAULTED:
        raise fault_error(folder, firmware)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        raise DeviceError(f"{PROGRAM} failed on {board.name}: {reason}")
    marks = [tuple(map(int, line.split()[1:])) for line in lines if line.startswith("mark ")]
    return read_results(folder, outputs, marks, len(inputs), stages)

"""C exports on an emulated phone CPU: one static program, compiled for 64-bit Arm, that needs no system around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeemb.bundle.manifest import Manifest
from edgeemb.devices.arm64.emulators import Emulator
from edgeemb.devices.arm64.findings import Findings
from edgeemb.devices.arm64.marks import MARK
from edgeemb.devices.arm64.memory import guest_memory
from edgeemb.devices.arm64.native import c_compiler
from edgeemb.devices.arm64.phone import Phone
from edgeemb.devices.cortex_m.run import read_results, write_inputs
from edgeemb.devices.feeds import make_feeds
from edgeemb.devices.host.memory import Reading
from edgeemb.devices.parts import part_operators
from edgeemb.native.compilers import FLAGS, run_compiler
from edgeemb.native.libraries import find_sources
from edgeemb.progress import Progress
from edgeemb.runtimes.c.sources import read_sizes, result_rows, sources, symbol_prefix
from edgeemb.scratch import Scratch

#: Times that each length is run, to see that the count repeats.
COUNTED_RUNS = 2
NOTE = "Instructions are exact for the program that was compiled; the markers between the parts add a few."


def run_program(
    emulator: Emulator,
    phone: Phone,
    folder: Path,
    manifest: Manifest,
    lengths: Sequence[int],
    golden: Sequence[Any],
    progress: Progress,
) -> Findings:
    """Run a C export.

    :param emulator: what runs it.
    :param phone: the CPU.
    :param folder: the bundle.
    :param manifest: its manifest.
    :param lengths: lengths in tokens to count instructions for.
    :param golden: ids of texts to give the results for.
    :param progress: called with (steps done, steps in all).
    :raises DeviceError: if the emulator is missing, or the program fails.
    :raises NativeError: if there is no compiler for 64-bit Arm.
    """
    sizes = read_sizes(folder, manifest.name)
    made = [make_feeds(manifest, length)[manifest.inputs[0].name][0].tolist() for length in lengths]
    inputs = [ids for ids in made for _ in range(COUNTED_RUNS)] + list(golden)
    with Scratch() as place:
        rows = result_rows(sizes, sizes["tokens"])
        program = _compile(folder, manifest.name, rows, place)
        progress(1, 2)
        write_inputs(place, inputs)
        ended = emulator.run(phone, program, (), place)
        stages = 2 * sizes["layers"] + 3
        marks = [(mark,) for mark in ended.marks]
        inferences = read_results(place, rows * sizes["outputs"], marks, len(inputs), stages).inferences
        before, after = (
            _memory((place / f"maps.{number}").read_text(), (place / f"smaps.{number}").read_text())
            for number in (0, 1)
        )
    progress(2, 2)
    counted = inferences[: len(lengths) * COUNTED_RUNS]
    instructions = {
        length: [one.total.instructions for one in counted[at * COUNTED_RUNS :][:COUNTED_RUNS]]
        for at, length in enumerate(lengths)
    }
    outputs = [
        one.output[: result_rows(sizes, len(ids)) * sizes["outputs"]].tolist()
        for one, ids in zip(inferences[len(counted) :], golden, strict=True)
    ]
    operators = part_operators(counted[0], sizes["layers"]) if counted else ()
    return Findings(
        "builtin", "serial", instructions, outputs, (before, before, after), operators, notes=[NOTE]
    )


def _memory(maps: str, smaps: str) -> Reading:
    """What the program used; nothing where the emulator's system does not say it."""
    return guest_memory(maps, smaps) if smaps else Reading(None, None, None)


def _compile(folder: Path, name: str, rows: int, out: Path) -> Path:
    prefix = symbol_prefix(name)
    program = out / "program"
    defines = ("EEM_MARKS", f"PREFIX={prefix}", f"UPPER={prefix.upper()}", f"ROWS={rows}", f"MARK={MARK}")
    run_compiler(
        [
            *c_compiler(static=True),
            *FLAGS,
            *(f"-D{define}" for define in defines),
            f"-I{folder}",
            str(find_sources() / "devices" / "emulated" / "main.c"),
            *map(str, sources(folder)),
            "-o",
            str(program),
        ]
    )
    return program

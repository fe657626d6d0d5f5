"""Profile C exports on simulated Cortex-M boards: exact instructions and memory, and no time.

``--device mps2-an386`` uses QEMU if it is installed, otherwise unicorn; ``mps2-an386:unicorn`` names the simulator.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeemb.bundle.golden import agreement, read_golden, read_golden_texts
from edgeemb.bundle.manifest import COMPILED_TOKENIZER, Manifest
from edgeemb.devices.cortex_m import qemu as cortex_m_qemu
from edgeemb.devices.cortex_m import unicorn as cortex_m_unicorn
from edgeemb.devices.cortex_m.board import Board, find_board
from edgeemb.devices.cortex_m.firmware import Firmware, build, check_budget
from edgeemb.devices.cortex_m.run import Count, Inference, Run, overflow_error
from edgeemb.devices.counter import LIMIT
from edgeemb.devices.feeds import make_feeds, make_text, settled
from edgeemb.devices.host.machine import version_of
from edgeemb.devices.measurement import Machine, Measurement, Report, Subject
from edgeemb.devices.parts import part_operators
from edgeemb.devices.plan import ProfilePlan
from edgeemb.devices.texts import text_of
from edgeemb.errors import DeviceError, SpecError
from edgeemb.progress import Progress, silent
from edgeemb.runtimes.c.parts import part_names
from edgeemb.runtimes.c.sources import has_function, read_sizes, result_rows
from edgeemb.runtimes.opening import check_code, checked
from edgeemb.runtimes.registry import find_runtime
from edgeemb.runtimes.tokenizer import open_tokenizer
from edgeemb.scratch import Scratch

ENGINES = ("qemu", "unicorn")
#: Golden sentences that are run to see whether the board gives the same bits as the host.
GOLDEN_RUNS = 4

NO_TIME = "a simulator does not have the silicon's clock: only instructions and memory are exact"
NOTES = (
    "Instructions are exact for the firmware that was built; the markers between the parts add a few.",
    "Stack is the peak, found by painting it; the arena is the bundle's own and fits its longest text.",
)
CYCLES_NOTE = "Cycles are a range from Arm's published timings for memory without wait states, not validated on silicon."


def profile(
    device: str, bundle: Path, plan: ProfilePlan, progress: Progress = silent, *, limit: int = LIMIT
) -> Report:
    """Profile a C export on a simulated board.

    :param device: a board's name, or ``NAME:qemu`` or ``NAME:unicorn``.
    :param bundle: the bundle's folder or zip file.
    :param plan: lengths; what a simulator cannot measure is reported as absent.
    :param progress: called with (steps done, steps in all).
    :param limit: executed instructions after which the firmware counts as hung.
    :raises DeviceError: if the bundle is not a C export or is too large, or the simulator is missing or fails.
    :raises NativeError: if there is no cross compiler.
    """
    name, _, asked = device.partition(":")
    board = find_board(name)
    engine = choose_engine(board, asked)
    with checked(bundle) as (folder, manifest), Scratch() as scratch:
        plan = settled(plan, [manifest])
        check_code(bundle, manifest, allowed=plan.allow_code)
        return _profile(folder, bundle.name, manifest, board, engine, plan, scratch, progress, limit)


def choose_engine(board: Board, asked: str = "") -> str:
    """The simulator to use: the requested one, or else QEMU if it is installed, or else unicorn.

    :raises SpecError: if it is not one of `ENGINES`, or does not have the board.
    """
    if asked and asked not in ENGINES:
        raise SpecError(f"engine '{asked}' is not known: use {board.name}:{' or '.join(ENGINES)}")
    if asked == "qemu" and not board.qemu:
        raise SpecError(f"QEMU has no machine like {board.name}: use {board.name}:unicorn")
    if asked or not board.unicorn:
        return asked or "qemu"
    return "qemu" if board.qemu and shutil.which(cortex_m_qemu.PROGRAM) else "unicorn"


def simulate(
    engine: str,
    firmware: Firmware,
    board: Board,
    inputs: Sequence[Sequence[int]],
    outputs: int,
    layers: int,
    folder: Path,
    limit: int = LIMIT,
    *,
    memory: bool = False,
) -> Run:
    """Run a firmware over some inputs.

    :param engine: one of `ENGINES`.
    :param firmware: what `build` gave.
    :param board: its board.
    :param inputs: ids of each text, or its bytes where the model has no vocabulary.
    :param outputs: floats of a result, of the longest text where it has a row for each token.
    :param layers: layers of the encoder.
    :param folder: an empty folder for the firmware's files.
    :param limit: executed instructions after which it counts as hung.
    :param memory: also count the bytes that are loaded and stored (QEMU only).
    """
    stages = len(part_names(layers, text=any(isinstance(given, bytes) for given in inputs)))
    if engine == "qemu":
        run = cortex_m_qemu.run(firmware, board, inputs, outputs, stages, folder, memory=memory, limit=limit)
    else:
        run = cortex_m_unicorn.run(firmware, board, inputs, outputs, stages, folder, limit=limit)
    if run.stack >= board.stack_bytes:
        raise overflow_error()
    return run


def _profile(
    folder: Path,
    name: str,
    manifest: Manifest,
    board: Board,
    engine: str,
    plan: ProfilePlan,
    scratch: Path,
    progress: Progress,
    limit: int,
) -> Report:
    if not find_runtime(manifest.runtime).is_source:
        raise DeviceError(
            f'{name} is a bundle for {manifest.runtime}, {board.name} takes C: export it with target="cortex-m4"'
        )
    sizes = read_sizes(folder, manifest.name)
    check_budget(board, sizes["flash_bytes"], sizes["arena_bytes"])
    place = scratch / "run"
    place.mkdir()
    firmware = build(folder, manifest.name, board, scratch)
    progress(1, 2)
    lengths = [length for length in plan.lengths if length <= sizes["tokens"]]
    inputs, golden = _inputs(folder, manifest, lengths, text=sizes["width"] > 0)
    outputs, layers = result_rows(sizes, sizes["tokens"]) * sizes["outputs"], sizes["layers"]
    run = simulate(engine, firmware, board, inputs, outputs, layers, place, limit, memory=engine == "qemu")
    texts = _texts(folder, manifest, board, engine, lengths[:1], scratch, limit) if plan.ops_profile else []
    progress(2, 2)
    got = [
        inference.output[: result_rows(sizes, len(given)) * sizes["outputs"]].tolist()
        for inference, (given, _) in zip(run.inferences[len(lengths) :], golden, strict=True)
    ]
    notes = [*NOTES, agreement([output for _, output in golden], got)]
    notes += [CYCLES_NOTE] if board.cycles and engine == "qemu" else []
    return Report(
        device=board.name,
        kind="simulated",
        machine=Machine(board.core, 1, "none", (f"{engine}, {board.summary}",)),
        bundle=Subject.of(name, manifest, manifest.ops, "serial"),
        measurements=(
            *_memory(firmware, run, sizes["arena_bytes"]),
            *_costs(
                plan.lengths, dict(zip(lengths, run.inferences, strict=False)), sizes["tokens"], engine, board
            ),
            *texts,
        ),
        operators=part_operators(run.inferences[0], layers) if plan.ops_profile and lengths else (),
        notes=tuple(notes),
        versions={"edgeemb": version_of("edgeemb")},
    )


def _inputs(
    folder: Path, manifest: Manifest, lengths: Sequence[int], *, text: bool
) -> tuple[list[Sequence[int]], list[tuple[Any, list[float]]]]:
    """What is run: made-up inputs of each length, then the golden ones, which are given with their results too."""
    made: list[Sequence[int]]
    if text:
        golden = read_golden_texts(folder)[:GOLDEN_RUNS]
        made = [make_text(length).encode() for length in lengths]
    else:
        golden = read_golden(folder)[:GOLDEN_RUNS]
        made = [make_feeds(manifest, length)[manifest.inputs[0].name][0].tolist() for length in lengths]
    return [*made, *(given for given, _ in golden)], golden


def _texts(
    folder: Path,
    manifest: Manifest,
    board: Board,
    engine: str,
    lengths: Sequence[int],
    scratch: Path,
    limit: int,
) -> list[Measurement]:
    """What a text costs beside the inference, by a second firmware; nothing where the model has no compiled tokenizer, or takes no text alone."""
    if manifest.tokenizer or COMPILED_TOKENIZER not in manifest.files:
        return []
    if not has_function(folder, manifest.name, "run_text"):
        return []
    sizes = read_sizes(folder, manifest.name)
    tokenizer = open_tokenizer(folder, manifest)
    place = scratch / "text"
    (place / "run").mkdir(parents=True)
    firmware = build(folder, manifest.name, board, place, text=True)
    texts = [text_of(length, lambda text: tokenizer.ids([text])[0][0]).encode() for length in lengths]
    outputs = result_rows(sizes, sizes["tokens"]) * sizes["outputs"]
    run = simulate(engine, firmware, board, texts, outputs, sizes["layers"], place / "run", limit)
    found = [Measurement("flash_tokenizer_bytes", firmware.flash["tokenizer"])]
    for length, inference in zip(lengths, run.inferences, strict=True):
        found += [
            Measurement("tokens_instructions", inference.parts[0].instructions, length=length),
            Measurement("text_instructions", inference.total.instructions, length=length),
        ]
    return found


def _memory(firmware: Firmware, run: Run, arena: int) -> list[Measurement]:
    # The firmware that takes ids has no tokenizer.
    parts = {part: size for part, size in firmware.flash.items() if part != "tokenizer"}
    flash = [Measurement(f"flash_{part}_bytes", size) for part, size in parts.items()]
    return [
        Measurement("flash_bytes", sum(firmware.flash.values())),
        *flash,
        Measurement("ram_bytes", firmware.static + run.stack),
        Measurement("arena_bytes", arena),
        Measurement("static_bytes", firmware.static),
        Measurement("stack_bytes", run.stack),
    ]


def _costs(
    lengths: Sequence[int], inferences: dict[int, Inference], tokens: int, engine: str, board: Board
) -> list[Measurement]:
    measured = []
    for length in lengths:
        inference = inferences.get(length)
        absent = f"the bundle takes at most {tokens} tokens" if inference is None else ""
        cost = Count(0) if inference is None else inference.total
        uncounted = absent or ("" if engine == "qemu" else "unicorn counts instructions only")
        untimed = uncounted or ("" if board.cycles else f"Arm publishes no timings of the {board.core}")
        for name, value, reason in (
            ("inference_instructions", cost.instructions, absent),
            ("read_bytes", cost.read, uncounted),
            ("written_bytes", cost.written, uncounted),
            ("low_cycles", cost.cycles[0], untimed),
            ("high_cycles", cost.cycles[1], untimed),
        ):
            measured.append(Measurement(name, None if reason else value, reason, length=length))
        measured.append(Measurement("p50_ms", None, NO_TIME, length, threads=1))
    return measured

"""What a text costs on an emulated phone CPU before the model runs: the compiled tokenizer by itself, one static program."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from edgeemb.bundle.manifest import COMPILED_TOKENIZER, Manifest
from edgeemb.cache import digest_of, made_once
from edgeemb.devices.arm64.emulators import Emulator
from edgeemb.devices.arm64.marks import MARK
from edgeemb.devices.arm64.native import c_compiler
from edgeemb.devices.arm64.phone import Phone
from edgeemb.devices.measurement import Measurement
from edgeemb.devices.texts import text_of
from edgeemb.errors import DeviceError, NativeError
from edgeemb.native.compilers import FLAGS, run_compiler
from edgeemb.native.libraries import find_sources, runtime_sources
from edgeemb.runtimes.tokenizer import open_tokenizer
from edgeemb.scratch import Scratch

_SOURCE = Path("devices", "emulated", "text.c")
_PROGRAM = "tokenizer"


def measure_texts(
    emulator: Emulator, phone: Phone, folder: Path, manifest: Manifest, lengths: Sequence[int]
) -> tuple[list[Measurement], str]:
    """Instructions from a text to its tokens.

    :param emulator: what runs the tokenizer.
    :param phone: the CPU.
    :param folder: the bundle.
    :param manifest: its manifest.
    :param lengths: tokens of the texts.
    :return: a measurement for each length, and a note; neither where the bundle has no compiled tokenizer.
    :raises DeviceError: if the emulator is missing, or the program fails.
    :raises NativeError: if there is no compiler for 64-bit Arm.
    """
    if COMPILED_TOKENIZER not in manifest.files or manifest.tokenizer or not lengths:
        return [], ""
    tokenizer = open_tokenizer(folder, manifest)
    texts = [
        (
            manifest.prompt + text_of(length, lambda text: tokenizer.ids([manifest.prompt + text])[0][0])
        ).encode()
        for length in lengths
    ]
    counts = count_texts(emulator, phone, folder / COMPILED_TOKENIZER, texts, manifest.max_length)
    found = [
        Measurement("tokens_instructions", count, length=length)
        for length, count in zip(lengths, counts, strict=True)
    ]
    per_byte = sum(counts) / sum(map(len, texts))
    return found, (
        f"The tokenizer, compiled for this CPU, takes {per_byte:.0f} instructions a byte of these texts in English; no word is remembered."
    )


def count_texts(
    emulator: Emulator, phone: Phone, blob: Path, texts: Sequence[bytes], max_length: int = 0
) -> list[int]:
    """Instructions that a compiled tokenizer takes for each text.

    :param emulator: what runs it.
    :param phone: the CPU.
    :param blob: the compiled tokenizer.
    :param texts: the texts, UTF-8.
    :param max_length: tokens that there may be; 0 for any number.
    :raises DeviceError: if the emulator is missing, or the program fails.
    :raises NativeError: if there is no compiler for 64-bit Arm.
    """
    with Scratch() as place:
        given = place / "texts"
        given.write_bytes(b"".join(struct.pack("<I", len(text)) + text for text in texts))
        ended = emulator.run(phone, _program(), (str(blob), str(given), str(max_length)), place)
    if len(ended.output.split()) != len(texts):
        raise DeviceError(
            f"the emulated tokenizer read {len(ended.output.split())} of {len(texts)} texts: report this as a bug"
        )
    marks = ended.marks
    # Two marks with nothing between them stand before each text.
    return [
        (end - second) - (second - first)
        for first, second, end in zip(marks[::3], marks[1::3], marks[2::3], strict=True)
    ]


def _program() -> Path:
    """The program, compiled now unless it already was."""
    root = find_sources()
    contents = ((root / "runtimes" / path).read_bytes() for path in runtime_sources("text", "kernels"))
    digest = digest_of((root / _SOURCE).read_bytes(), *FLAGS, str(MARK), *contents)

    def compile_program(folder: Path) -> None:
        include = f"-I{root / 'runtimes'}"
        command = [*c_compiler(static=True), *FLAGS, f"-DMARK={MARK}", include, str(root / _SOURCE)]
        run_compiler([*command, "-o", str(folder / _PROGRAM)])

    return made_once(f"arm64/tokenizer-{digest}", compile_program, NativeError) / _PROGRAM

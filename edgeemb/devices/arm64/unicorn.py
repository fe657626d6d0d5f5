"""Running static programs for 64-bit Arm in unicorn: the processor is emulated, and Linux is what `linux` answers."""

from __future__ import annotations

import signal
import struct
from collections.abc import Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from edgeemb.devices.arm64.ended import Ended, failure
from edgeemb.devices.arm64.linux import Linux
from edgeemb.devices.arm64.pages import PAGE, Pages
from edgeemb.devices.arm64.phone import Phone
from edgeemb.devices.blocks import BlockCounter
from edgeemb.devices.counter import LIMIT
from edgeemb.errors import DeviceError

_STACK_TOP, _STACK_BYTES = 0x20_0000_0000, 8 << 20
_INSTRUCTION_BYTES = 4
_SYSTEM_CALL, _UNKNOWN_INSTRUCTION = 2, 1

#: Bits of AT_HWCAP in their order, by their names in /proc/cpuinfo: linux/arch/arm64/include/uapi/asm/hwcap.h.
_CAPABILITIES = [
    "fp",
    "asimd",
    "evtstrm",
    "aes",
    "pmull",
    "sha1",
    "sha2",
    "crc32",
    "atomics",
    "fphp",
    "asimdhp",
    "cpuid",
    "asimdrdm",
    "jscvt",
    "fcma",
    "lrcpc",
    "dcpop",
    "sha3",
    "sm3",
    "sm4",
    "asimddp",
]
# Entries of the auxiliary vector: linux/include/uapi/linux/auxvec.h.
_PHDR, _PHENT, _PHNUM, _PAGESZ, _ENTRY, _HWCAP, _RANDOM = 3, 4, 5, 6, 9, 16, 25


def version() -> str:
    """Name and version of unicorn."""
    return f"unicorn {installed('unicorn')}"


def run(phone: Phone, program: Path, arguments: Sequence[str], folder: Path) -> Ended:
    """Run a static program to its end; the parameters are those of `edgeemb.devices.arm64.emulators.Emulator`.

    :raises DeviceError: if unicorn is missing, or the program fails.
    """
    try:
        import unicorn
        from elftools.elf.elffile import ELFFile
        from unicorn import arm64_const
    except ModuleNotFoundError as error:
        raise DeviceError(f"{error.name} is not installed: pip install unicorn pyelftools") from None
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
    engine.ctl_set_cpu_model(getattr(arm64_const, phone.unicorn))
    pages = Pages(engine)
    with program.open("rb") as file:
        elf = ELFFile(file)
        entry = int(elf.header["e_entry"])
        engine.reg_write(arm64_const.UC_ARM64_REG_SP, _load(pages, elf, program, arguments, phone))
    counted = BlockCounter(engine, LIMIT, width=_INSTRUCTION_BYTES)
    system = Linux(pages, folder, arguments, lambda: counted.executed)
    registers = [getattr(arm64_const, f"UC_ARM64_REG_X{number}") for number in range(9)]

    def interrupt(engine: Any, number: int, data: object) -> None:
        if number != _SYSTEM_CALL:
            system.status = -(signal.SIGILL if number == _UNKNOWN_INSTRUCTION else signal.SIGSEGV)
            engine.emu_stop()
            return
        values = [engine.reg_read(register) for register in registers]
        engine.reg_write(registers[0], system.call(values[8], values[:6]) & (1 << 64) - 1)

    engine.hook_add(unicorn.UC_HOOK_INTR, interrupt)
    try:
        engine.emu_start(entry, 0)
    except unicorn.UcError as error:
        illegal = error.errno in (unicorn.UC_ERR_INSN_INVALID, unicorn.UC_ERR_EXCEPTION)
        system.status = -(signal.SIGILL if illegal else signal.SIGSEGV)
    finally:
        system.close()
    if counted.stopped_at:
        raise DeviceError(
            f"the emulated {program.name} did not end within {LIMIT} instructions: measure shorter lengths"
        )
    if system.status:
        raise failure(phone, program, system.status, system.errors.getvalue().decode("utf-8", "replace"))
    return Ended(system.output.getvalue().decode("utf-8", "replace"), tuple(system.marks))


def _load(pages: Pages, elf: Any, program: Path, arguments: Sequence[str], phone: Phone) -> int:
    """Lay a program and its stack out as the kernel does: linux/fs/binfmt_elf.c.

    :return: the stack's pointer.
    """
    table = 0
    for segment in elf.iter_segments("PT_LOAD"):
        offset, start, stored, size = (
            int(segment[key]) for key in ("p_offset", "p_vaddr", "p_filesz", "p_memsz")
        )
        if offset <= elf.header["e_phoff"] < offset + stored:
            table = start + elf.header["e_phoff"] - offset
        lead = start % PAGE
        of_file = -(-(lead + stored) // PAGE) * PAGE if stored else 0
        if stored:
            pages.add(start - lead, of_file, program, offset - lead)
            if size > stored:
                pages.engine.mem_write(start + stored, bytes(min(size - stored, of_file - lead - stored)))
        if lead + size > of_file:
            pages.add(start - lead + of_file, lead + size - of_file)
    pages.add(_STACK_TOP - _STACK_BYTES, _STACK_BYTES)
    texts = b"".join(text.encode() + b"\0" for text in (str(program), *arguments))
    # 16 bytes that stand for random ones: it is the same program every time.
    random = _STACK_TOP - 32
    at = random - len(texts)
    pages.engine.mem_write(at, texts)
    words = [1 + len(arguments)]
    for text in (str(program), *arguments):
        words.append(at)
        at += len(text.encode()) + 1
    capabilities = sum(1 << bit for bit, name in enumerate(_CAPABILITIES) if name in phone.features)
    auxiliary = {
        _PHDR: table,
        _PHENT: elf.header["e_phentsize"],
        _PHNUM: elf.header["e_phnum"],
        _PAGESZ: PAGE,
        _ENTRY: elf.header["e_entry"],
        _HWCAP: capabilities,
        _RANDOM: random,
        0: 0,
    }
    words += [0, 0, *(int(word) for pair in auxiliary.items() for word in pair)]
    pointer = (random - len(texts) - 8 * len(words)) & -16
    pages.engine.mem_write(pointer, struct.pack(f"<{len(words)}Q", *words))
    return pointer

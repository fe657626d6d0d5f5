"""Running a firmware in unicorn, counted by a hook in C. Memory is mapped to the board's exact size."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import IO, Any

from edgeemb.devices.blocks import BlockCounter
from edgeemb.devices.cortex_m.board import Board
from edgeemb.devices.cortex_m.firmware import Firmware
from edgeemb.devices.cortex_m.run import (
    FAULTED,
    Run,
    fault_error,
    hung_error,
    overflow_error,
    read_results,
    write_inputs,
)
from edgeemb.devices.counter import LIMIT
from edgeemb.errors import DeviceError

_PAGE = 4096
_SYSTEM = 0xE0000000
_SYSTEM_BYTES = 0x100000
_BREAKPOINT = 7
_FAILED = 0xFFFFFFFF


class _Call(IntEnum):
    """The semihosting operations that the firmware uses: Arm IHI 0098."""

    OPEN = 0x01
    CLOSE = 0x02
    WRITE = 0x05
    READ = 0x06
    EXIT = 0x20


def run(
    firmware: Firmware,
    board: Board,
    inputs: Sequence[Sequence[int]],
    outputs: int,
    stages: int,
    folder: Path,
    *,
    limit: int = LIMIT,
) -> Run:
    """Run a firmware over some inputs; the parameters are those of `edgeemb.devices.cortex_m.qemu.run`.

    :raises DeviceError: if unicorn is missing or does not support this processor, or the firmware faults or hangs.
    """
    try:
        import unicorn
        from unicorn import arm_const
    except ModuleNotFoundError:
        raise DeviceError(
            "unicorn is not installed: pip install unicorn, or apt-get install qemu-system-arm"
        ) from None
    if not board.unicorn:
        raise DeviceError(f"unicorn has no {board.core}: use the engine qemu")
    write_inputs(folder, inputs)
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    engine.ctl_set_cpu_model(getattr(arm_const, board.unicorn))
    for region in (board.flash, board.ram, board.external):
        if region is not None:
            engine.mem_map(region.origin, -(-region.bytes // _PAGE) * _PAGE)
    engine.mem_map(_SYSTEM, _SYSTEM_BYTES)
    code = bytearray(board.flash.bytes)
    for address, data in firmware.segments:
        engine.mem_write(address, data)
        if board.flash.origin <= address < board.flash.origin + board.flash.bytes:
            code[address - board.flash.origin : address - board.flash.origin + len(data)] = data
    with _Host(folder) as host:
        counted = BlockCounter(
            engine,
            limit,
            code=bytes(code),
            origin=board.flash.origin,
            mark=firmware.symbols["eem_mark"],
            most_marks=len(inputs) * (stages + 1) + 1,
        )
        engine.hook_add(unicorn.UC_HOOK_INTR, host.interrupt)
        stack, entry = struct.unpack_from("<II", code)
        engine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        try:
            engine.emu_start(entry | 1, 0xFFFFFFFE)
        except unicorn.UcError as error:
            pc = engine.reg_read(arm_const.UC_ARM_REG_PC)
            if engine.reg_read(arm_const.UC_ARM_REG_SP) < board.ram.origin:
                raise overflow_error() from None
            raise DeviceError(
                f"the firmware faulted in {firmware.symbol_at(pc)} (pc {pc:#010x}: {error})"
            ) from None
    if counted.stopped_at:
        raise hung_error(limit, firmware.symbol_at(counted.stopped_at))
    if host.status == FAULTED:
        raise fault_error(folder, firmware)
    if host.status:
        raise DeviceError(
            f"the firmware ended with status {host.status} on {board.name}: report this as a bug"
        )
    marks = [(value,) for value in counted.marks]
    return read_results(folder, outputs, marks, len(inputs), stages)


class _Host:
    """Answers the firmware's semihosting calls with files of one folder.

    :param folder: the only folder that it may touch.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status = -1
        self._files: dict[int, IO[bytes]] = {}

    def __enter__(self) -> _Host:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            file.close()

    def interrupt(self, engine: Any, number: int, data: object) -> None:
        """What unicorn calls at a breakpoint instruction."""
        from unicorn import arm_const

        pc = engine.reg_read(arm_const.UC_ARM_REG_PC)
        if number != _BREAKPOINT:
            self.status = FAULTED
            engine.emu_stop()
            return
        operation = engine.reg_read(arm_const.UC_ARM_REG_R0)
        address = engine.reg_read(arm_const.UC_ARM_REG_R1)
        words = struct.unpack("<3I", engine.mem_read(address, 12))
        if operation == _Call.EXIT:
            self.status = int(words[1])
            engine.emu_stop()
            return
        engine.reg_write(arm_const.UC_ARM_REG_R0, self._answer(engine, operation, words))
        engine.reg_write(arm_const.UC_ARM_REG_PC, (pc + 2) | 1)

    def _answer(self, engine: Any, operation: int, words: tuple[int, int, int]) -> int:
        first, second, third = words
        match operation:
            case _Call.OPEN:
                name = bytes(engine.mem_read(first, third)).decode("ascii", "replace")
                if "/" in name or name.startswith("."):
                    return _FAILED
                number = len(self._files) + 1
                self._files[number] = (self.folder / name).open("rb" if second < 4 else "wb")
                return number
            case _Call.CLOSE:
                self._files[first].close()
                return 0
            case _Call.READ:
                data = self._files[first].read(third)
                engine.mem_write(second, data)
                return third - len(data)
            case _Call.WRITE:
                self._files[first].write(bytes(engine.mem_read(second, third)))
                return 0
        return _FAILED

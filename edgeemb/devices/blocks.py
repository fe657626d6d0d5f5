"""Counting in unicorn: a hook in C at every basic block (``devices/plugin/count_unicorn.c``)."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from edgeemb.devices.counter import counter
from edgeemb.errors import DeviceError


class _State(ctypes.Structure):
    _fields_ = [
        ("executed", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("mark", ctypes.c_uint64),
        ("stopped_at", ctypes.c_uint64),
        ("width", ctypes.c_uint64),
        ("code", ctypes.c_void_p),
        ("code_origin", ctypes.c_uint64),
        ("code_bytes", ctypes.c_uint64),
        ("marks", ctypes.c_void_p),
        ("marks_capacity", ctypes.c_uint64),
        ("marks_count", ctypes.c_uint64),
        ("stop", ctypes.c_void_p),
    ]


class BlockCounter:
    """Counts what an engine executes; it must live as long as the engine runs.

    :param engine: an engine of unicorn.
    :param limit: executed instructions after which it is stopped.
    :param width: bytes of every instruction; 0 for Thumb, whose code must be given.
    :param code: the code, where instructions are of several sizes.
    :param origin: address of the code.
    :param mark: address of a function at whose entry the count so far is kept; 0 for none.
    :param most_marks: how often that may be.
    :raises DeviceError: if this unicorn does not take the hook.
    :raises NativeError: if there is no compiler for the hook.
    """

    def __init__(
        self,
        engine: Any,
        limit: int,
        *,
        width: int = 0,
        code: bytes = b"",
        origin: int = 0,
        mark: int = 0,
        most_marks: int = 0,
    ) -> None:
        from unicorn import UC_HOOK_BLOCK
        from unicorn.unicorn_py3.unicorn import uclib

        self._library = ctypes.CDLL(str(counter("count_unicorn")))
        self._places = np.zeros(most_marks + 1, np.uint64)
        self._code = ctypes.create_string_buffer(code, max(len(code), 1))
        self._hook = ctypes.c_size_t()
        self._state = _State(
            limit=limit,
            mark=mark,
            width=width,
            code=ctypes.addressof(self._code),
            code_origin=origin,
            code_bytes=len(code),
            marks=self._places.ctypes.data,
            marks_capacity=most_marks,
            stop=ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p),
        )
        status = uclib.uc_hook_add(
            engine._uch,
            ctypes.byref(self._hook),
            UC_HOOK_BLOCK,
            ctypes.cast(self._library.count_block, ctypes.c_void_p),
            ctypes.cast(ctypes.byref(self._state), ctypes.c_void_p),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status:
            raise DeviceError(f"unicorn refused the counter (status {status}): install unicorn 2.1")

    @property
    def executed(self) -> int:
        """Instructions so far, those of the block that is being executed included."""
        return int(self._state.executed)

    @property
    def stopped_at(self) -> int:
        """Address at which the limit was passed; 0 if it was not."""
        return int(self._state.stopped_at)

    @property
    def marks(self) -> list[int]:
        """Count at each entry of the marking function."""
        return [int(value) for value in self._places[: int(self._state.marks_count)]]

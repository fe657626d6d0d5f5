"""Binding of the ExecuTorch runner (`runtimes/executorch/runner.h`): programs run without torch in the process."""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import NativeError
from edgeemb.runtimes.executorch.build import build

_VERSION = 1
_MOST_DIMENSIONS = 16
_MESSAGE_BYTES = 1024
#: Element types by the runtime's number.
TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype(np.uint8),
    1: np.dtype(np.int8),
    3: np.dtype(np.int32),
    4: np.dtype(np.int64),
    5: np.dtype(np.float16),
    6: np.dtype(np.float32),
    7: np.dtype(np.float64),
    11: np.dtype(np.bool_),
}
_NUMBERS = {dtype: number for number, dtype in TYPES.items()}


#: What the runtime puts before the message of a failed check.
_CONDITION = re.compile(r"^Check failed \(.*?\): ")


class RunnerError(Exception):
    """The runtime's message, on one line; `code` is its error number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(_CONDITION.sub("", message) or f"error {code:#x}")
        self.code = code


@dataclass(frozen=True)
class InputInfo:
    """An input of a program: numpy name of its type, and the longest size that each axis takes."""

    dtype: str
    longest: tuple[int, ...]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("dims", ctypes.c_int32 * _MOST_DIMENSIONS),
        ("data", ctypes.c_void_p),
    ]


class Program:
    """An open program.

    :param path: the ``.pte`` file.
    :param tables: the ``.ptd`` file of its tables, or None.
    :param threads: 1 for the caller's thread alone, 0 for the process's thread pool as it is, else that many.
    :param profile: record every run for `write_profile`.
    :raises RunnerError: with the runtime's words if it cannot load it.
    :raises NativeError: if the runner cannot be built.
    """

    def __init__(
        self, path: Path, tables: Path | None = None, threads: int = 0, profile: bool = False
    ) -> None:
        self._library = _load()
        self._lock = threading.Lock()
        self._handle = ctypes.c_void_p()
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        code = self._library.edgeemb_executorch_open(
            str(path).encode(),
            None if tables is None else str(tables).encode(),
            threads,
            profile,
            ctypes.byref(self._handle),
            message,
            len(message),
        )
        _check(code, message)
        self.inputs = tuple(
            self._input(index) for index in range(self._library.edgeemb_executorch_inputs(self._handle))
        )
        #: Bytes planned for activations.
        self.planned_bytes: int = self._library.edgeemb_executorch_planned_bytes(self._handle)

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """All outputs, copied.

        :param inputs: contiguous arrays with the dtypes of `inputs`, in order.
        :raises RunnerError: with the runtime's words if it refuses them.
        """
        tensors = (_Tensor * max(len(inputs), 1))()
        for tensor, array in zip(tensors, inputs, strict=False):
            tensor.type = _NUMBERS[array.dtype]
            tensor.rank = array.ndim
            tensor.dims[: array.ndim] = array.shape
            tensor.data = array.ctypes.data
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        with self._lock:
            _check(
                self._library.edgeemb_executorch_run(
                    self._handle, tensors, len(inputs), message, len(message)
                ),
                message,
            )
            return [
                self._output(index) for index in range(self._library.edgeemb_executorch_outputs(self._handle))
            ]

    def write_profile(self, path: Path) -> None:
        """Write the record of all runs, an ETDump, and end it.

        :param path: the file.
        :raises RunnerError: if the program was not opened with `profile`, or the file cannot be written.
        """
        with self._lock:
            code = self._library.edgeemb_executorch_profile(self._handle, str(path).encode())
        if code:
            raise RunnerError(code, f"cannot write the profile {path}")

    def close(self) -> None:
        """Give back what the runtime holds."""
        with self._lock:
            handle, self._handle = self._handle, ctypes.c_void_p()
            if handle:
                self._library.edgeemb_executorch_close(handle)

    def _input(self, index: int) -> InputInfo:
        tensor = _Tensor()
        code = self._library.edgeemb_executorch_input(self._handle, index, ctypes.byref(tensor))
        if code or tensor.type not in TYPES:
            raise RunnerError(code, f"input {index} has a type that the runner does not know")
        return InputInfo(TYPES[tensor.type].name, tuple(tensor.dims[: tensor.rank]))

    def _output(self, index: int) -> NDArray[Any]:
        tensor = _Tensor()
        code = self._library.edgeemb_executorch_output(self._handle, index, ctypes.byref(tensor))
        if code or tensor.type not in TYPES:
            raise RunnerError(code, f"output {index} is not a tensor that the runner knows")
        shape = tuple(tensor.dims[: tensor.rank])
        result = np.empty(shape, TYPES[tensor.type])
        if result.nbytes:
            ctypes.memmove(result.ctypes.data, tensor.data, result.nbytes)
        return result


def _check(code: int, message: ctypes.Array[ctypes.c_char]) -> None:
    if code:
        raise RunnerError(code, message.value.decode(errors="replace"))


@cache
def _load() -> ctypes.CDLL:
    path = build()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeError(f"{path} cannot be loaded ({error}): delete it, it is built again") from None
    pointer, int32, text = ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p
    size = ctypes.c_size_t
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "version": (int32, []),
        "open": (int32, [text, text, int32, int32, pointer, text, size]),
        "inputs": (int32, [pointer]),
        "outputs": (int32, [pointer]),
        "input": (int32, [pointer, int32, pointer]),
        "planned_bytes": (ctypes.c_int64, [pointer]),
        "run": (int32, [pointer, pointer, int32, text, size]),
        "output": (int32, [pointer, int32, pointer]),
        "profile": (int32, [pointer, text]),
        "close": (None, [pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"edgeemb_executorch_{name}")
        function.restype = result
        function.argtypes = arguments
    if library.edgeemb_executorch_version() != _VERSION:
        raise NativeError(f"{path} is of another version than edgeemb: delete it, it is built again")
    return library

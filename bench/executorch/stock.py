"""The Python runtime of the executorch wheel, with the interface of the runner: for comparison.

It imports torch, and reads the whole file into memory that it locks.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import executorch.kernels.quantized  # noqa: F401  (registers the kernels of quantized_decomposed)
import numpy as np
import torch
from executorch.extension.pybindings import portable_lib
from numpy.typing import NDArray

from edgeemb.errors import first_line
from edgeemb.runtimes.executorch.build import build
from edgeemb.runtimes.executorch.runner import TYPES, InputInfo, RunnerError

#: The error number in a message such as "Failed to load method forward, error: 0x:14".
_CODE = re.compile(r"0x:?([0-9a-f]+)")
_UNKNOWN = 1


class StockProgram:
    """An open program.

    :param path: the ``.pte`` file.
    :param tables: the ``.ptd`` file of its tables, or None.
    :param threads: 0 leaves the process's thread pool as it is.
    :param custom: load our ops too.
    :raises RunnerError: with the runtime's words if it cannot load it.
    :raises NativeError: if our ops cannot be built.
    """

    def __init__(
        self, path: Path, tables: Path | None = None, threads: int = 0, custom: bool = False
    ) -> None:
        if custom:
            ctypes.CDLL(str(build()))
        if threads:
            portable_lib._unsafe_reset_threadpool(threads)
        try:
            self._module = portable_lib._load_for_executorch(
                str(path), None if tables is None else str(tables)
            )
            meta = self._module.method_meta("forward")
            infos = [meta.input_tensor_meta(index) for index in range(meta.num_inputs())]
        except RuntimeError as error:
            raise _refusal(error) from None
        self.inputs = tuple(InputInfo(TYPES[info.dtype()].name, tuple(info.sizes())) for info in infos)

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """All outputs, copied.

        :param inputs: contiguous arrays with the dtypes of `inputs`, in order.
        :raises RunnerError: with the runtime's words if it refuses them.
        """
        try:
            outputs = self._module.forward([torch.from_numpy(array) for array in inputs])
        except RuntimeError as error:
            raise _refusal(error) from None
        return [np.array(output) for output in outputs]

    def close(self) -> None:
        """Give back what the runtime holds."""
        del self._module


def _refusal(error: RuntimeError) -> RunnerError:
    message = first_line(error)
    code = _CODE.search(message)
    return RunnerError(int(code[1], 16) if code else _UNKNOWN, message)

"""Engine for ExecuTorch: a lean runner, which needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.bundle.pte import PROGRAM, TABLES
from edgeemb.errors import BundleError, InputError, SpecError
from edgeemb.runtimes.engine import Feeds, OpenOptions
from edgeemb.runtimes.executorch.build import executorch_version
from edgeemb.runtimes.executorch.runner import InputInfo, Program, RunnerError

#: The runtime's numbers of errors that have a remedy.
_NO_KERNEL = 0x14
_NO_TABLES = 0x02
_OTHER_TABLES = 0x20


class ExecuTorchEngine:
    """A bundle's program in ExecuTorch.

    :param folder: the bundle.
    :param manifest: its manifest.
    :param options: its ops are those that the program was exported with; threads are 1 for the caller's thread alone, 0 for the
        runtime's choice, else that many for the whole process.
    :raises NativeError: if the runner cannot be built.
    :raises BundleError: if the runtime cannot load the program.
    """

    def __init__(self, folder: Path, manifest: Manifest, options: OpenOptions) -> None:
        self.package = "executorch"
        self.ops = manifest.ops
        self.lengths = tuple(manifest.lengths)
        self._manifest = manifest
        self._profile = options.ops_profile
        path = folder / PROGRAM
        tables = folder / TABLES if (folder / TABLES).is_file() else None
        try:
            self.program = Program(path, tables, options.threads, options.ops_profile is not None)
        except RunnerError as error:
            raise BundleError(
                f"{path}: ExecuTorch {executorch_version()} cannot load it ({_explain(error)})"
            ) from None

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """All outputs. More rows than the program takes at once are run in parts.

        :param feeds: an array per input.
        :raises InputError: if an axis is longer than the program was exported for, or with the runtime's words if it refuses the inputs.
        """
        arrays = [np.asarray(feeds[info.name]) for info in self._manifest.inputs]
        try:
            parts = [self.program.run(part) for part in self._parts(arrays)]
        except RunnerError as error:
            raise InputError(f"ExecuTorch refused the inputs ({error})") from None
        return (
            parts[0] if len(parts) == 1 else [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
        )

    def bare(self, feeds: Feeds) -> Callable[[], object]:
        """A call of `run`, which makes no checks that could be skipped.

        :param feeds: an array per input.
        """
        return partial(self.run, feeds)

    @property
    def profile_note(self) -> str:
        """Nothing: the runtime's profile needs no explanation."""
        return ""

    def end_profile(self) -> Path:
        """Finish the per-op profile and give the file that holds it.

        :raises SpecError: if the session was opened without one.
        """
        from edgeemb.runtimes.executorch.profile import chrome_trace

        if self._profile is None:
            raise SpecError("this session records no profile: open it with ops_profile")
        record = Path(f"{self._profile}.etdump")
        self.program.write_profile(record)
        return chrome_trace(record, Path(f"{self._profile}.json"), next(iter(self._manifest.tables), "table"))

    def close(self) -> None:
        """Give back the program."""
        self.program.close()

    def _parts(self, arrays: list[NDArray[Any]]) -> Iterator[list[NDArray[Any]]]:
        """The inputs, cut along the batch into parts that the program takes."""
        most = self._rows_at_once(arrays)
        rows = len(arrays[0])
        # Texts go in at their own lengths, unless all have the same, or the outputs have a row for each token: these must fit beside one another.
        cuts = "length" in self._manifest.inputs[0].axes and not any(
            "length" in info.axes for info in self._manifest.outputs
        )
        for low in range(0, rows, most) if rows > most else (0,):
            part = [array[low : low + most] for array in arrays] if rows > most else arrays
            if rows > most and most == 1 and cuts and self._manifest.max_length and not self.lengths:
                width = max(int(np.max(np.nonzero(part[1][0])[0], initial=0)) + 1, 1)
                part = [np.ascontiguousarray(array[:, :width]) for array in part]
            for info, array, known in zip(self._manifest.inputs, part, self.program.inputs, strict=True):
                _check(info.name, array, known)
            yield part

    def _rows_at_once(self, arrays: list[NDArray[Any]]) -> int:
        """Rows that one run takes; all of them where the inputs have no common batch axis."""
        batched = all(
            info.axes and info.axes[0] == "batch" for info in self._manifest.inputs + self._manifest.outputs
        )
        return self.program.inputs[0].longest[0] if batched and arrays else 2**62


def _check(name: str, array: NDArray[Any], known: InputInfo) -> None:
    """Refuse inputs that the program was not planned for."""
    if array.dtype.name != known.dtype or array.ndim != len(known.longest):
        raise InputError(
            f"input '{name}' is {array.dtype}{list(array.shape)}: the program takes {known.dtype} of rank {len(known.longest)}"
        )
    for axis, (size, longest) in enumerate(zip(array.shape, known.longest, strict=True)):
        if not 1 <= size <= longest:
            raise InputError(
                f"input '{name}' has {size} along axis {axis}: the program was exported for 1 to {longest}; export it with `lengths`"
            )


def _explain(error: RunnerError) -> str:
    if error.code == _NO_KERNEL:
        return (
            f"{error}: the ops of edgeemb come with its runner, "
            "those of quantized_decomposed with `import executorch.kernels.quantized`"
        )
    if error.code == _NO_TABLES and "data_map" in str(error):
        return f"its tables are in the separate file {TABLES}, which is missing: copy the bundle again"
    if error.code == _OTHER_TABLES:
        return f"{TABLES} does not belong to it: copy the bundle again"
    return str(error)

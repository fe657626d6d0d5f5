"""Engine for TensorFlow Lite Micro, from the wheel `tflite-micro`, in a separate process.

TFLM is built for firmware; the wheel is its interpreter for x86-64 Linux. It reports what it allocated only in its log, which is read here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import BundleError, InputError, NativeError
from edgeemb.native.libraries import find_library
from edgeemb.runtimes.engine import Feeds, OpenOptions
from edgeemb.runtimes.tflm import RUNTIME
from edgeemb.runtimes.tflm.worker import pack, unpack
from edgeemb.scratch import Scratch

MODEL = "model.tflite"
PACKAGE, VERSION = RUNTIME.package, RUNTIME.tested
_ARENA = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_MISSING = re.compile(
    r"(?:Didn't find op for builtin opcode|Failed to get registration from op code) '?(\w+)'?"
)


@dataclass(frozen=True)
class Arena:
    """What TFLM took of its arena, in bytes.

    :param total: all of it.
    :param persistent: structures that live as long as the interpreter.
    :param transient: tensors and scratch buffers, which share the room.
    """

    total: int
    persistent: int
    transient: int


class TflmEngine:
    """A bundle's model in TensorFlow Lite Micro.

    :param folder: the bundle.
    :param manifest: its manifest.
    :param options: its ops are those that the bundle was exported with.
    :raises NativeError: if the wheel is missing or of another version, or the library of lookups is missing.
    :raises BundleError: if TFLM cannot load the model; the message names ops that it lacks.
    """

    def __init__(self, folder: Path, manifest: Manifest, options: OpenOptions) -> None:
        check_version()
        self.package = PACKAGE
        self.ops = manifest.ops
        self.lengths = tuple(manifest.lengths)
        self._manifest = manifest
        library = str(find_library("edgeemb_tflm")) if self.ops == "custom" else ""
        self._folder = Scratch()
        self._log = (self._folder.path / "log").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgeemb.runtimes.tflm.worker", str((folder / MODEL).resolve()), library],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            encoding="utf-8",
        )
        answer = self._answer()
        if "error" in answer:
            text = self._read_log()
            self.close()
            missing = ", ".join(dict.fromkeys(_MISSING.findall(text)))
            reason = f"it lacks {missing}" if missing else answer["error"]
            raise BundleError(
                f"{folder / MODEL}: TensorFlow Lite Micro cannot load it ({reason}): export it for tflm"
            )

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """All outputs.

        :param feeds: an array per input; a batch is run text by text.
        :raises InputError: if the inputs are longer than the model's length, or TFLM refuses them.
        """
        infos = self._manifest.inputs
        values = [
            _padded(feeds[info.name], info.axes, self.lengths, self._manifest.filler(info)) for info in infos
        ]
        counts = {len(value) for value, info in zip(values, infos, strict=True) if info.axes[:1] == ["batch"]}
        if len(counts) > 1 or 0 in counts:
            raise InputError("the inputs have different or empty batches: give each the same number of rows")
        rows = []
        for at in range(counts.pop() if counts else 1):
            own = [
                value[at : at + 1] if info.axes[:1] == ["batch"] else value
                for value, info in zip(values, infos, strict=True)
            ]
            rows.append(self._invoke([_narrow(value) for value in own]))
        return [np.concatenate(parts) if len(rows) > 1 else parts[0] for parts in zip(*rows, strict=True)]

    def bare(self, feeds: Feeds) -> Callable[[], object]:
        """A call of `run`, which makes no checks that could be skipped.

        :param feeds: an array per input.
        """
        return partial(self.run, feeds)

    @property
    def profile_note(self) -> str:
        """Nothing: no profile is recorded."""
        return ""

    def end_profile(self) -> None:
        """No profile is recorded."""

    def arena(self) -> Arena:
        """What the model takes of the arena, by TFLM's own account, after a run."""
        self._ask({"ask": "allocations"})
        found = {name: int(size) for name, size in _ARENA.findall(self._read_log())}
        if set(found) != {"total", "head", "tail"}:
            raise NativeError(
                f"{PACKAGE} {VERSION} did not report its allocations: install exactly this version"
            )
        return Arena(found["total"], found["tail"], found["head"])

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._log.close()
        self._folder.close()

    def _invoke(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        question = {
            "ask": "run",
            "inputs": [pack(value) for value in inputs],
            "outputs": len(self._manifest.outputs),
        }
        answer = self._ask(question)
        if "error" in answer:
            lines = [line for line in self._read_log().splitlines() if line.strip()]
            raise InputError(
                f"TensorFlow Lite Micro refused the inputs ({lines[-1] if lines else answer['error']})"
            )
        return [unpack(values) for values in answer["outputs"]]

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        stdin: IO[str] | None = self._process.stdin
        if stdin is None or self._process.poll() is not None:
            raise BundleError("the process of TensorFlow Lite Micro has ended: open the bundle again")
        self._log.seek(0)
        self._log.truncate()
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        stdout: IO[str] | None = self._process.stdout
        line = "" if stdout is None else stdout.readline()
        if not line:
            raise BundleError(
                f"TensorFlow Lite Micro ended with status {self._process.wait()}: is {PACKAGE} {VERSION} installed?"
            )
        values: dict[str, Any] = json.loads(line)
        return values

    def _read_log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")


def check_version() -> None:
    """Refuse another version of the wheel: the layout that the custom op relies on changes with every nightly build.

    :raises NativeError: if the wheel is missing or of another version.
    """
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        raise NativeError(
            f"TensorFlow Lite Micro is not installed: pip install --pre {PACKAGE}=={VERSION}"
        ) from None
    if found != VERSION:
        raise NativeError(
            f"{PACKAGE} {found} is installed, edgeemb needs {VERSION}: pip install --pre {PACKAGE}=={VERSION}"
        )


def _padded(
    value: NDArray[Any], axes: list[str | int], lengths: tuple[int, ...], filler: int
) -> NDArray[Any]:
    if "length" not in axes or not lengths:
        return value
    axis = axes.index("length")
    missing = lengths[-1] - value.shape[axis]
    if missing < 0:
        raise InputError(
            f"the inputs have {value.shape[axis]} tokens, the bundle takes {lengths[-1]}: export it with a longer `lengths`"
        )
    widths = [(0, missing if place == axis else 0) for place in range(value.ndim)]
    return np.pad(value, widths, constant_values=filler)


def _narrow(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.int32) if value.dtype == np.int64 else value

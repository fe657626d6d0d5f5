"""Engine for TFLite: runs a bundle in ai-edge-litert, or in tflite-runtime if only that is installed.

The model is opened by its path, so that its tables are mapped and not copied. Each sequence length has a signature of its own, for one
text; the engine takes the shortest that fits, pads and masks, and runs a batch text by text.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import BundleError, InputError, NativeError, SpecError
from edgeemb.native.interpreters import find_interpreter
from edgeemb.native.libraries import find_library
from edgeemb.runtimes.engine import Feeds, OpenOptions
from edgeemb.runtimes.tflite.profile import ProfiledModel

MODEL = "model.tflite"
_LENGTH = "length"
_BATCH = "batch"
#: Precisions that tflite-runtime 2.14 computes wrongly without a word: it takes one scale per channel for one per tensor.
_MISCOMPUTED = ("int8", "int4")
#: The C interface between a runtime and its delegates names no version: the first and the last release of each package that ours has run in.
_DELEGATE_RUNS_IN = {"ai-edge-litert": ((1, 2), (2, 3)), "tflite-runtime": ((2, 14), (2, 14))}


class TfliteEngine:
    """A bundle's model in a TFLite interpreter.

    :param folder: the bundle.
    :param manifest: its manifest.
    :param options: its ops are those that the bundle was exported with.
    :raises NativeError: if the library of lookups is missing or does not load.
    :raises BundleError: if no interpreter is installed, or it cannot load the model.
    """

    def __init__(self, folder: Path, manifest: Manifest, options: OpenOptions) -> None:
        self.ops = manifest.ops
        self.lengths = tuple(manifest.lengths)
        self._manifest = manifest
        module = find_interpreter()
        self.package = package_of(module)
        if self.package == "tflite-runtime" and manifest.body in _MISCOMPUTED:
            raise BundleError(
                f"{folder} has the body {manifest.body}, which tflite-runtime computes wrongly: "
                "pip install ai-edge-litert, or export with runtime='tflite-runtime'"
            )
        path = folder / MODEL
        delegates = [load_delegate(module, options.threads or 1)] if self.ops == "custom" else []
        try:
            self._interpreter: Any = module.Interpreter(
                model_path=str(path), num_threads=options.threads or None, experimental_delegates=delegates
            )
            self._runners: dict[str, Any] = {
                key: self._interpreter.get_signature_runner(key)
                for key in self._interpreter.get_signature_list()
            }
        except (ValueError, RuntimeError, OSError) as error:
            raise BundleError(
                f"{path}: {self.package} cannot load it ({_one_line(error)}): export it for this runtime"
            ) from None
        self._profiled: ProfiledModel | None = None
        self._profile = options.ops_profile
        if options.ops_profile is not None and self.package == "ai-edge-litert" and self.ops == "builtin":
            self._profiled = ProfiledModel(path, options.threads)
            self._runners = self._profiled.runners()
        # A finished model keeps the signature that it had.
        self._only = next(iter(self._runners), "main")
        wanted = [f"length_{length}" for length in self.lengths] or [self._only]
        missing = [key for key in wanted if key not in self._runners]
        if missing:
            raise BundleError(
                f"{path} has no signature '{missing[0]}', which the manifest names: copy the bundle again"
            )

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """All outputs.

        :param feeds: an array per input.
        :raises InputError: if the inputs are longer than the longest signature, or the runtime refuses them.
        """
        length = self._length(feeds)
        fitting = next((own for own in self.lengths if own >= length), 0)
        if self.lengths and not fitting:
            raise InputError(
                f"the inputs have {length} tokens, the bundle takes {self.lengths[-1]}: export it with a longer `lengths`"
            )
        runner = self._runners[f"length_{fitting}" if fitting else self._only]
        padded = {
            info.name: self._padded(feeds[info.name], info.axes, fitting, self._manifest.filler(info))
            for info in self._manifest.inputs
        }
        batched = [info.name for info in self._manifest.inputs if info.axes[:1] == [_BATCH]]
        count = max((len(padded[name]) for name in batched), default=0)
        if any(len(padded[name]) != count for name in batched):
            raise InputError("the inputs have different batch sizes: give each the same number of rows")
        if not batched:
            return self._invoke(runner, padded)
        rows = [
            self._invoke(runner, {**padded, **{name: padded[name][at : at + 1] for name in batched}})
            for at in range(count)
        ]
        if not rows:
            raise InputError("the batch is empty: give at least one row")
        return [
            self._cut(np.concatenate(parts), info.axes, length)
            for parts, info in zip(zip(*rows, strict=True), self._manifest.outputs, strict=True)
        ]

    def bare(self, feeds: Feeds) -> Callable[[], object]:
        """A call of `run`, which makes no checks that could be skipped.

        :param feeds: an array per input.
        """
        return partial(self.run, feeds)

    @property
    def profile_note(self) -> str:
        """A note on the cost by operator, or why there is none."""
        if self.package != "ai-edge-litert":
            return f"{self.package} has no profiler: profile with ai-edge-litert"
        if self.ops == "custom":
            return "LiteRT's profiler does not accept our delegate: export with builtin ops for the cost by operator"
        return (
            "LiteRT counts whole microseconds: a shorter operator counts as 0; "
            "the part of a lookup that XNNPACK takes is shown under XNNPACK's operators"
        )

    def end_profile(self) -> Path | None:
        """Finish the per-op profile and return its file; None if there is none (see `profile_note`).

        :raises SpecError: if the session was opened without one.
        """
        if self._profile is None:
            raise SpecError("this session records no profile: open it with ops_profile")
        return None if self._profiled is None else self._profiled.write(Path(f"{self._profile}.json"))

    def close(self) -> None:
        """Drop the interpreter."""
        self._runners = {}
        self._interpreter = None
        if self._profiled is not None:
            self._profiled.close()
            self._profiled = None

    def _invoke(self, runner: Any, feeds: Feeds) -> list[NDArray[Any]]:
        details = runner.get_input_details()
        try:
            outputs = runner(
                **{name: np.ascontiguousarray(value, details[name]["dtype"]) for name, value in feeds.items()}
            )
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{self.package} refused the inputs ({_one_line(error)})") from None
        return [np.asarray(outputs[info.name]) for info in self._manifest.outputs]

    def _length(self, feeds: Feeds) -> int:
        sizes = [
            feeds[info.name].shape[info.axes.index(_LENGTH)]
            for info in self._manifest.inputs
            if _LENGTH in info.axes
        ]
        return max(sizes, default=0)

    @staticmethod
    def _padded(value: NDArray[Any], axes: list[str | int], length: int, filler: int) -> NDArray[Any]:
        if _LENGTH not in axes:
            return value
        axis = axes.index(_LENGTH)
        return np.pad(
            value,
            [(0, length - size if place == axis else 0) for place, size in enumerate(value.shape)],
            constant_values=filler,
        )

    @staticmethod
    def _cut(value: NDArray[Any], axes: list[str | int], length: int) -> NDArray[Any]:
        if _LENGTH not in axes:
            return value
        return value[tuple(slice(length) if axis == _LENGTH else slice(None) for axis in axes)]


def package_of(module: Any) -> str:
    """Name of the package that an interpreter's module comes from.

    :param module: what `find_interpreter` gave.
    """
    return str(module.__name__).partition(".")[0].replace("_", "-")


def load_delegate(module: Any, threads: int = 1) -> Any:
    """The delegate that runs our custom op.

    :param module: what `find_interpreter` gave.
    :param threads: among how many threads a layer of the body is divided.
    :raises NativeError: if the library is missing or does not load, or has not been run in this version of the runtime.
    """
    _check_version(package_of(module))
    library = find_library("edgeemb_tflite")
    try:
        # Tried by itself first: the interpreters' own loader leaves a broken object behind if this fails.
        ctypes.CDLL(str(library))
        return module.load_delegate(str(library), {"threads": str(threads)} if threads > 1 else {})
    except (ValueError, OSError) as error:
        raise NativeError(
            f"the delegate {library} does not load ({_one_line(error)}): install edgeemb again"
        ) from None


def _check_version(package: str) -> None:
    """Refuse a runtime whose interface is not known to be the one that the delegate was compiled for: it would read memory by wrong offsets."""
    try:
        found = version(package)
    except PackageNotFoundError:
        found = "of unknown number"
    first, last = _DELEGATE_RUNS_IN[package]
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None or not first <= (int(numbers[1]), int(numbers[2])) <= last:
        least, most = (".".join(map(str, bound)) for bound in (first, last))
        known = least if least == most else f"{least} to {most}"
        raise NativeError(
            f"the native lookups are known to run in {package} {known}, installed is version {found}: "
            f"pip install '{package}=={most}.*', or export with ops='builtin'"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

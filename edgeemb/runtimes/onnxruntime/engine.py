"""Engine for ONNX Runtime: registers the native lookup ops if they are available; otherwise the model's portable bodies run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import BundleError, InputError, NativeError, first_line
from edgeemb.native.libraries import find_library
from edgeemb.native.onnxruntime import RUNTIME_ERRORS, open_session, session_options
from edgeemb.runtimes.engine import Feeds, OpenOptions

MODEL = "model.onnx"


class OnnxRuntimeEngine:
    """A bundle's model in ONNX Runtime.

    :param folder: the bundle.
    :param manifest: its manifest.
    :param options: with ops ``custom`` the native library is needed, ``builtin`` does without, ``auto`` takes it where it is there.
    :raises NativeError: if ops is ``custom`` and the library is missing or refused.
    :raises BundleError: if the runtime cannot load the model.
    """

    def __init__(self, folder: Path, manifest: Manifest, options: OpenOptions) -> None:
        library = None if options.ops == "builtin" else _library(required=options.ops == "custom")
        settings = session_options()
        settings.intra_op_num_threads = options.threads
        if options.ops_profile is not None:
            settings.enable_profiling = True
            settings.profile_file_prefix = str(options.ops_profile)
        self.package = "onnxruntime"
        self.ops = "builtin" if library is None else "custom"
        self.lengths = tuple(manifest.lengths)
        try:
            if library is not None:
                settings.register_custom_ops_library(str(library))
            self._session = open_session(folder / MODEL, settings)
        except RUNTIME_ERRORS as error:
            raise BundleError(
                f"{folder / MODEL}: ONNX Runtime {onnxruntime.__version__} cannot load it ({first_line(error)})"
            ) from None
        self._outputs = [info.name for info in manifest.outputs]

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """All outputs. Several threads may call it at once.

        :param feeds: an array per input.
        :raises InputError: with the runtime's words if it refuses the inputs, or if it was closed meanwhile.
        """
        session = self._session
        if session is None:
            raise InputError("the session is closed: open the bundle again")
        try:
            return [np.asarray(value) for value in session.run(self._outputs, dict(feeds))]
        except RUNTIME_ERRORS as error:
            raise InputError(f"ONNX Runtime refused the inputs ({first_line(error)})") from None

    def bare(self, feeds: Feeds) -> Callable[[], object]:
        """A call of the runtime's own binding, with none of the checks in Python: for counting instructions.

        :param feeds: an array per input.
        """
        return partial(self._session._sess.run, self._outputs, dict(feeds), None)

    @property
    def profile_note(self) -> str:
        """Nothing: the runtime's profile needs no explanation."""
        return ""

    def end_profile(self) -> Path:
        """Finish the per-op profile and give the file that holds it."""
        return Path(self._session.end_profiling())

    def close(self) -> None:
        """Drop the runtime's session; a run in another thread finishes first."""
        self._session = None


def _library(*, required: bool) -> Path | None:
    try:
        return find_library("edgeemb_onnxruntime")
    except NativeError:
        if required:
            raise
        return None

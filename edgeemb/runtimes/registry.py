"""The runtimes that there are. Adding one means adding its room and a line here."""

from __future__ import annotations

from edgeemb.errors import SpecError, unknown
from edgeemb.runtimes import c, executorch, onnxruntime, tflite, tflm
from edgeemb.runtimes.runtime import Runtime

RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        onnxruntime.RUNTIME,
        tflite.LITERT,
        tflite.TFLITE_RUNTIME,
        tflm.RUNTIME,
        executorch.RUNTIME,
        c.RUNTIME,
    )
}


def find_runtime(name: str) -> Runtime:
    """A runtime by its name.

    :param name: a key of `RUNTIMES`.
    :raises SpecError: if there is none; the message lists those that there are, and names the nearest.
    """
    if name in RUNTIMES:
        return RUNTIMES[name]
    raise SpecError(unknown("runtime", name, RUNTIMES))

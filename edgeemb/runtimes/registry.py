"""The known runtimes. Adding one means adding its folder and a line here, or calling `register` from elsewhere."""

from __future__ import annotations

import re

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


def register(runtime: Runtime) -> None:
    """Add a runtime to those that this process knows.

    :param runtime: its record.
    :raises SpecError: if its name is taken or cannot be one, or the record lacks something; the message says what.
    """

    def need(fine: bool, what: str) -> None:
        if not fine:
            raise SpecError(f"runtime '{runtime.name}' {what}; docs/extending.md shows a whole one")

    need(
        bool(re.fullmatch(r"[a-z][a-z0-9-]*", runtime.name)),
        "has a name that cannot be one: use a-z, 0-9 and -",
    )
    need(RUNTIMES.get(runtime.name) in (None, runtime), "has a name that is taken")
    need(bool(runtime.bodies), "has no bodies: name the precisions that it computes rightly")
    for what, name in (("opens", runtime.opens), ("writes", runtime.writes), ("fuses", runtime.fuses)):
        try:
            found = runtime.resolve(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise SpecError(
                f"runtime '{runtime.name}' names {what}=\"{name}\", which cannot be imported ({error})"
            ) from None
        need(callable(found), f'names {what}="{name}", which cannot be called')
    engine = runtime.resolve(runtime.opens)
    for part in ("run", "bare", "end_profile", "close", "profile_note") if isinstance(engine, type) else ():
        need(hasattr(engine, part), f"has an engine that lacks {engine.__name__}.{part}")
    RUNTIMES[runtime.name] = runtime

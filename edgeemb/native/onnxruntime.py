"""What ONNX Runtime's own binding needs to be told."""

from __future__ import annotations

from onnxruntime.capi import onnxruntime_pybind11_state as state

#: Every error that the runtime's binding raises; these have no common base class. The last is for a message that is not UTF-8, since a name of
#: the model in it is not.
RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    *(
        kind
        for kind in vars(state).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not Exception
    ),
    UnicodeDecodeError,
)

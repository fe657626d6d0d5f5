"""ONNX Runtime as everything here uses it: its errors, and sessions on the CPU, without chatter, whose sums of integers are exact."""

from __future__ import annotations

from os import PathLike
from typing import Any

import onnxruntime
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

#: On an x86 processor without VNNI, ONNX Runtime adds pairs of products of uint8 and int8 in 16 bits, and a sum that does not fit is wrong without
#: an error. With this entry it makes int8 weights uint8 on those processors, whose products it adds in 32 bits; others read over it.
#: `kOrtSessionOptionsAvx2PrecisionMode` of onnxruntime_session_options_config_keys.h.
EXACT_SUMS = ("session.x64quantprecision", "1")

_ERRORS_ONLY = 4


def session_options() -> Any:
    """New options of a session: errors alone are logged, and sums of integers are exact."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry(*EXACT_SUMS)
    return options


def open_session(source: bytes | str | PathLike[str], options: Any = None) -> Any:
    """A session on the CPU.

    :param source: a serialised model, or the path of its file, whose weights are mapped then.
    :param options: its options; `session_options` by default.
    """
    return onnxruntime.InferenceSession(
        source, session_options() if options is None else options, providers=["CPUExecutionProvider"]
    )

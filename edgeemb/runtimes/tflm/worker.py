"""The process that TensorFlow Lite Micro runs in (``python -m edgeemb.runtimes.tflm.worker MODEL LIBRARY``).

It answers one JSON line for each JSON line on its standard input, and ends when that closes. TFLM reports to the standard error stream,
what it allocated included, and has no other way to tell: hence a process of its own. LIBRARY is the custom op's, or empty.

The questions: ``run`` with an array per input gives the outputs; ``allocations`` has TFLM write its allocations to standard error.
"""

from __future__ import annotations

import base64
import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgeemb.errors import EdgeembError
from edgeemb.runtimes.tflm.model import trusted_model

#: Arena sizes that are tried in turn, in bytes. TFLM cannot say beforehand what it needs, and one that is far too small may crash it
#: instead of failing; what is not used of a large one is never touched.
ARENAS = tuple(2**power for power in range(26, 31))
#: C++ symbols of the wheel that the custom op calls.
_GET_EVAL_TENSOR = "_ZN6tflite5micro25MicroContextGetEvalTensorEPKNS0_13TfLiteContextEi"
_PRINT = "_Z11MicroPrintfPKcz"


def pack(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """An array as JSON values.

    :param array: any numeric array.
    """
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": data}


def unpack(values: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The array that `pack` was given.

    :param values: JSON values.
    """
    return np.frombuffer(base64.b64decode(values["data"]), values["dtype"]).reshape(values["shape"]).copy()


def open_interpreter(model: Path, library: str) -> Any:
    """TFLM's interpreter for a model.

    :param model: the ``.tflite`` file.
    :param library: that of the custom ops, or empty.
    :raises ModelError: if the file is damaged.
    :raises RuntimeError: if TFLM cannot load it.
    """
    import tflite_micro
    from tflite_micro.python.tflite_micro import _runtime

    registerers = []
    if library:
        wheel = ctypes.CDLL(_runtime.__file__)
        ours = ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
        ours.edgeemb_bind_tflm(
            ctypes.cast(getattr(wheel, _GET_EVAL_TENSOR), ctypes.c_void_p),
            ctypes.cast(getattr(wheel, _PRINT), ctypes.c_void_p),
        )
        registerers = ["edgeemb_register_tflm"]
    content = trusted_model(model)
    for size in ARENAS:
        try:
            return tflite_micro.runtime.Interpreter.from_bytes(content, registerers, size)
        except RuntimeError as error:
            # A missing op is missing in any arena; a small arena fails later, when tensors are allocated.
            if size == ARENAS[-1] or "allocate" not in str(error):
                raise
    raise RuntimeError("no arena was tried")


def main() -> None:
    """Open the model, then answer until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    try:
        interpreter = open_interpreter(Path(sys.argv[1]), sys.argv[2])
        print(json.dumps({"ready": True}), file=answers, flush=True)
    except (EdgeembError, RuntimeError, ImportError, AttributeError, OSError, ValueError) as error:
        print(json.dumps({"error": " ".join(str(error).split())}), file=answers, flush=True)
        return
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if question["ask"] == "run":
                # Inputs share the arena with everything else: they are set before every run.
                for place, values in enumerate(question["inputs"]):
                    interpreter.set_input(unpack(values), place)
                interpreter.invoke()
                answer["outputs"] = [pack(interpreter.get_output(n)) for n in range(question["outputs"])]
            else:
                interpreter.print_allocations()
        except (RuntimeError, ValueError) as error:
            answer["error"] = " ".join(str(error).split())
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()

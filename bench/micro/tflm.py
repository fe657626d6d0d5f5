"""The fixed encoder of micro.py in TensorFlow Lite Micro and as a C export, both on this machine: memory, and instructions by callgrind.

    python -m bench.micro tflm                            # the comparison; needs valgrind (apt-get install valgrind)
    python -m bench.micro.tflm tflm SWITCH MODEL          # what valgrind runs: an inference in the wheel of TFLM
    python -m bench.micro.tflm c SWITCH LIBRARY PREFIX OUTPUTS ARENA

SWITCH is a library that turns counting on and off: only the second inference of a process is counted, without Python's start.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

TOKENS = 32
#: Every process runs the same ids, all tokens attended to.
IDS = np.arange(5, 5 + TOKENS, dtype=np.int32)
_SWITCH = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void stop(void) { CALLGRIND_STOP_INSTRUMENTATION; }
"""


def count(kind: str, *arguments: object) -> int:
    """Instructions of one inference on this machine, as valgrind counts them.

    :param kind: ``tflm`` or ``c``.
    :param arguments: what its process is given, behind the switch.
    """
    program = shutil.which("valgrind")
    if program is None:
        sys.exit("valgrind is not installed: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as scratch:
        source, switch = Path(scratch, "switch.c"), Path(scratch, "switch.so")
        source.write_text(_SWITCH, "utf-8")
        subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(switch)], check=True)
        command = [program, "--tool=callgrind", "--callgrind-out-file=/dev/null", "--instr-atstart=no"]
        command += [sys.executable, "-m", "bench.micro.tflm", kind, str(switch), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or collected is None:
        sys.exit(f"valgrind failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    return int(collected[1])


def quantise(model: Path, out: Path, key: str) -> Path:
    """The same model with int8 weights and activations in its FULLY_CONNECTED operators, by ai-edge-quantizer.

    TFLM multiplies int8 by int8 only: the ranges of activations are fixed beforehand, from random ids.

    :param model: a model file with a float32 body.
    :param out: the file to write.
    :param key: its signature.
    """
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.quantizer import Quantizer

    from edgeemb.models.tflite.flatbuffer import read_tflite, write_tflite

    quantizer = Quantizer(str(model))
    quantizer.add_static_config(".*", qtyping.TFLOperationName.FULLY_CONNECTED, 8, 8)
    rng = np.random.default_rng(1)
    samples = [
        {"input_ids": rng.integers(5, 4096, (1, TOKENS), np.int32), "attention_mask": np.ones((1, TOKENS), np.int32)}
        for _ in range(32)
    ]  # fmt: skip
    result = quantizer.calibrate({key: samples})
    out.write_bytes(bytes(quantizer.quantize(result, enable_progress_report=False).quantized_model))
    # TFLM reads no external buffers, and wants constants aligned.
    parsed, _ = read_tflite(out)
    write_tflite(parsed, out)
    return out


def _run_tflm(switch: ctypes.CDLL, model: str) -> None:
    import tflite_micro

    interpreter: Any = tflite_micro.runtime.Interpreter.from_file(model, arena_size=1 << 26)
    for counted in (False, True):
        interpreter.set_input(IDS[None], 0)
        interpreter.set_input(np.ones((1, TOKENS), np.int32), 1)
        if counted:
            switch.start()
        interpreter.invoke()
    switch.stop()


def _run_c(switch: ctypes.CDLL, library: str, prefix: str, outputs: int, arena: int) -> None:
    run = getattr(ctypes.CDLL(library), f"{prefix}_run")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    run.argtypes = [pointer, size, pointer, size, pointer]
    memory, out = np.zeros(arena + 16, np.uint8), np.zeros(outputs, np.float32)
    start = memory.ctypes.data + -memory.ctypes.data % 16
    for counted in (False, True):
        if counted:
            switch.start()
        status = run(start, arena, IDS.ctypes.data, TOKENS, out.ctypes.data)
    switch.stop()
    if status:
        sys.exit("the model refused its ids")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["tflm", switch, model]:
            _run_tflm(ctypes.CDLL(switch), model)
        case ["c", switch, library, prefix, outputs, arena]:
            _run_c(ctypes.CDLL(switch), library, prefix, int(outputs), int(arena))
        case _:
            sys.exit(__doc__)

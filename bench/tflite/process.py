"""A LiteRT model in a process of its own, which imports no more than it takes to run one: what `python -m bench.tflite` measures memory with.

python -m bench.tflite.process MODEL builtin|custom    # prints bytes resident: anonymous, of the model's file, of the runtime's code
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.devices.host.memory import read_memory
from edgeemb.native.interpreters import find_interpreter
from edgeemb.runtimes.tflite.engine import load_delegate

#: Sequence lengths with a signature of their own.
LENGTHS = (16, 128)


def interpreter(path: Path, ops: str) -> Any:
    """An interpreter with one thread.

    :param path: the model file.
    :param ops: ``builtin`` or ``custom``.
    """
    module = find_interpreter()
    delegates = [load_delegate(module)] if ops == "custom" else []
    return module.Interpreter(model_path=str(path), num_threads=1, experimental_delegates=delegates)


def runner(opened: Any, length: int) -> Callable[[Sequence[int]], NDArray[np.float32]]:
    """What runs a model at a length.

    :param opened: its interpreter.
    :param length: sequence length.
    """
    signature = opened.get_signature_runner(f"length_{length}")

    def run(ids: Sequence[int]) -> NDArray[np.float32]:
        filled, mask = np.zeros((1, length), np.int32), np.zeros((1, length), np.int32)
        filled[0, : len(ids)], mask[0, : len(ids)] = ids, 1
        return np.asarray(next(iter(signature(input_ids=filled, attention_mask=mask).values())))

    return run


def resident(path: Path, ops: str) -> dict[str, int]:
    """Bytes that a model has resident in a fresh process: ``anonymous``, ``model`` and ``code``.

    :param path: the model file.
    :param ops: ``builtin`` or ``custom``.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.tflite.process", str(path), ops],
        capture_output=True,
        text=True,
        check=True,
    )
    values: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return values


def _memory(path: Path, ops: str) -> dict[str, int]:
    """What opening a model and running it at every length adds to a process that has imported the interpreter."""
    find_interpreter()
    before = read_memory()
    opened = interpreter(path, ops)
    for length in LENGTHS:
        run = runner(opened, length)
        for _ in range(3):
            run(range(1000, 1000 + length))
    after = read_memory()
    own = _mapped(path)
    return {
        "anonymous": (after.anonymous_bytes or 0) - (before.anonymous_bytes or 0),
        "model": own,
        "code": (after.file_bytes or 0) - (before.file_bytes or 0) - own,
    }


def _mapped(path: Path) -> int:
    """Resident bytes of a mapped file (proc(5), smaps)."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            total += 1024 * int(line.split()[1])
    return total


if __name__ == "__main__":
    match sys.argv[1:]:
        case [model, ops]:
            print(json.dumps(_memory(Path(model), ops)))
        case _:
            sys.exit(__doc__)

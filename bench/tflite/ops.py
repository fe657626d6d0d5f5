"""Which builtin ops a TFLite runtime takes, and up to which version: asks it for each, in a process of its own.

    python -m bench.tflite.ops write FOLDER                      # with ai-edge-litert: a model for each op and version
    python -m bench.tflite.ops ask FOLDER tflite_runtime         # with the runtime: prints NAME:VERSION
    python -m bench.tflite.ops ask FOLDER tflite_micro

The answers are the lists of edgeemb/exporters/tflite/ops.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VERSIONS = range(1, 15)
_ABSENT = ("Didn't find op", "Failed to get registration", "out of range")


def write(folder: Path) -> None:
    """Write the models.

    :param folder: to be created.
    """
    from ai_edge_litert import schema_py_generated as schema

    from edgeemb.exporters.tflite.graph import opcode_index
    from edgeemb.models.tflite.flatbuffer import pack_tflite

    folder.mkdir(parents=True, exist_ok=True)
    for name, number in vars(schema.BuiltinOperator).items():
        if not isinstance(number, int) or name in ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES"):
            continue
        for version in VERSIONS:
            model, graph = schema.ModelT(), schema.SubGraphT()
            model.version, model.operatorCodes, model.buffers = 3, [], [schema.BufferT()]
            graph.tensors, graph.inputs, graph.outputs = [], [0], [1]
            for label in (b"in", b"out"):
                tensor = schema.TensorT()
                tensor.shape, tensor.name = [1], label
                graph.tensors.append(tensor)
            operator = schema.OperatorT()
            operator.opcodeIndex = opcode_index(model, name, version, False)
            operator.inputs, operator.outputs = [0], [1]
            graph.operators, model.subgraphs = [operator], [graph]
            (folder / f"{name}.{version}.tflite").write_bytes(pack_tflite(model))


def ask(folder: Path, runtime: str) -> None:
    """Print what the runtime takes.

    :param folder: what `write` made.
    :param runtime: the module of the runtime.
    """
    for name in sorted({path.name.partition(".")[0] for path in folder.glob("*.tflite")}):
        command = [sys.executable, "-m", "bench.tflite.ops", "try", str(folder), runtime, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        highest = max((int(line) for line in done.stdout.split() if line.isdigit()), default=0)
        if runtime == "tflite_micro":
            # An op that it has may crash on these inputs; one that it lacks is named.
            highest = 0 if any(word in done.stderr for word in _ABSENT) else 1
        if highest:
            print(f"{name}:{highest}", flush=True)


def attempt(folder: Path, runtime: str, name: str) -> None:
    """Print the versions of one op that the runtime does not refuse by name; it may refuse the rest of the model.

    :param folder: what `write` made.
    :param runtime: the module of the runtime.
    :param name: name of the op.
    """
    for version in VERSIONS:
        path = str(folder / f"{name}.{version}.tflite")
        try:
            if runtime == "tflite_micro":
                import tflite_micro

                tflite_micro.runtime.Interpreter.from_file(path, arena_size=1 << 16)
            else:
                from tflite_runtime.interpreter import Interpreter

                Interpreter(path)
        except (RuntimeError, ValueError) as error:
            if any(word in str(error) for word in _ABSENT):
                return
        print(version, flush=True)
        if runtime == "tflite_micro":
            return


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder]:
            write(Path(folder))
        case ["ask", folder, runtime]:
            ask(Path(folder), runtime)
        case ["try", folder, runtime, name]:
            attempt(Path(folder), runtime, name)
        case _:
            sys.exit(__doc__)

"""Cost by operator in LiteRT: its C interface, in the wheel's ``libLiteRt``, has the profiler that its Python packages lack.

The library is called with ctypes. Facts about its functions are those of ai-edge-litert 2.3.0 (litert/c/*.h). A run gives an event for each
operator of the interpreter and for each one within XNNPACK, in whole microseconds.
"""

from __future__ import annotations

import ctypes
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import NativeError

_Pointer = ctypes.c_void_p
_CPU = 1
_WRITE, _READ = 1, 0
#: Where LiteRT looks for settings of the runtime, which it reads as TOML.
_RUNTIME_OPTIONS, _CPU_OPTIONS = b"runtime_options_string", b"cpu_options"
#: LiteRtElementType, the same numbers as TfLiteType.
_DTYPES = {1: "float32", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 9: "int8"}
#: Operators of the interpreter, and those that a delegate has timed itself.
_OPERATOR, _IN_DELEGATE = 2, 8
_RUN_MICROSECONDS = 10**9


def _keep(text: int | None) -> None:
    """What LiteRT calls to free a text of options: they are ours."""


_KEEP = ctypes.CFUNCTYPE(None, _Pointer)(_keep)


class _TensorType(ctypes.Structure):
    """LiteRtRankedTensorType; `rank` shares its word with a flag in bit 7."""

    _fields_ = (
        ("element", ctypes.c_int),
        ("rank", ctypes.c_uint32),
        ("dims", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.dims[: self.rank & 127])


class _Event(ctypes.Structure):
    """ProfiledEventData; `place` is an operator's place in its graph, or within its delegate."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start", ctypes.c_uint64),
        ("microseconds", ctypes.c_uint64),
        ("memory", ctypes.c_size_t * 6),
        ("place", ctypes.c_uint64),
        ("graph", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


class _Library:
    """The functions of ``libLiteRt``: a status that is not 0 becomes an error."""

    def __init__(self) -> None:
        spec = find_spec("ai_edge_litert")
        folder = Path(next(iter((spec.submodule_search_locations if spec else None) or [""])))
        try:
            self._library = ctypes.CDLL(str(folder / "libLiteRt.so"))
        except OSError as error:
            raise NativeError(
                f"LiteRT's profiler is not available ({error}): leave `ops_profile` out"
            ) from None

    def call(self, name: str, *arguments: Any) -> None:
        try:
            function = getattr(self._library, name)
        except AttributeError:
            raise NativeError(
                f"this LiteRT has no {name}: pip install ai-edge-litert==2.3.0, or leave `ops_profile` out"
            ) from None
        status = function(*arguments)
        if status:
            raise NativeError(
                f"LiteRT's {name} failed with status {status} while profiling: leave `ops_profile` out"
            )

    def get(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        """What a function appends after its last pointer."""
        made = _Pointer()
        self.call(name, *arguments, ctypes.byref(made))
        return made

    def text(self, name: str, *arguments: Any) -> str:
        found = ctypes.c_char_p()
        self.call(name, *arguments, ctypes.byref(found))
        return (found.value or b"").decode("utf-8", "replace")

    def count(self, name: str, *arguments: Any) -> int:
        found = ctypes.c_size_t()
        self.call(name, *arguments, ctypes.byref(found))
        return found.value


class ProfiledModel:
    """A model opened once more, with LiteRT's profiler on.

    :param path: the model file, with builtin operators only.
    :param threads: threads within an op; 0 leaves the choice to the runtime.
    :raises NativeError: if this LiteRT has no profiler, or cannot open the model.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.library = _Library()
        get = self.library.get
        self.environment = get("LiteRtCreateEnvironment", 0, None)
        self._model = get("LiteRtCreateModelFromFile", self.environment, str(path).encode())
        options = get("LiteRtCreateOptions")
        self.library.call("LiteRtSetOptionsHardwareAccelerators", options, ctypes.c_int(_CPU))
        # LiteRT keeps pointers to the texts.
        self._texts = [ctypes.create_string_buffer(b"enable_profiling = true\n")]
        self._add(options, _RUNTIME_OPTIONS, self._texts[0])
        if threads:
            self._texts.append(ctypes.create_string_buffer(f"num_threads = {threads}\n".encode()))
            self._add(options, _CPU_OPTIONS, self._texts[1])
        self.compiled = get("LiteRtCreateCompiledModel", self.environment, self._model, options)
        self.library.call("LiteRtDestroyOptions", options)
        self.profiler = get("LiteRtCompiledModelGetProfiler", self.compiled)
        #: Events of each run: name of the node, name of the operator, microseconds.
        self.runs: list[list[tuple[str, str, int]]] = []

    def runners(self) -> dict[str, Runner]:
        """What runs each signature, by its key."""
        count = self.library.count("LiteRtGetNumModelSignatures", self._model)
        made = [
            Runner(self, place, self.library.get("LiteRtGetModelSignature", self._model, _size(place)))
            for place in range(count)
        ]
        return {runner.key: runner for runner in made}

    def write(self, path: Path) -> Path:
        """Write what was recorded as the trace that `edgeemb.devices` reads cost by operator from.

        :param path: the file to write.
        :return: `path`.
        """
        events: list[dict[str, Any]] = []
        for run, found in enumerate(self.runs):
            start = run * _RUN_MICROSECONDS
            whole = sum(duration for _, _, duration in found)
            events.append({"ph": "X", "cat": "Session", "name": "model_run", "ts": start, "dur": whole})
            events += [
                {"ph": "X", "cat": "Node", "name": f"{node}_kernel_time", "ts": start + place + 1,
                 "dur": duration, "args": {"op_name": op}}
                for place, (node, op, duration) in enumerate(found)
            ]  # fmt: skip
        path.write_text(json.dumps(events), "utf-8")
        return path

    def close(self) -> None:
        """Give back the model."""
        self.library.call("LiteRtDestroyCompiledModel", self.compiled)
        self.library.call("LiteRtDestroyModel", self._model)
        self.library.call("LiteRtDestroyEnvironment", self.environment)

    def _add(self, options: ctypes.c_void_p, name: bytes, text: Any) -> None:
        made = self.library.get("LiteRtCreateOpaqueOptions", name, text, _KEEP)
        self.library.call("LiteRtAddOpaqueOptions", options, made)


class Runner:
    """Runs a signature and records its operators; it is called like the signature runners of ai-edge-litert.

    :param model: its model.
    :param place: its place among the signatures.
    :param signature: its handle.
    """

    def __init__(self, model: ProfiledModel, place: int, signature: ctypes.c_void_p) -> None:
        self._model, self._library, self._place = model, model.library, place
        self._signature = signature
        self.key = self._library.text("LiteRtGetSignatureKey", signature)
        self._inputs = self._tensors("Input")
        self._outputs = self._tensors("Output")
        self._nodes = self._node_names()

    def get_input_details(self) -> dict[str, dict[str, Any]]:
        """Type of each input, by name."""
        return {name: {"dtype": np.dtype(_DTYPES[kind.element])} for name, (kind, _) in self._inputs.items()}

    def __call__(self, **feeds: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """All outputs by name.

        :param feeds: an array per input, of its type and shape.
        :raises ValueError: if one has another size.
        """
        for name, (kind, buffer) in self._inputs.items():
            if feeds[name].shape != kind.shape:
                raise ValueError(f"{name} is {feeds[name].shape}, the model takes {kind.shape}")
            self._copy(buffer, np.ascontiguousarray(feeds[name]), _WRITE)
        self._library.call("LiteRtResetProfiler", self._model.profiler)
        self._library.call("LiteRtStartProfiler", self._model.profiler)
        self._library.call(
            "LiteRtRunCompiledModel", self._model.compiled, _size(self._place), *_handles(self._inputs),
            *_handles(self._outputs),
        )  # fmt: skip
        self._library.call("LiteRtStopProfiler", self._model.profiler)
        self._model.runs.append(self._events())
        outputs = {
            name: np.empty(kind.shape, _DTYPES[kind.element]) for name, (kind, _) in self._outputs.items()
        }
        for name, (_, buffer) in self._outputs.items():
            self._copy(buffer, outputs[name], _READ)
        return outputs

    def _tensors(self, side: str) -> dict[str, tuple[_TensorType, ctypes.c_void_p]]:
        """Type and buffer of each tensor of a side, by its name in the signature."""
        library, found = self._library, {}
        for at in range(library.count(f"LiteRtGetNumSignature{side}s", self._signature)):
            name = library.text(f"LiteRtGetSignature{side}Name", self._signature, _size(at))
            tensor = library.get(f"LiteRtGetSignature{side}TensorByIndex", self._signature, _size(at))
            kind = _TensorType()
            library.call("LiteRtGetRankedTensorType", tensor, ctypes.byref(kind))
            needs = library.get(
                f"LiteRtGetCompiledModel{side}BufferRequirements", self._model.compiled,
                _size(self._place), _size(at),
            )  # fmt: skip
            create = "LiteRtCreateManagedTensorBufferFromRequirements"
            found[name] = (
                kind,
                library.get(create, self._model.environment, ctypes.byref(kind), needs),
            )
        return found

    def _copy(self, buffer: ctypes.c_void_p, array: NDArray[Any], mode: int) -> None:
        memory = _Pointer()
        self._library.call("LiteRtLockTensorBuffer", buffer, ctypes.byref(memory), ctypes.c_int(mode))
        own = array.ctypes.data
        target, source = (memory.value, own) if mode == _WRITE else (own, memory.value)
        ctypes.memmove(target or 0, source or 0, array.nbytes)
        self._library.call("LiteRtUnlockTensorBuffer", buffer)

    def _node_names(self) -> list[str]:
        """Name of the first output of each operator: those of a lookup begin with their table's alias."""
        library = self._library
        graph = library.get("LiteRtGetSignatureSubgraph", self._signature)
        names = []
        for at in range(library.count("LiteRtGetNumSubgraphOps", graph)):
            operator = library.get("LiteRtGetSubgraphOp", graph, _size(at))
            tensor = library.get("LiteRtGetOpOutput", operator, _size(0))
            names.append(library.text("LiteRtGetTensorName", tensor))
        return names

    def _events(self) -> list[tuple[str, str, int]]:
        count = ctypes.c_int()
        self._library.call("LiteRtGetNumProfilerEvents", self._model.profiler, ctypes.byref(count))
        events = (_Event * max(count.value, 1))()
        self._library.call("LiteRtGetProfilerEvents", self._model.profiler, count, events)
        found = []
        for event in events[: count.value]:
            op = (event.tag or b"").decode("utf-8", "replace")
            if event.kind == _OPERATOR and event.place < len(self._nodes):
                found.append((self._nodes[event.place], op, int(event.microseconds)))
            elif event.kind == _IN_DELEGATE:
                found.append((f"xnnpack {event.place}", f"XNNPACK {op}", int(event.microseconds)))
        return found


def _size(value: int) -> ctypes.c_size_t:
    return ctypes.c_size_t(value)


def _handles(tensors: dict[str, tuple[_TensorType, ctypes.c_void_p]]) -> tuple[ctypes.c_size_t, Any]:
    """Count and handles of buffers, as two arguments."""
    buffers = [buffer.value for _, buffer in tensors.values()]
    return _size(len(buffers)), (_Pointer * len(buffers))(*buffers)

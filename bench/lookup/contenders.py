"""What `python -m bench.lookup` times: models in ONNX Runtime, the bare kernel, and the floors."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edgeemb.exporters.onnx.functions import DOMAIN, function_for, op_name
from edgeemb.native.libraries import find_library
from edgeemb.tables.program import CodebookLookup, Ids, QuantizedLookup

#: Our tables: name, bits, block (0: one scale a row).
LAYOUTS = (
    ("int8", 8, 0),
    ("int4:block=32", 4, 32),
    ("int2:block=32", 2, 32),
    ("binary:block=32", 1, 32),
    ("binary", 1, 0),
)
#: Our tables of codebooks: name, elements in a part; 256 entries in a book.
CODEBOOKS = (("pq, parts of 4", 4), ("pq, parts of 8", 8))
BUILTIN = ("int8", "int4:block=32")
MEMSET = "memset of the output"
FP32, UINT4, INT4 = "Gather fp32", "GatherBlockQuantized uint8 4-bit", "GatherBlockQuantized INT4"
Array = NDArray[Any]
Arrays = Mapping[str, tuple[int, Array, tuple[int, ...]]]
Call = Callable[[int], int]


@dataclass(frozen=True)
class Buffers:
    """What a call reads and writes.

    :param ids: int64[sets, count].
    :param output: float32[count, dim], aligned to 64 bytes as ONNX Runtime aligns its own.
    """

    ids: NDArray[np.int64]
    output: NDArray[np.float32]


def aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Zeros, float32, whose address is a multiple of 64.

    :param shape: of the array.
    """
    size = 4 * int(np.prod(shape))
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(np.float32).reshape(shape)


def timer(folder: Path) -> ctypes.CDLL:
    """Compile and load ``timer.c``, and let it load ONNX Runtime.

    :param folder: where the library goes.
    """
    library = folder / "lookup_timer.so"
    source = Path(__file__).with_name("timer.c")
    subprocess.run(["cc", "-std=c99", "-O2", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    pointer, int32, int64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "time_memset": (int64, [pointer, int64, int64]),
        "time_memcpy": (int64, [pointer, int64, pointer, int64, int64, pointer, int64]),
        "time_kernel": (
            int64,
            [
                pointer,
                ctypes.c_char_p,
                pointer,
                pointer,
                int32,
                int64,
                *(int32, int32, int32, int32),
                pointer,
                int64,
                int64,
                pointer,
                int64,
            ],
        ),
        "runtime_load": (int32, [ctypes.c_char_p]),
        "session_open": (pointer, [ctypes.c_char_p, ctypes.c_char_p, int32]),
        "time_session": (int64, [pointer, pointer, int64, int64, int64, pointer, int64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    found = importlib.util.find_spec("onnxruntime")
    if found is None or not found.submodule_search_locations:
        raise click.ClickException("onnxruntime is not installed: pip install edgeemb")
    capi = Path(found.submodule_search_locations[0], "capi")
    runtime = next(iter([*capi.glob("libonnxruntime.so*"), *capi.glob("libonnxruntime*.dylib")]), None)
    if runtime is None or loaded.runtime_load(str(runtime).encode()) != 0:
        raise click.ClickException(f"{capi}: no library here serves ONNX Runtime's C interface")
    return loaded


def write_model(
    folder: Path, name: str, nodes: list[onnx.NodeProto], arrays: Arrays, dim: int, **extra: Any
) -> Path:
    """A model from "ids" to "rows", its tables in files beside it.

    :param folder: where it goes.
    :param name: of the model, not yet used in the folder.
    :param nodes: its nodes.
    :param arrays: element type, stored bytes and shape of each table.
    :param dim: elements in a row.
    :param extra: `functions` of the model.
    """
    initializers = []
    for array, (kind, stored, shape) in arrays.items():
        tensor = TensorProto(name=array, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
        file = f"{name}.{array}"
        stored.tofile(folder / file)
        tensor.external_data.add(key="location", value=file)
        initializers.append(tensor)
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", dim])
    opsets = [helper.make_opsetid(*opset) for opset in (("", 21), (DOMAIN, 1), ("com.microsoft", 1))]
    graph = helper.make_graph(nodes, "lookup", [ids], [rows], initializers)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **extra)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    return path


class Contenders:
    """All contenders over one random table shape.

    :param loaded: the timer.
    :param folder: an empty folder for models and tables.
    :param rows: rows of the table.
    :param dim: elements in a row.
    :param variant: kernel variant of the bare kernel.
    """

    def __init__(self, loaded: ctypes.CDLL, folder: Path, rows: int, dim: int, variant: str) -> None:
        self.timer, self.folder, self.rows, self.dim, self.variant = loaded, folder, rows, dim, variant
        self.rng = np.random.default_rng(0)
        self.library = find_library("edgeemb_onnxruntime")
        self.kernels = ctypes.CDLL(str(find_library("edgeemb_kernels")))
        self.sessions: dict[str, int] = {}
        self.tables: dict[str, tuple[Any, Array, Array, tuple[int, int, int, int]]] = {}
        for name, bits, block in LAYOUTS:
            self._quantized(name, bits, block)
        for name, part in CODEBOOKS:
            self._codebooks(name, part)
        self._gathers()
        self._block_quantized()

    def _open(self, name: str, path: Path, *, library: bool = False) -> None:
        session = self.timer.session_open(
            str(path).encode(), str(self.library).encode() if library else None, 1
        )
        if not session:
            raise click.ClickException(
                f"{name}: ONNX Runtime {version('onnxruntime')} does not load the model"
            )
        self.sessions[name] = session

    def _quantized(self, name: str, bits: int, block: int) -> None:
        blocks = self.dim // block if block else 1
        codes: Array = self.rng.integers(0, 256, (self.rows, -(-self.dim * bits // 8)), dtype=np.uint8)
        scales = self.rng.standard_normal((self.rows, blocks)).astype(np.float16)
        lookup = QuantizedLookup(Ids(), "codes", "scales", bits, self.dim, block or self.dim)
        kernel = self.kernels.edgeemb_quantized_lookup
        self.tables[name] = (kernel, codes, scales, (bits, self.dim, block, 1))
        attributes = {key: getattr(lookup, key) for key in ("bits", "dim", "block", "planes")}
        self._ours(name, lookup, {"codes": codes, "scales": scales}, attributes)

    def _codebooks(self, name: str, part: int) -> None:
        books = self.dim // part
        codes: Array = self.rng.integers(0, 256, (self.rows, books), dtype=np.uint8)
        entries = self.rng.standard_normal((books, 256, part)).astype(np.float16)
        lookup = CodebookLookup(Ids(), "codes", "codebooks")
        kernel = self.kernels.edgeemb_codebook_lookup
        self.tables[name] = (kernel, codes, entries, (books, 256, part, 0))
        self._ours(name, lookup, {"codes": codes, "codebooks": entries}, {"dim": self.dim})

    def _ours(
        self,
        name: str,
        lookup: QuantizedLookup | CodebookLookup,
        stored: dict[str, Array],
        attributes: dict[str, int],
    ) -> None:
        node = helper.make_node(op_name(lookup), ["ids", *stored], ["rows"], domain=DOMAIN)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        kinds = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.float16): TensorProto.FLOAT16}
        arrays = {key: (int(kinds[array.dtype]), array, array.shape) for key, array in stored.items()}
        path = write_model(
            self.folder,
            f"ours{len(self.sessions)}",
            [node],
            arrays,
            self.dim,
            functions=[function_for([lookup])],
        )
        self._open(f"edgeemb {name}", path, library=True)
        if name in BUILTIN:
            self._open(f"edgeemb {name}, portable body", path)

    def _gathers(self) -> None:
        gather = helper.make_node("Gather", ["table", "ids"], ["rows"])
        half = helper.make_node("Gather", ["table", "ids"], ["half"])
        cast = helper.make_node("Cast", ["half"], ["rows"], to=TensorProto.FLOAT)
        wide = self.rng.standard_normal((self.rows, self.dim), dtype=np.float32)
        self._open(
            FP32,
            write_model(
                self.folder, "fp32", [gather], {"table": (TensorProto.FLOAT, wide, wide.shape)}, self.dim
            ),
        )
        narrow = wide.astype(np.float16)
        arrays = {"table": (TensorProto.FLOAT16, narrow, narrow.shape)}
        self._open("Gather fp16 + Cast", write_model(self.folder, "fp16", [half, cast], arrays, self.dim))
        self.fp32 = np.memmap(self.folder / "fp32.table", np.float32, "r", shape=(self.rows, self.dim))

    def _block_quantized(self) -> None:
        packed: Array = self.rng.integers(0, 256, (self.rows, self.dim // 2), dtype=np.uint8)
        scales = self.rng.standard_normal((self.rows, self.dim // 32), dtype=np.float32)
        for name, kind, shape, bits in (
            (UINT4, TensorProto.UINT8, packed.shape, 4),
            (INT4, TensorProto.INT4, (self.rows, self.dim), 0),
        ):
            node = helper.make_node(
                "GatherBlockQuantized", ["table", "ids", "scales"], ["rows"], domain="com.microsoft"
            )
            attributes = {"gather_axis": 0, "quantize_axis": 1, "block_size": 32} | (
                {"bits": bits} if bits else {}
            )
            node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
            arrays = {"table": (kind, packed, shape), "scales": (TensorProto.FLOAT, scales, scales.shape)}
            self._open(name, write_model(self.folder, f"peer{len(self.sessions)}", [node], arrays, self.dim))

    def calls(self, buffers: Buffers) -> dict[str, Call]:
        """A function per contender: so many calls, as nanoseconds.

        :param buffers: what the calls read and write; the calls do not keep it alive.
        """
        sets, count = buffers.ids.shape
        ids, output = buffers.ids.ctypes.data, buffers.output.ctypes.data
        calls: dict[str, Call] = {}
        for name, session in self.sessions.items():
            calls[name] = partial(self.timer.time_session, session, ids, count, sets, self.dim, output)
        variant = self.variant.encode()
        for name, (function, codes, floats, sizes) in self.tables.items():
            kernel = ctypes.cast(function, ctypes.c_void_p)
            table = (codes.ctypes.data, floats.ctypes.data, 2, self.rows, *sizes)
            calls[f"kernel {name}"] = partial(
                self.timer.time_kernel, kernel, variant, *table, ids, count, sets, output
            )
        fp32 = self.fp32.ctypes.data
        calls["memcpy of fp32 rows"] = partial(
            self.timer.time_memcpy, fp32, 4 * self.dim, ids, count, sets, output
        )
        calls[MEMSET] = partial(self.timer.time_memset, output, buffers.output.nbytes)
        return calls

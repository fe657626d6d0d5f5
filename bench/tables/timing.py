"""What `python -m bench.tables` times: the lookup of a table alone, in ONNX Runtime."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.errors import NativeError
from edgeemb.exporters.onnx.lowering import add_functions, replace_table
from edgeemb.native.libraries import find_library
from edgeemb.tables import Table

IDS = 512
ROUNDS = 61
TIMING_SECONDS = 0.0004


class Timed:
    """A session that looks up rows, its input and output bound beforehand.

    :param table: the table.
    :param library: the native library to register, or None for standard ops alone.
    :param asked: ids to look up, int64[N]; None for random ones.
    """

    def __init__(self, table: Table, library: Path | None, asked: NDArray[np.int64] | None = None) -> None:
        rows, dim = table.shape
        if asked is None:
            asked = np.random.default_rng(0).integers(0, rows, IDS)
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, list(asked.shape))
        found = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [*asked.shape, dim])
        weight = numpy_helper.from_array(np.zeros((1, dim), np.float32), "weight")
        gather = helper.make_node("Gather", ["weight", "ids"], ["rows"])
        graph = helper.make_graph([gather], "lookup", [ids], [found], [weight])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        replace_table(model, "weight", table, "table", {"ids": TensorProto.INT64})
        add_functions(model, [table])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        if library is not None:
            options.register_custom_ops_library(str(library))
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("ids", asked)
        self.output = onnxruntime.OrtValue.ortvalue_from_shape_and_type([*asked.shape, dim], np.float32)
        self.binding.bind_ortvalue_output("rows", self.output)
        self.repeats = max(1, int(TIMING_SECONDS / min(self.seconds(1) for _ in range(5))))

    def seconds(self, repeats: int) -> float:
        """Mean time of a call."""
        start = time.perf_counter()
        for _ in range(repeats):
            self.session.run_with_iobinding(self.binding)
        return (time.perf_counter() - start) / repeats


class Lookup:
    """Times tables against a Gather of float32 rows.

    :param plain: the table stored as float32.
    """

    def __init__(self, plain: Table) -> None:
        self.plain = Timed(plain, None)
        try:
            self.library: Path | None = find_library("edgeemb_onnxruntime")
        except NativeError:
            self.library = None

    def times(self, table: Table) -> dict[str, Any]:
        """Median microseconds and ratios to the float32 Gather, taken in alternation.

        :param table: the table to time.
        """
        contenders = {"portable": Timed(table, None)}
        if self.library is not None:
            contenders["fused"] = Timed(table, self.library)
        timings: dict[str, list[float]] = {name: [] for name in ("plain", *contenders)}
        for _ in range(ROUNDS):
            for name, timed in {"plain": self.plain, **contenders}.items():
                timed.seconds(1)
                timings[name].append(timed.seconds(timed.repeats))
        plain = statistics.median(timings["plain"])
        figures: dict[str, float | None] = {"fused_us": None, "fused_ratio": None}
        for name in contenders:
            median = statistics.median(timings[name])
            figures |= {f"{name}_us": 1e6 * median, f"{name}_ratio": median / plain}
        return figures

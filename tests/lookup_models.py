"""Models of one fused lookup over constant tables, and sessions of ONNX Runtime over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.native.libraries import find_library


def lookup_model(
    op: str,
    arrays: Mapping[str, NDArray[Any]],
    attributes: Mapping[str, int],
    ids_type: int = TensorProto.INT64,
    ids_shape: tuple[str | int, ...] = ("n", "m"),
    function: onnx.FunctionProto | None = None,
    rows_shape: tuple[str | int, ...] | None = None,
) -> bytes:
    """A model from "ids" to "rows": one op of domain `edgeemb`, which takes the ids and the arrays in order."""
    shape = (*ids_shape, attributes["dim"]) if rows_shape is None else rows_shape
    node = helper.make_node(op, ["ids", *arrays], ["rows"], domain="edgeemb")
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, list(shape))
    ids = helper.make_tensor_value_info("ids", ids_type, list(ids_shape))
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("edgeemb", 1)]
    made = helper.make_model(
        helper.make_graph([node], "lookup", [ids], [rows], stored), opset_imports=opsets, ir_version=8
    )
    if function is not None:
        made.functions.append(function)
    return bytes(made.SerializeToString())


def options_of(threads: int, *, library: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    if library:
        options.register_custom_ops_library(str(find_library("edgeemb_onnxruntime")))
    return options


def session(serialized: bytes, threads: int = 1, *, library: bool = True) -> onnxruntime.InferenceSession:
    options = options_of(threads, library=library)
    return onnxruntime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])


def run(open_session: onnxruntime.InferenceSession, ids: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(open_session.run(["rows"], {"ids": ids})[0])

"""Moving a model to another op set."""

from __future__ import annotations

from functools import cache

import onnx
import onnx.version_converter
import onnxruntime
from onnx import helper

from edgeemb.errors import ModelError, first_line
from edgeemb.models.onnx.file import graphs
from edgeemb.native.onnxruntime import RUNTIME_ERRORS, open_session

#: No runtime of ours is older than that.
_SURE = 18


def opset_of(model: onnx.ModelProto) -> int | None:
    """Version of the standard ops in a model; None where it imports none.

    :param model: any model.
    """
    return next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), None)


def moved(model: onnx.ModelProto, version: int, source: str) -> onnx.ModelProto:
    """A model in another op set, its metadata as they were.

    :param model: the model, which is left as it is.
    :param version: the op set that is wanted.
    :param source: what to call it in an error.
    :raises ModelError: if onnx cannot convert it.
    """
    held = opset_of(model)
    if held is None or _same_ops(model, held, version):
        result = onnx.ModelProto()
        result.CopyFrom(model)
        if held is None:
            result.opset_import.append(helper.make_opsetid("", version))
        for part in (result, *result.functions):
            for item in part.opset_import:
                if item.domain in ("", "ai.onnx"):
                    item.version = version
        return result
    try:
        result = onnx.version_converter.convert_version(model, version)
    except (onnx.version_converter.ConvertError, RuntimeError, ValueError, IndexError) as error:
        raise ModelError(
            f"{source} is in op set {held} and cannot be moved to {version} ({first_line(error)}): "
            f"export it again with opset {version}"
        ) from error
    del result.metadata_props[:]
    result.metadata_props.extend(model.metadata_props)
    return result


def runnable(model: onnx.ModelProto, source: str) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """A model in an op set that the installed ONNX Runtime takes, and a remark if it had to be converted; otherwise the same object.

    :param model: the model.
    :param source: what to call it in an error.
    """
    held = opset_of(model)
    if held is None or held <= _SURE or held <= newest():
        return model, ()
    lower = moved(model, newest(), source)
    lower.ir_version = min(lower.ir_version, helper.find_min_ir_version_for(lower.opset_import, True))
    return lower, (
        f"the model was moved from op set {held} to {newest()}, the newest that ONNX Runtime {onnxruntime.__version__} runs",
    )


@cache
def newest() -> int:
    """The newest op set that the installed ONNX Runtime runs."""
    for version in range(onnx.defs.onnx_opset_version(), _SURE, -1):
        ops = [helper.make_opsetid("", version)]
        info = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", info[:1], info[1:])
        model = helper.make_model(
            graph, opset_imports=ops, ir_version=helper.find_min_ir_version_for(ops, True)
        )
        try:
            open_session(model.SerializeToString())
        except RUNTIME_ERRORS:
            continue
        return version
    return _SURE


def _same_ops(model: onnx.ModelProto, held: int, version: int) -> bool:
    """Whether every standard op of a model means the same in both op sets."""
    nodes = [node for graph in graphs(model.graph) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    kinds = {node.op_type for node in nodes if node.domain in ("", "ai.onnx")}
    try:
        return all(
            onnx.defs.get_schema(kind, held).since_version
            == onnx.defs.get_schema(kind, version).since_version
            for kind in kinds
        )
    except onnx.defs.SchemaError:
        return False

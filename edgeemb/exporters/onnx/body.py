"""Precision of everything but the tables: int8 and int4 by our own nodes, the rest by ONNX Runtime's tools."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from edgeemb.body.grid import BLOCK
from edgeemb.body.grids import Grids
from edgeemb.body.precision import BODIES
from edgeemb.errors import ExportError
from edgeemb.exporters.onnx.functions import DOMAIN
from edgeemb.exporters.onnx.heads import MARK
from edgeemb.exporters.onnx.quantized import quantize_products
from edgeemb.models.onnx.graph import typed
from edgeemb.quiet import quiet


def convert_body(
    model: onnx.ModelProto,
    body: str,
    tables: Collection[str],
    folder: Path,
    grids: Grids | None = None,
    *,
    native: bool = True,
) -> onnx.ModelProto:
    """Convert the weights of a model's matrix products. Its tables stay float32 Gather nodes.

    ``int8`` and ``int4`` quantise each row of activations by itself (`edgeemb.exporters.onnx.quantized`); ``int8-tensor`` is ONNX Runtime's dynamic
    quantisation, with one activation scale over the whole batch; ``fp16`` keeps inputs and outputs in float32.

    :param model: a float32 model. It may be changed.
    :param body: ``fp32``, ``fp16``, ``int8``, ``int8-tensor`` or ``int4``.
    :param tables: names of the initializers that are tables.
    :param folder: an existing folder for intermediate files.
    :param grids: the grids of matrices, where some were chosen before.
    :param native: whether products may be ops of our domain, with portable bodies; otherwise they are ONNX Runtime's own.
    :return: the converted model.
    :raises ExportError: if the precision is unknown.
    """
    match body:
        case "fp32":
            if grids is not None and grids.found:
                quantize_products(model, 0, 0, grids, native=native)
            return model
        case "fp16":
            return _to_float16(model, tables)
        case "int8":
            quantize_products(model, 8, 0, grids, native=native)
            return model
        case "int4":
            quantize_products(model, 4, BLOCK, grids, native=native)
            return model
        case "int8-tensor":
            return _quantize_dynamic(model, folder)
    raise ExportError(f"body '{body}' is not known to the ONNX writer: use {', '.join(BODIES)}")


def _quantize_dynamic(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    # The quantiser turns the matrices of Gemm nodes and would stumble over the shapes that were noted for them.
    weights = {item.name for item in model.graph.initializer}
    for info in [info for info in model.graph.value_info if info.name in weights]:
        model.graph.value_info.remove(info)
    with quiet():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            model,
            folder / "int8.onnx",
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=True,
            extra_options={"MatMulConstBOnly": True},
        )
    return onnx.load(folder / "int8.onnx")


def _to_float16(model: onnx.ModelProto, tables: Collection[str]) -> onnx.ModelProto:
    """Convert without the lookups, as if their rows were inputs: the converter would otherwise turn tables and the results of our ops into float16."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    # What ops that stay in float32 take, the converter casts by the types that are declared.
    types = [info for info in typed(model) if info.type.tensor_type.elem_type]
    graph = model.graph
    lookups = [
        node
        for node in graph.node
        if (node.op_type == "Gather" and node.input[0] in tables) or node.domain == DOMAIN
    ]
    names = {name for node in lookups for name in node.input} & set(tables)
    held = [item for item in graph.initializer if item.name in names]
    outputs = list(graph.output)
    ours = {node.output[0] for node in lookups}
    # Vectors that an output layer takes stay in float32, as outputs do.
    vectors = [node.input[0] for node in lookups if node.op_type == MARK]
    del graph.output[:]
    graph.output.extend(info for info in outputs if info.name not in ours)
    for name in dict.fromkeys(vectors):
        if name not in {info.name for info in outputs}:
            info = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            graph.output.append(info)
    for node in lookups:
        graph.node.remove(node)
        rows = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
        rows.type.tensor_type.shape.SetInParent()
        graph.input.append(rows)
    for item in held:
        graph.initializer.remove(item)
    declared = {info.name for info in (*graph.value_info, *graph.input, *graph.output)}
    graph.value_info.extend(info for info in types if info.name not in declared)
    converted: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True)
    graph = converted.graph
    for info in [info for info in graph.input if info.name in ours]:
        graph.input.remove(info)
    del graph.output[:]
    graph.output.extend(outputs)
    for info in [info for info in graph.value_info if info.name.startswith("graph_input_cast")]:
        graph.value_info.remove(info)
    graph.node.extend(lookups)
    graph.initializer.extend(held)
    OnnxModel(converted).topological_sort()
    return converted

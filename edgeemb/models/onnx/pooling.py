"""Pooling and normalisation as nodes after a finished graph that gives one vector per token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.models.base import TensorInfo
from edgeemb.vectors.fit import Projection

#: The op set that the nodes are written in; they mean the same in newer ones.
OPSET = 18
_PREFIX = "edgeemb/pooling"
_TINY = 1e-9
_SHORTEST = 1e-12
#: Stands for a padded token where the largest is asked for: beyond any sane value, and within float16.
_MASKED = -1e4


def with_vector(
    model: onnx.ModelProto,
    tokens: TensorInfo,
    mask: TensorInfo,
    *,
    modes: Sequence[str],
    normalize: bool,
    name: str = "sentence_embedding",
    projection: Projection | None = None,
) -> tuple[onnx.ModelProto, str]:
    """A model with one more output: a vector per text, from an output that has one per token, or from one per text.

    :param model: a model of op set `OPSET` or newer, which is left as it is.
    :param tokens: the output that is pooled, float[batch, length, dim]; or with no `modes` float[batch, dim].
    :param mask: the input that is 1 where a token is, int[batch, length]; with no `modes` any input of the same batch.
    :param modes: of `edgeemb.models.base.POOLING_MODES`; several are concatenated. Empty for an output that is one vector per text already.
    :param normalize: whether the result gets length 1.
    :param name: of the new output; a longer one is taken where the model has it.
    :param projection: what is done to the result before its length; the output that it is made of is then none any more.
    :return: the model, and the name of the new output, float32[batch, dim * modes], which comes first.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    taken = {info.name for info in (*graph.input, *graph.output)} | {
        out for node in graph.node for out in node.output
    }
    while name in taken:
        name = f"{name}_1"
    writer = _Writer(name)
    hidden = writer.op("Cast", tokens.name, to=TensorProto.FLOAT)
    parts = [hidden]
    if modes:
        counted = writer.op("Cast", mask.name, to=TensorProto.FLOAT)
        parts = [_pool(writer, mode, hidden, counted) for mode in modes]
    vector = parts[0] if len(parts) == 1 else writer.op("Concat", *parts, axis=1)
    if projection is not None:
        vector = _project(writer, vector, projection)
    if normalize:
        length = writer.op("ReduceL2", vector, writer.ints(1), keepdims=1)
        vector = writer.op("Div", vector, writer.op("Max", length, writer.number(_SHORTEST)))
    writer.op("Identity", vector, output=name)
    graph.node.extend(writer.nodes)
    graph.initializer.extend(writer.initializers)
    dim = tokens.axes[-1]
    width = dim * max(1, len(modes)) if isinstance(dim, int) else f"{name}_width"
    others = list(graph.output)
    if projection is not None:
        width = projection.dim
        others = [info for info in others if info.name != tokens.name]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [mask.axes[0], width]))
    graph.output.extend(others)
    return result, name


class _Writer:
    """Writes nodes with unique names."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        place = f"{_PREFIX}/{self.name}/{kind}_{len(self.nodes)}"
        result = output or place
        self.nodes.append(helper.make_node(kind, list(inputs), [result], name=place, **attributes))
        return result

    def constant(self, value: NDArray[Any]) -> str:
        name = f"{_PREFIX}/{self.name}/constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))


def _project(writer: _Writer, vector: str, projection: Projection) -> str:
    if projection.matrix is None:
        return writer.op("Slice", vector, writer.ints(0), writer.ints(projection.dim), writer.ints(1))
    return writer.op("MatMul", vector, writer.constant(np.ascontiguousarray(projection.matrix.T)))


def _pool(writer: _Writer, mode: str, hidden: str, mask: str) -> str:
    if mode == "cls":
        first = writer.op("Slice", hidden, writer.ints(0), writer.ints(1), writer.ints(1))
        return writer.op("Squeeze", first, writer.ints(1))
    if mode == "max":
        wide = writer.op("Unsqueeze", mask, writer.ints(2))
        there = writer.op("Greater", wide, writer.number(0))
        return writer.op(
            "ReduceMax",
            writer.op("Where", there, hidden, writer.number(_MASKED)),
            writer.ints(1),
            keepdims=0,
        )
    if mode in ("mean", "mean_sqrt_len_tokens"):
        total = _total(writer, mask)
        if mode == "mean_sqrt_len_tokens":
            total = writer.op("Sqrt", total)
        return writer.op("Div", _weighted_sum(writer, hidden, mask), total)
    # The place of each token among those that count, from 1.
    place = writer.op("CumSum", mask, writer.constant(np.array(1, np.int64)))
    if mode == "weightedmean":  # https://arxiv.org/abs/2202.08904: later tokens weigh more
        weights = writer.op("Mul", mask, place)
        return writer.op("Div", _weighted_sum(writer, hidden, weights), _total(writer, weights))
    count = writer.op("ReduceSum", mask, writer.ints(1), keepdims=1)
    last = writer.op("Cast", writer.op("Equal", place, count), to=TensorProto.FLOAT)
    return _weighted_sum(writer, hidden, writer.op("Mul", last, mask))


def _weighted_sum(writer: _Writer, hidden: str, weights: str) -> str:
    row = writer.op("Unsqueeze", weights, writer.ints(1))
    return writer.op("Squeeze", writer.op("MatMul", row, hidden), writer.ints(1))


def _total(writer: _Writer, weights: str) -> str:
    total = writer.op("ReduceSum", weights, writer.ints(1), keepdims=1)
    return writer.op("Max", total, writer.number(_TINY))

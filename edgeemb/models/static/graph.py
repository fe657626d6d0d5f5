"""The ONNX graph of a static model: rows, a weighted mean over the tokens that count, and the length of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 8
TABLE = "embeddings"
#: What a vector is at least divided by, so that a text of unknown tokens stays zero.
TINY = 1e-12


@dataclass(frozen=True)
class StaticWeights:
    """The arrays of a static model.

    :param embeddings: float32[V, D].
    :param mapping: int64[ids], row of each token id; None where it is the id itself.
    :param weights: float16[ids] or float32[ids], factor of each token id; None where there are none.
    :param unknown: id that does not count; None where every id does.
    :param normalize: whether vectors get length 1.
    """

    embeddings: NDArray[np.float32]
    mapping: NDArray[np.int64] | None
    weights: NDArray[np.float16 | np.float32] | None
    unknown: int | None
    normalize: bool

    @property
    def stored_mapping(self) -> NDArray[np.int16 | np.int32] | None:
        """The mapping in the smallest type that holds it and every runtime can pick from."""
        if self.mapping is None:
            return None
        if len(self.embeddings) <= np.iinfo(np.int16).max:
            return self.mapping.astype(np.int16)
        return self.mapping.astype(np.int32)

    @property
    def ids(self) -> int:
        """How many token ids there are."""
        return len(self.embeddings if self.mapping is None else self.mapping)


def static_graph(held: StaticWeights) -> onnx.ModelProto:
    """Build the graph.

    Inputs are ``input_ids`` and ``attention_mask``, int64[batch, length]; the output is ``embedding``, float32[batch, D].

    :param held: the arrays.
    """
    constants: dict[str, NDArray[Any]] = {
        TABLE: held.embeddings,
        "last": np.array([-1], np.int64),
        "middle": np.array([1], np.int64),
        "one": np.array(1, np.float32),
        "tiny": np.array(TINY, np.float32),
    }
    nodes: list[onnx.NodeProto] = []

    def op(kind: str, output: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    mask, rows = "attention_mask", "input_ids"
    if held.unknown is not None:
        constants["unknown"] = np.array(held.unknown, np.int64)
        is_known = op("Not", "is_known", op("Equal", "is_unknown", "input_ids", "unknown"))
        mask = op("Mul", "counted_mask", mask, op("Cast", "known", is_known, to=TensorProto.INT64))
    factors = counted = op("Cast", "counted", mask, to=TensorProto.FLOAT)
    if held.stored_mapping is not None:
        constants["mapping"] = held.stored_mapping
        place = op("Gather", "places", "mapping", "input_ids", axis=0)
        rows = op("Cast", "rows", place, to=TensorProto.INT64)
    if held.weights is not None:
        constants["weights"] = held.weights
        stored = op("Gather", "token_weights", "weights", "input_ids", axis=0)
        factors = op("Mul", "factors", counted, op("Cast", "wide_weights", stored, to=TensorProto.FLOAT))
    vectors = op("Gather", "vectors", TABLE, rows, axis=0)
    summed = op("MatMul", "summed", op("Unsqueeze", "factor_rows", factors, "middle"), vectors)
    total = op("Squeeze", "total", summed, "middle")
    count = op("Max", "count", op("ReduceSum", "tokens", counted, "last", keepdims=1), "one")
    mean = op("Div", "mean" if held.normalize else "embedding", total, count)
    if held.normalize:
        norm = op("ReduceL2", "norm", mean, "last", keepdims=1)
        op("Div", "embedding", mean, op("Max", "length", norm, "tiny"))
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "static_embedding",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", held.embeddings.shape[1]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

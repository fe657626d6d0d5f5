"""Small finished ONNX models, built node by node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.models import tiny_tokenizer
from tests.weights import structured

ROWS, DIM = 400, 16


def encoder(
    *,
    opset: int = 18,
    ids: int = TensorProto.INT64,
    stored: type[np.generic] = np.float32,
    through: str = "initializer",
    axes: tuple[str | int, str | int] = ("batch", "length"),
    head: str = "mean",
    types: bool = False,
) -> onnx.ModelProto:
    """A text encoder: a table, a projection, and the mean over the tokens.

    :param opset: op set, 13 at least.
    :param ids: element type of ids and mask.
    :param stored: element type of the table.
    :param through: how the Gather reaches the table: ``initializer``, ``Identity`` or ``Constant``.
    :param axes: axes of the inputs.
    :param head: ``mean``; ``tied``, logits by a Gemm over the table itself; ``copy``, logits by a MatMul over a transposed copy.
    :param types: whether token types go in too.
    """
    table = structured(ROWS, DIM).astype(stored)
    constants: dict[str, NDArray[Any]] = {
        "dense": np.eye(DIM, dtype=np.float32) + 0.01,
        "middle": np.array([1], np.int64),
        "last": np.array([-1], np.int64),
    }
    nodes: list[onnx.NodeProto] = []

    def op(kind: str, output: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [output], name=f"/{output}/{kind}", **attributes))
        return output

    name = "embed.weight"
    if through == "Constant":
        name = op("Constant", "embed.weight", value=numpy_helper.from_array(table))
    else:
        constants[name] = table
    if through == "Identity":
        name = op("Identity", "table_again", name)
    rows = op("Gather", "rows", name, "input_ids")
    if stored is not np.float32:
        rows = op("Cast", "rows32", rows, to=TensorProto.FLOAT)
    if types:
        constants["kinds.token_type_embeddings.weight"] = structured(4, DIM, seed=5)
        kinds = op("Gather", "kinds", "kinds.token_type_embeddings.weight", "token_type_ids")
        rows = op("Add", "typed", rows, kinds)
    hidden = op("MatMul", "hidden", rows, "dense")
    mask = op("Unsqueeze", "mask", op("Cast", "counted", "attention_mask", to=TensorProto.FLOAT), "last")
    summed = op("ReduceSum", "summed", op("Mul", "masked", hidden, mask), "middle", keepdims=0)
    mean = "embedding" if head == "mean" else "mean"
    op("Div", mean, summed, op("ReduceSum", "count", mask, "middle", keepdims=0))
    shape: list[str | int] = [axes[0], DIM]
    if head != "mean":
        shape[1] = ROWS
    if head == "tied":
        op("Gemm", "scores", mean, "embed.weight", transB=1)
    if head == "copy":
        constants["decoder"] = np.ascontiguousarray(table.T)
        op("MatMul", "scores", mean, "decoder")
    names = ["input_ids", *(["token_type_ids"] if types else []), "attention_mask"]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(label, ids, list(axes)) for label in names],
        [helper.make_tensor_value_info(mean if head == "mean" else "scores", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, label) for label, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {"author": "me"})
    return model


def save(model: onnx.ModelProto, path: Path, *, tokenizer: bool = False) -> Path:
    """Save a model, with the tiny BERT tokenizer beside it if wanted.

    :param model: the model.
    :param path: its file.
    :param tokenizer: whether the tokenizer is saved too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    if tokenizer:
        tiny_tokenizer("bert").save(str(path.parent / "tokenizer.json"))
    return path

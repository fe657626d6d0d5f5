"""The graph of a traced model holds the rows of those tables only that are needed."""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper

from edgeemb.exporters.onnx.trace import trace
from edgeemb.models.torch.model import Model


def test_a_table_whose_rows_are_not_needed_is_one_row_of_zeros(tiny: Model) -> None:
    word, position = tiny.table("word"), tiny.table("position")
    graph = trace(tiny, [word.name]).graph
    held = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    np.testing.assert_array_equal(held[word.name], np.zeros((1, word.dim), np.float32))
    np.testing.assert_array_equal(held[position.name], tiny.table_weight("position"))
    assert any(node.op_type == "Gather" and node.input[0] == word.name for node in graph.node)

"""Output layers that give the best tokens alone: TOPK_V2 behind the logits."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeemb.errors import ExportError
from edgeemb.exporters.tflite.graph import Constants, Graph
from edgeemb.models.tflite.tables import shape_of
from edgeemb.tables.top import TOKENS, HeadSpec


def add_top(model: Any, constants: Constants, output: str, head: HeadSpec) -> None:
    """Let every signature give the best of its logits, and the tokens that these belong to.

    :param model: the ``ModelT`` to change, whose outputs have names.
    :param constants: its constants.
    :param output: name of the output that holds the logits, float32[..., V].
    :param head: how many.
    :raises ExportError: if an output has the name of the new one.
    """
    for signature in model.signatureDefs:
        subgraph = model.subgraphs[signature.subgraphIndex]
        names = [entry.name.decode() for entry in signature.outputs]
        if TOKENS in names:
            raise ExportError(f"an output is called {TOKENS!r}, as that of `head` is: rename it")
        entry = signature.outputs[names.index(output)]
        logits = int(entry.tensorIndex)
        graph = Graph(constants, subgraph, "head")
        shape = [*shape_of(subgraph.tensors[logits])[:-1], head.top]
        count = graph.constant(np.array([head.top], np.int32))
        values = graph.op("TOPK_V2", [logits, count], shape)
        places = graph.tensor(shape, "int32", "places", 0)
        graph.operators[-1].outputs = [values, places]
        tokens = graph.cast(places, "int32", "int64", shape)
        subgraph.operators += graph.operators
        subgraph.outputs = [values if int(place) == logits else int(place) for place in subgraph.outputs]
        subgraph.outputs.append(tokens)
        entry.tensorIndex = values
        added = schema.TensorMapT()
        added.name, added.tensorIndex = TOKENS.encode(), tokens
        signature.outputs = [*signature.outputs, added]

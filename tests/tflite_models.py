"""TFLite models made without a converter: a lookup, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgeemb.exporters.tflite.graph import Constants, Graph, add_signature
from edgeemb.exporters.tflite.policy import RUNTIMES
from edgeemb.exporters.tflite.tables import replace_table, tidy
from edgeemb.models.tflite.tables import find_tables
from edgeemb.tables import Table


def lookup_model(weight: NDArray[np.float32], shape: tuple[int, ...] = (6,), op: str = "GATHER") -> Any:
    """A model whose only operator looks up rows.

    :param weight: float32[V, D].
    :param shape: shape of the ids.
    :param op: ``GATHER`` or ``EMBEDDING_LOOKUP``.
    :return: the schema's ``ModelT``.
    """
    model = schema.ModelT()
    model.version = 3
    model.description = b"lookup"
    model.operatorCodes, model.metadata, model.metadataBuffer = [], [], []
    model.buffers = [schema.BufferT()]
    subgraph = schema.SubGraphT()
    subgraph.tensors, subgraph.name = [], b"main"
    model.subgraphs = [subgraph]
    graph = Graph(Constants(model), subgraph, "lookup")
    ids = graph.tensor(shape, "int32", "ids", 0)
    table = graph.constant(weight, "table")
    inputs, options = ([table, ids], {"axis": 0, "batchDims": 0}) if op == "GATHER" else ([ids, table], {})
    rows = graph.op(op, inputs, (*shape, weight.shape[1]), **options)
    subgraph.inputs, subgraph.outputs, subgraph.operators = [ids], [rows], graph.operators
    subgraph.tensors[ids].name, subgraph.tensors[rows].name = b"ids", b"rows"
    add_signature(model)
    return model


def table_model(table: Table, runtime: str, *, custom: bool, shape: tuple[int, ...] = (6,)) -> Any:
    """A model that looks up rows of a compressed table, and nothing else.

    :param table: the table.
    :param runtime: key of `RUNTIMES`.
    :param custom: whether lookups become custom ops.
    :param shape: shape of the ids.
    :return: the schema's ``ModelT``.
    """
    op = "EMBEDDING_LOOKUP" if len(shape) == 1 else "GATHER"
    model = lookup_model(np.ones(table.shape, np.float32), shape, op)
    found = find_tables(model)
    replace_table(model, Constants(model), found[0], table, "word", RUNTIMES[runtime], custom=custom)
    tidy(model)
    return model

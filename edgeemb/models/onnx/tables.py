"""Finding the embedding tables of an ONNX graph: constant matrices whose rows a Gather picks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeemb.errors import ModelError
from edgeemb.models.base import Role, TableInfo

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)

#: Ops that hand ids on unchanged by their first input.
_PASSING = ("Identity", "Cast", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Expand")
_ARITHMETIC = ("Add", "Sub", "Mul", "Mod", "Min", "Max", "Clip", "Where")

#: Names of inputs, as exporters give them: ids of tokens, masks, token types and positions.
IDS = re.compile(r"(input_?ids|input_word_ids|token_?ids|ids|tokens|words|text|input)(:\d+)?", re.I)
MASKS = re.compile(r"(attention_?mask|input_?mask|mask)(:\d+)?", re.I)
TYPES = re.compile(r"(token_type_ids|input_type_ids|segment_?ids)(:\d+)?", re.I)
POSITIONS = re.compile(r"(position_?ids)(:\d+)?", re.I)

# Names of tables in the usual exports of transformers, TensorFlow and the like.
_NAMED: tuple[tuple[re.Pattern[str], Role], ...] = (
    (re.compile(r"token_?type|segment_?embed|type_?embed", re.I), "type"),
    (re.compile(r"position", re.I), "position"),
    (re.compile(r"word_?embed|embed_tokens|token_?embed", re.I), "word"),
)


@dataclass(frozen=True)
class OnnxTable:
    """A table in a graph.

    :param info: its name (that of the constant), alias, role and shape.
    :param tensor: the constant itself.
    :param gathers: the Gather nodes of the main graph over it.
    :param fed_by: inputs of the graph whose values, unchanged, are its ids.
    :param copies: matrix products over a transposed copy of it.
    """

    info: TableInfo
    tensor: TensorProto
    gathers: tuple[onnx.NodeProto, ...]
    fed_by: tuple[str, ...]
    copies: tuple[str, ...]


class Graph:
    """What computes what in a graph.

    :param graph: the main graph of a valid model.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.producer = {name: node for node in graph.node for name in node.output}
        self.constants = {item.name: item for item in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and not node.domain:
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self.constants[node.output[0]] = attribute.t
        self.inputs = [info.name for info in graph.input if info.name not in self.constants]

    def root(self, name: str) -> str:
        """Where a value comes from, Identity nodes aside.

        :param name: any value.
        """
        while name in self.producer and self.producer[name].op_type == "Identity":
            name = self.producer[name].input[0]
        return name

    def origins(self, name: str) -> set[str]:
        """Inputs of the graph that ids are made of: through arithmetic, and through tables of ids.

        :param name: the ids of a Gather.
        """
        found, waiting, seen = set(), [name], set()
        while waiting:
            value = waiting.pop()
            node = self.producer.get(value)
            if value in seen:
                continue
            seen.add(value)
            if node is None:
                found.add(value)
            elif node.op_type in _PASSING:
                waiting.append(node.input[0])
            elif node.op_type in _ARITHMETIC:
                waiting.extend(node.input)
            elif node.op_type == "Gather" and self.root(node.input[0]) in self.constants:
                waiting.append(node.input[1])
        return found.intersection(self.inputs)

    def unchanged(self, name: str) -> str | None:
        """The input of the graph that ids are, value by value; None where something is done to them.

        :param name: the ids of a Gather.
        """
        while name in self.producer and self.producer[name].op_type in _PASSING:
            name = self.producer[name].input[0]
        return name if name in self.inputs else None


def row_lookup(node: onnx.NodeProto) -> bool:
    """Whether a node picks rows of a matrix.

    :param node: any node.
    """
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    return node.op_type == "Gather" and not node.domain and axis in (0, -2)


def find_tables(model: onnx.ModelProto, where: str) -> tuple[OnnxTable, ...]:
    """The tables of a model, the largest first.

    :param model: a valid model with its weights.
    :param where: what to call it in an error.
    :raises ModelError: if there is none; the message says what comes closest.
    """
    graph = Graph(model.graph)
    gathers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if row_lookup(node):
            gathers.setdefault(graph.root(node.input[0]), []).append(node)
    names = [
        name
        for name in gathers
        if name in graph.constants
        and len(graph.constants[name].dims) == 2
        and math.prod(graph.constants[name].dims) > 0
        and graph.constants[name].data_type in _FLOATS
    ]
    if not names:
        raise ModelError(f"{where} has no table to compress: {_nearest(model, graph)}")
    names.sort(key=lambda name: -math.prod(graph.constants[name].dims))
    roles = _roles(graph, names, gathers)
    aliases = _aliases(names, roles)
    return tuple(_table(graph, name, aliases[name], roles[name], gathers[name]) for name in names)


def _table(graph: Graph, name: str, alias: str, role: Role, gathers: Sequence[onnx.NodeProto]) -> OnnxTable:
    tensor = graph.constants[name]
    rows, dim = tensor.dims
    copies = _transposed_copies(graph, tensor)
    info = TableInfo(name, alias, role, rows, dim, tied=bool(copies) or _serves_others(graph, name, gathers))
    fed_by = [graph.unchanged(node.input[1]) for node in gathers]
    inputs = tuple(dict.fromkeys(name for name in fed_by if name is not None))
    return OnnxTable(info, tensor, tuple(gathers), inputs, copies)


def _roles(
    graph: Graph, names: Sequence[str], gathers: Mapping[str, list[onnx.NodeProto]]
) -> dict[str, Role]:
    """Roles by the table's own name, else by the name of the input that feeds it; one table at most is the vocabulary's."""
    roles: dict[str, Role] = dict.fromkeys(names, "other")
    words = []
    for name in names:
        named = next((role for pattern, role in _NAMED if pattern.search(name)), None)
        fed = set().union(*(graph.origins(node.input[1]) for node in gathers[name]))
        if named == "word" or (named is None and any(map(IDS.fullmatch, fed))):
            words.append(name)
        elif named is not None:
            roles[name] = named
        elif any(map(TYPES.fullmatch, fed)):
            roles[name] = "type"
        elif any(map(POSITIONS.fullmatch, fed)):
            roles[name] = "position"
    if words:
        roles[words[0]] = "word"
    return roles


def _aliases(names: Sequence[str], roles: Mapping[str, Role]) -> dict[str, str]:
    """Short unique names that ``--table NAME=SPEC`` takes."""
    aliases: dict[str, str] = {}
    for name in names:
        role = roles[name]
        own = re.sub(r"[^\w.\-/]+", "_", name.removesuffix(".weight")).strip("_/.") or "table"
        wanted = role if role != "other" and role not in aliases.values() else own
        alias, number = wanted, 2
        while alias in aliases.values():
            alias, number = f"{wanted}_{number}", number + 1
        aliases[name] = alias
    return aliases


def _serves_others(graph: Graph, name: str, gathers: Sequence[onnx.NodeProto]) -> bool:
    looking = {node.output[0] for node in gathers}
    return any(
        graph.root(value) == name
        for node in graph.graph.node
        if node.op_type != "Identity" and not looking.intersection(node.output)
        for value in node.input
    )


def _transposed_copies(graph: Graph, table: TensorProto) -> tuple[str, ...]:
    """Products with a constant that equals the table transposed: what exporters make of a tied output layer."""
    shape = list(reversed(table.dims))
    found = []
    for node in graph.graph.node:
        if node.op_type not in ("MatMul", "Gemm") or node.domain:
            continue
        other = graph.constants.get(graph.root(node.input[1]))
        if other is None or list(other.dims) != shape or other is table or other.data_type != table.data_type:
            continue
        if np.array_equal(numpy_helper.to_array(other).T, numpy_helper.to_array(table)):
            found.append(node.name or node.output[0])
    return tuple(found)


def _nearest(model: onnx.ModelProto, graph: Graph) -> str:
    """Why the Gathers that there are look up no table."""
    fused = next((node for node in graph.graph.node if "EmbedLayerNormalization" in node.op_type), None)
    if fused is not None:
        return "its lookups were fused for ONNX Runtime (EmbedLayerNormalization); give the model before that"
    for name, reason in not_constant(model).items():
        return f"rows of '{name}' are looked up, but it {reason}; only a constant can be compressed"
    return "no Gather picks rows of a constant float matrix"


def not_constant(model: onnx.ModelProto) -> dict[str, str]:
    """Float matrices whose rows are looked up, but that no constant holds, and where each comes from.

    :param model: a valid model.
    """
    graph = Graph(model.graph)
    types = {info.name: info.type.tensor_type for info in _typed(model)}
    found = {}
    for node in model.graph.node:
        name = graph.root(node.input[0]) if row_lookup(node) else ""
        if name not in types or name in graph.constants or types[name].elem_type not in _FLOATS:
            continue
        if not types[name].HasField("shape") or len(types[name].shape.dim) == 2:
            maker = graph.producer.get(name)
            found[name] = (
                "is an input of the model" if maker is None else f"is computed by a {maker.op_type} node"
            )
    return found


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element types of a model's values by name, where they can be inferred.

    :param model: a valid model.
    """
    types = {info.name: info.type.tensor_type.elem_type for info in _typed(model)}
    return types | {item.name: item.data_type for item in model.graph.initializer}


def _typed(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        graph = model.graph  # what the file itself declares
    return [*graph.value_info, *graph.input, *graph.output]


def dtype_name(elem_type: int, what: str) -> str:
    """The numpy name of an element type.

    :param elem_type: of `onnx.TensorProto`.
    :param what: what has it, for the error.
    :raises ModelError: if it is no type of numbers.
    """
    if elem_type in (TensorProto.UNDEFINED, TensorProto.STRING):
        raise ModelError(f"{what} is not a tensor of numbers: export the model without it")
    return str(helper.tensor_dtype_to_np_dtype(elem_type))

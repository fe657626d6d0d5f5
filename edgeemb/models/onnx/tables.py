"""The embedding tables of an ONNX graph: stored matrices whose rows are looked up, and what looks like one but is not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.errors import ModelError
from edgeemb.models.base import Role, TableInfo
from edgeemb.models.onnx.graph import Graph, typed
from edgeemb.models.onnx.lookups import FLOATS, Lookup, columns_of, find_lookups, row_lookup, rows_of

#: Names of inputs, as exporters give them: ids of tokens, masks, token types and positions.
IDS = re.compile(r"(input_?ids|input_word_ids|token_?ids|ids|tokens|words|text|input)(:\d+)?", re.I)
MASKS = re.compile(r"(attention_?mask|input_?mask|mask)(:\d+)?", re.I)
TYPES = re.compile(r"(token_type_ids|input_type_ids|segment_?ids)(:\d+)?", re.I)
POSITIONS = re.compile(r"(position_?ids)(:\d+)?", re.I)

#: Constants that look like a table have a name that says so, or this many rows to a column.
_TALL = 4
_EMBEDDING = re.compile(r"embed|vocab|lookup", re.I)
#: Elements of the smallest of them.
_LEAST = 1024
_NEAR = 4

# Names of tables in the usual exports of transformers, TensorFlow and the like.
_NAMED: tuple[tuple[re.Pattern[str], Role], ...] = (
    (re.compile(r"token_?type|segment_?embed|type_?embed", re.I), "type"),
    (re.compile(r"position", re.I), "position"),
    (re.compile(r"word_?embed|embed_tokens|token_?embed", re.I), "word"),
)


@dataclass(frozen=True)
class OnnxTable:
    """A table in a graph.

    :param info: its name (that of the constant that holds it), alias, role and shape.
    :param lookups: where the main graph looks up its rows.
    :param copies: matrix products over a transposed copy of it.
    """

    info: TableInfo
    lookups: tuple[Lookup, ...]
    copies: tuple[str, ...]

    def weight(self, graph: Graph) -> NDArray[np.float32]:
        """Its rows, float32[rows, dim], decoded if the graph holds codes.

        :param graph: the graph that it is in.
        :raises ModelError: if ONNX Runtime cannot compute them.
        """
        return rows_of(graph, self.lookups[0])


def find_tables(graph: Graph, where: str) -> tuple[OnnxTable, ...]:
    """The tables of a model, the largest first.

    :param graph: a valid model's graph, with its weights.
    :param where: what to call it in an error.
    :raises ModelError: if there is none; the message says what comes closest.
    """
    found: dict[tuple[str, str | None], list[Lookup]] = {}
    for lookup in find_lookups(graph):
        found.setdefault((lookup.stored, lookup.matrix), []).append(lookup)
    if not found:
        raise ModelError(f"{where} has no table to compress: {_nearest(graph)}")
    widths = {key: columns_of(graph, lookups[0]) for key, lookups in found.items()}
    keys = sorted(found, key=lambda key: -found[key][0].rows * widths[key])
    roles = _roles(graph, {key: found[key] for key in keys})
    aliases = _aliases(keys, roles)
    return tuple(_table(graph, aliases[key], roles[key], tuple(found[key]), widths[key]) for key in keys)


Key = tuple[str, str | None]


def _table(graph: Graph, alias: str, role: Role, lookups: tuple[Lookup, ...], dim: int) -> OnnxTable:
    first = lookups[0]
    held = graph.constants.get(first.stored)
    copies = _transposed_copies(graph, held) if first.plain and held is not None else ()
    info = TableInfo(
        first.stored,
        alias,
        role,
        first.rows,
        dim,
        tied=bool(copies) or _serves_others(graph, lookups),
        stored=_stored_bytes(graph, first),
    )
    return OnnxTable(info, lookups, copies)


def _stored_bytes(graph: Graph, lookup: Lookup) -> int:
    """Bytes of the constants that the rows come from, except those of a one-hot matrix."""
    if lookup.matrix is not None:
        nodes = graph.upstream(lookup.matrix, ())
        names = {lookup.matrix, *(name for node in nodes for name in node.input)}
    else:
        names = {name for node in graph.upstream(lookup.output, {lookup.ids}) for name in node.input}
    return sum(tensor_bytes(graph.constants[name]) for name in names if name in graph.constants)


def tensor_bytes(tensor: TensorProto) -> int:
    """Bytes of a constant, where several codes may share one.

    :param tensor: the constant.
    """
    kind = TensorProto.DataType.Name(tensor.data_type)
    bits = 4 if kind.endswith("INT4") or kind == "FLOAT4E2M1" else 2 if kind.endswith("INT2") else 0
    item = int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize) * 8
    return int(-(-math.prod(tensor.dims) * (bits or item) // 8))


def _roles(graph: Graph, found: Mapping[Key, Sequence[Lookup]]) -> dict[Key, Role]:
    """Roles by the table's own name, or else by the name of the input that feeds it; at most one table is the vocabulary's."""
    roles: dict[Key, Role] = dict.fromkeys(found, "other")
    words = []
    for key, lookups in found.items():
        named = next((role for pattern, role in _NAMED if pattern.search(key[0])), None)
        fed = set().union(*(graph.origins(lookup.ids) for lookup in lookups))
        if named == "word" or (named is None and any(map(IDS.fullmatch, fed))):
            words.append(key)
        elif named is not None:
            roles[key] = named
        elif any(map(TYPES.fullmatch, fed)):
            roles[key] = "type"
        elif any(map(POSITIONS.fullmatch, fed)):
            roles[key] = "position"
    if words:
        roles[words[0]] = "word"
    return roles


def _aliases(keys: Sequence[Key], roles: Mapping[Key, Role]) -> dict[Key, str]:
    """Short unique names, as used in ``NAME=SPEC``."""
    aliases: dict[Key, str] = {}
    for key in keys:
        role = roles[key]
        own = re.sub(r"[^\w.\-/]+", "_", _bare(key[0])).strip("_/.") or "table"
        wanted = role if role != "other" and role not in aliases.values() else own
        alias, number = wanted, 2
        while alias in aliases.values():
            alias, number = f"{wanted}_{number}", number + 1
        aliases[key] = alias
    return aliases


def _bare(name: str) -> str:
    """The name of a weight, without the suffixes that quantisers add."""
    return name.removesuffix("_quantized").removesuffix(".weight")


def _serves_others(graph: Graph, lookups: Sequence[Lookup]) -> bool:
    """Whether the constant is read by more than the lookups."""
    inside = {
        name
        for lookup in lookups
        for node in graph.upstream(lookup.output, {lookup.ids})
        for name in node.output
    }
    waiting = [lookups[0].stored]
    while waiting:
        value = waiting.pop()
        for node in graph.consumers.get(value, ()):
            if not inside.intersection(node.output):
                return True
            if node.op_type == "Identity":
                waiting += node.output
    return False


def _transposed_copies(graph: Graph, table: TensorProto) -> tuple[str, ...]:
    """Products with a constant that equals the transposed table: this is how exporters write a tied output layer."""
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


def _nearest(graph: Graph) -> str:
    """Why there is no table."""
    for name, reason in near_tables(graph).items():
        return f"'{name}' looks like one, but it {reason}"
    return "no Gather picks rows of a constant matrix"


def near_tables(graph: Graph, tables: Sequence[OnnxTable] = ()) -> dict[str, str]:
    """Values that look like tables but are not, and the reason for each; largest first.

    :param graph: a valid model's graph.
    :param tables: its tables.
    """
    found = not_constant(graph)
    held = {table.info.name for table in tables}
    for table in tables:
        for lookup in table.lookups:
            held |= {name for node in graph.upstream(lookup.output, {lookup.ids}) for name in node.input}
    tall = [
        item
        for item in graph.constants.values()
        if len(item.dims) == 2
        and item.name not in held
        and math.prod(item.dims) >= _LEAST
        and _looks_like_one(item)
    ]
    for item in sorted(tall, key=lambda item: -math.prod(item.dims))[:_NEAR]:
        kind = TensorProto.DataType.Name(item.data_type).lower()
        found[item.name] = f"({kind}, {item.dims[0]} x {item.dims[1]}) {_reading(graph, item.name)}"
    return found


def overlooked(graph: Graph, tables: Sequence[OnnxTable]) -> list[str]:
    """Remarks on constants that look like tables, are larger than each table, and stay as they are.

    :param graph: a valid model's graph.
    :param tables: its tables.
    """
    largest = max((table.info.rows * table.info.dim for table in tables), default=0)
    return [
        f"'{name}' looks like a table and stays as it is: it {reason}"
        for name, reason in near_tables(graph, tables).items()
        if name in graph.constants and math.prod(graph.constants[name].dims) > largest
    ]


def _looks_like_one(item: TensorProto) -> bool:
    return bool(_EMBEDDING.search(item.name)) or item.dims[0] >= _TALL * item.dims[1]


def _reading(graph: Graph, name: str) -> str:
    """A description of how a constant is read, following nodes that pass it on."""
    value = name
    for _ in range(len(graph.graph.node)):
        readers = graph.consumers.get(value, [])
        if not readers:
            break
        node = readers[0]
        label = f"{node.op_type} '{node.name or node.output[0]}'"
        if "EmbedLayerNormalization" in node.op_type:
            return "was fused for ONNX Runtime (EmbedLayerNormalization): give the model from before that optimisation"
        if row_lookup(node) and node.input[0] == value:
            return "has rows that are looked up, but not as one row of floats for each id"
        if node.op_type == "Gather" and node.input[0] == value:
            return f"is read along another axis by {label}"
        if not graph.is_constant(node.output[0]):
            return f"is read by {label}, which looks up no rows by ids"
        value = node.output[0]
    return "is read by no node of the main graph"


def not_constant(graph: Graph) -> dict[str, str]:
    """Float matrices whose rows are looked up but that are not constants, and where each comes from.

    :param graph: a valid model's graph.
    """
    found = {}
    for node in graph.graph.node:
        name = graph.root(node.input[0]) if row_lookup(node) else ""
        if not name or graph.is_constant(name) or graph.elem_type(name) not in FLOATS:
            continue
        if graph.rank(name) in (None, 2):
            maker = graph.producer.get(name)
            reason = "is an input of the model" if maker is None else f"is computed by a {maker.op_type} node"
            found[name] = f"{reason}, and only a constant can be compressed"
    return found


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element types of a model's values by name, where they can be inferred.

    :param model: a valid model.
    """
    types = {info.name: info.type.tensor_type.elem_type for info in typed(model)}
    return types | {item.name: item.data_type for item in model.graph.initializer}


def dtype_name(elem_type: int, what: str) -> str:
    """The numpy name of an element type.

    :param elem_type: of `onnx.TensorProto`.
    :param what: what has it, for the error.
    :raises ModelError: if it is not a numeric type.
    """
    if elem_type in (TensorProto.UNDEFINED, TensorProto.STRING):
        raise ModelError(f"{what} is not a tensor of numbers: export the model without it")
    return str(helper.tensor_dtype_to_np_dtype(elem_type))

"""Finished ONNX models as input. No torch is imported: the file itself is read, changed and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from edgeemb.errors import ModelError, first_line
from edgeemb.models.base import LoadedModel, TableInfo, TensorInfo
from edgeemb.models.bounds import Fed, bound_inputs
from edgeemb.models.onnx.examples import made_up
from edgeemb.models.onnx.file import tensors
from edgeemb.models.onnx.graph import Graph
from edgeemb.models.onnx.lookups import row_lookup
from edgeemb.models.onnx.opsets import moved, opset_of
from edgeemb.models.onnx.places import Belongings
from edgeemb.models.onnx.plain import make_plain
from edgeemb.models.onnx.pooling import OPSET as POOLING_OPSET
from edgeemb.models.onnx.pooling import with_vector
from edgeemb.models.onnx.roles import ids_first, tensor_info
from edgeemb.models.onnx.tables import (
    IDS,
    OnnxTable,
    element_types,
    find_tables,
    near_tables,
    not_constant,
    tensor_bytes,
)
from edgeemb.models.onnx.text import TextForm
from edgeemb.native.onnxruntime import RUNTIME_ERRORS, open_session
from edgeemb.text.feeds import pad, text_feeds

if TYPE_CHECKING:
    from edgeemb.models.torch.model import Model
    from edgeemb.vectors.fit import Projection

#: Tokens of the longest text where nothing says how many a model takes.
MAX_LENGTH = 512
#: More first positions than that no model keeps for padding.
_KEPT_POSITIONS = 4
#: Rows of a position table up to which it is tried how many tokens fit.
_TRIED = 1024


@dataclass(frozen=True, kw_only=True)
class OnnxModel(LoadedModel):
    """A finished ONNX model.

    The other parameters are those of `edgeemb.models.base.LoadedModel`.

    :param proto: the model with its weights. It is never changed.
    :param path: the file, where there is one; ONNX Runtime then maps its weights.
    :param graph: what computes what in it.
    :param found: where its tables are in the graph, in the order of `tables`.
    :param example_texts: ids of texts to compare it on where it takes no text itself; empty for made-up inputs.
    :param given: inputs that the user gave to compare it on; empty for made-up ones.
    :param remarks: what was done to the file when it was loaded, for the user.
    """

    proto: onnx.ModelProto = field(repr=False)
    path: Path | None = None
    graph: Graph = field(repr=False)
    found: tuple[OnnxTable, ...] = field(repr=False)
    example_texts: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    given: tuple[dict[str, NDArray[Any]], ...] = field(default=(), repr=False)
    remarks: tuple[str, ...] = ()

    @property
    def runtimes(self) -> tuple[str, ...]:
        """ONNX alone: the graph stays what it is."""
        return ("onnx",)

    @property
    def default_body(self) -> str | None:
        """``keep``: the author of the model has already chosen."""
        return "keep"

    def table(self, alias: str) -> TableInfo:
        """The table of that name.

        :raises ModelError: if there is none, or it is not a constant.
        """
        reason = (
            None
            if any(alias == table.alias for table in self.tables)
            else not_constant(self.graph).get(alias)
        )
        if reason is not None:
            raise ModelError(f"table '{alias}' of {self.name} {reason}")
        return super().table(alias)

    def table_weight(self, alias: str) -> NDArray[np.float32]:
        """A copy of a table's rows, float32[rows, dim], whatever the graph holds them in.

        :raises ModelError: if there is no such table, or a value is NaN or infinite.
        """
        info = self.table(alias)
        found = next(table for table in self.found if table.info.alias == alias)
        weight = found.weight(self.graph)
        bad = weight.size - int(np.isfinite(weight).sum())
        if bad:
            raise ModelError(
                f"{self.source}: table {info.name} holds {bad} NaN or infinite values: train or copy it again"
            )
        return weight

    def reference(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """What ONNX Runtime computes with the original.

        :param feeds: an array per input.
        :return: all outputs, in the order of `outputs` and with their dtypes.
        :raises ModelError: with the runtime's words if it refuses the model or the inputs.
        """
        try:
            results = self._session.run([info.name for info in self.outputs], dict(feeds))
        except RUNTIME_ERRORS as error:
            self._refused(error)
        return [np.asarray(value) for value in results]

    def near_tables(self) -> Mapping[str, str]:
        """What looks like a table but is not one: names, and the reason for each."""
        return near_tables(self.graph, self.found)

    def examples(self) -> list[dict[str, NDArray[Any]]]:
        """The user's inputs; or else the packaged sentences if a tokenizer is known; or else made-up inputs on which the original runs.

        :raises ModelError: if it runs on nothing that is made up.
        """
        if self.given:
            return [dict(feeds) for feeds in self.given]
        if self.example_texts:
            return [self._text_feeds(ids) for ids in self.example_texts]
        rows = {info.name: self._rows(info) for info in self.inputs}
        return made_up(
            self.inputs, {name: count for name, count in rows.items() if count is not None}, self.reference
        )

    def with_rows(self, alias: str, rows: NDArray[np.float32], *, shared: bool = False) -> OnnxModel:
        """A copy that has other rows in a table. A layer that shares the weight gets them too, so that what is measured is at worst too low.

        :param alias: which table.
        :param rows: float32[V, D].
        :param shared: does not matter here.
        """
        found = next(table for table in self.found if table.info.alias == alias)
        proto = onnx.ModelProto()
        proto.CopyFrom(self.proto)
        name = make_plain(proto, found, lambda: rows, element_types(proto))
        held = next(item for item in proto.graph.initializer if item.name == name)
        held.CopyFrom(onnx.numpy_helper.from_array(rows.astype(np.float32), name))
        return replace(self, proto=proto, path=None, graph=Graph(proto))

    def with_projection(self, projection: Projection) -> OnnxModel:
        """A model with nodes after its vectors.

        :param projection: what is done to them.
        """
        proto, remarks = self.proto, list(self.remarks)
        if (opset_of(proto) or 0) < POOLING_OPSET:
            proto = moved(proto, POOLING_OPSET, self.source)
            remarks.append(f"the model was raised to op set {POOLING_OPSET}, which smaller vectors need")
        vector = self.outputs[0]
        proto, name = with_vector(
            proto, vector, self.inputs[0], modes=(), normalize=True, projection=projection
        )
        return replace(
            self,
            proto=proto,
            path=None,
            graph=Graph(proto),
            outputs=(TensorInfo(name, "float32", (vector.axes[0], projection.dim)), *self.outputs[1:]),
            normalize=True,
            remarks=tuple(remarks),
        )

    def weight_bytes(self) -> int:
        """Bytes of all constants, tables included."""
        return sum(tensor_bytes(tensor) for tensor in tensors(self.proto))

    def torch_model(self) -> Model:
        """Refuse: an ONNX graph is not a torch module.

        :raises ModelError: always.
        """
        raise ModelError(
            f"{self.source} is a finished ONNX model: it can be written for the runtime onnx only"
        )

    def _rows(self, info: TensorInfo) -> int | None:
        """The range of made-up ids; ids that are changed before the lookup may still be any of the vocabulary's."""
        words = [table.rows for table in self.tables if table.role == "word"]
        return info.rows or (words[0] if words and IDS.fullmatch(info.name) else None)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        try:
            return open_session(self.path or self.proto.SerializeToString())
        except RUNTIME_ERRORS as error:
            self._refused(error)

    def _refused(self, error: Exception) -> NoReturn:
        raise ModelError(
            f"{self.source}: ONNX Runtime {onnxruntime.__version__} cannot run it ({first_line(error)})"
        ) from None

    def _text_feeds(self, ids: Sequence[int]) -> dict[str, NDArray[Any]]:
        length = self.inputs[0].axes[1]
        filled, mask = pad([ids], length=length if isinstance(length, int) else None)
        feeds = text_feeds([info.name for info in self.inputs], filled, mask)
        return {info.name: feeds[info.name].astype(info.dtype) for info in self.inputs}


M = TypeVar("M", bound=OnnxModel)


def build(
    kind_of_model: type[M],
    proto: onnx.ModelProto,
    *,
    source: str,
    name: str,
    path: Path | None,
    belongings: Belongings,
    max_length: int | None,
    modes: Sequence[str] = (),
    unit_length: bool = False,
    remarks: tuple[str, ...] = (),
    **known: Any,
) -> M:
    """A model from a checked graph.

    :param kind_of_model: its class.
    :param proto: the model with its weights.
    :param source: what the user called it.
    :param name: its name.
    :param path: its file if that holds exactly this graph, or None.
    :param belongings: its tokenizer, and what else is said of it.
    :param max_length: tokens of the longest text; None for what belongs to it says.
    :param modes: modes that its token vectors are pooled by; empty for what belongs to it says where it gives nothing else.
    :param unit_length: whether its vectors are scaled to length 1.
    :param remarks: what was done to the file already.
    :param known: fields of the class that the caller knows.
    :raises ModelError: if it has no table, cannot be pooled, or the tokenizer does not fit it.
    """
    text = TextForm(proto, source, path, belongings, list(remarks))
    text.pool(tuple(modes), unit_length)
    graph = Graph(text.proto)
    found = find_tables(graph, source)
    inputs, tables = _inputs(graph, found), tuple(table.info for table in found)
    fields: dict[str, Any] = text.fields(inputs, max_length or _max_length(belongings, inputs, tables))
    model = kind_of_model(
        **{
            "name": name,
            "source": source,
            "proto": text.proto,
            "path": text.path,
            "graph": graph,
            "inputs": inputs,
            "outputs": text.outputs,
            "tables": tables,
            "found": found,
            **fields,
            "remarks": tuple(text.remarks),
            **known,
        }
    )
    if max_length is None and model.takes_text and _may_be_short(model):
        return replace(model, max_length=_longest(model))
    return model


def _inputs(graph: Graph, found: Sequence[OnnxTable]) -> tuple[TensorInfo, ...]:
    declared = [tensor_info(info, "input") for info in graph.graph.input if info.name in graph.inputs]
    return ids_first(bound_inputs(declared, list(_fed(graph, found))))


def _fed(graph: Graph, found: Sequence[OnnxTable]) -> Iterator[Fed]:
    """The tables that inputs go to, and the constants of other lookups, such as positions."""
    for table in found:
        for lookup in table.lookups:
            if origin := graph.unchanged(lookup.ids):
                yield Fed(origin, lookup.rows, table.info.alias)
    for node in graph.graph.node:
        if row_lookup(node):
            held = graph.constants.get(graph.root(node.input[0]))
            origin = graph.unchanged(node.input[1])
            if held is not None and held.dims and origin:
                yield Fed(origin, held.dims[0], None)


def _max_length(belongings: Belongings, inputs: Sequence[TensorInfo], tables: Sequence[TableInfo]) -> int:
    """The limit in the settings, or else the tokenizer's truncation; never more than the position table and a fixed length allow."""
    limits = [table.rows for table in tables if table.role == "position"]
    limits += [axis for info in inputs[:1] for axis in info.axes[1:] if isinstance(axis, int)]
    written = belongings.tokenizer.written_length if belongings.tokenizer is not None else None
    said = belongings.max_length or written
    if said is not None:
        limits.append(said)
    return min(limits, default=MAX_LENGTH)


def _may_be_short(model: OnnxModel) -> bool:
    """Whether texts may be as long as the position table, whose first rows some models keep for padding."""
    rows = [table.rows for table in model.tables if table.role == "position"]
    return model.max_length in rows and model.max_length <= _TRIED


def _longest(model: OnnxModel) -> int:
    """The longest text that the original runs on, of the lengths just below the limit."""
    for length in range(model.max_length, max(1, model.max_length - _KEPT_POSITIONS), -1):
        try:
            model.reference(model._text_feeds([0] * length))
        except ModelError:
            continue
        return length
    return model.max_length

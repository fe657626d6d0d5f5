"""Finished ONNX models as input. No torch is imported: the file is read, changed and compared as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer

from edgeemb.errors import ModelError, first_line
from edgeemb.files import read_config, read_text
from edgeemb.models.base import Kind, LoadedModel, TableInfo, TensorInfo
from edgeemb.models.onnx.file import read_onnx, tensors
from edgeemb.models.onnx.tables import (
    IDS,
    MASKS,
    POSITIONS,
    TYPES,
    Graph,
    OnnxTable,
    dtype_name,
    find_tables,
    not_constant,
)
from edgeemb.native.onnxruntime import RUNTIME_ERRORS
from edgeemb.text.feeds import pad, text_feeds
from edgeemb.text.sentences import sentences
from edgeemb.text.tokenizer import MAX_BYTES, parse_tokenizer

if TYPE_CHECKING:
    from edgeemb.models.torch_model import Model

#: Tokens of the longest text where nothing says how many a model takes.
MAX_LENGTH = 512
# A model_max_length from here on means that there is none.
_NO_LIMIT = 10**6
_EXAMPLES = 4
_EXAMPLE_LENGTH = 16
_SEED = 3
_ERRORS_ONLY = 4


@dataclass(frozen=True, kw_only=True)
class OnnxModel(LoadedModel):
    """A finished ONNX model.

    The other parameters are those of `edgeemb.models.base.LoadedModel`.

    :param proto: the model with its weights. It is never changed.
    :param path: the file, where there is one; ONNX Runtime then maps its weights.
    :param found: where its tables are in the graph, in the order of `tables`.
    :param example_texts: ids of texts to compare it on where it takes no text itself; empty for made-up inputs.
    """

    proto: onnx.ModelProto = field(repr=False)
    path: Path | None = None
    found: tuple[OnnxTable, ...] = field(repr=False)
    example_texts: tuple[tuple[int, ...], ...] = field(default=(), repr=False)

    @property
    def runtimes(self) -> tuple[str, ...]:
        """ONNX alone: the graph stays what it is."""
        return ("onnx",)

    @property
    def default_body(self) -> str | None:
        """``keep``: whoever finished the model has chosen."""
        return "keep"

    def table(self, alias: str) -> TableInfo:
        """The table of that name.

        :raises ModelError: if there is none, or it is no constant.
        """
        reason = (
            None
            if any(alias == table.alias for table in self.tables)
            else not_constant(self.proto).get(alias)
        )
        if reason is not None:
            raise ModelError(f"table '{alias}' of {self.name} {reason}: only a constant can be compressed")
        return super().table(alias)

    def table_weight(self, alias: str) -> NDArray[np.float32]:
        """A copy of a table's rows, float32[rows, dim], whatever the graph holds them in.

        :raises ModelError: if there is no such table, or a value is NaN or infinite.
        """
        info = self.table(alias)
        tensor = next(table.tensor for table in self.found if table.info.alias == alias)
        weight = np.array(numpy_helper.to_array(tensor), np.float32)
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

    def examples(self) -> list[dict[str, NDArray[Any]]]:
        """The packaged sentences where a tokenizer is known, else ids all over the tables, masks of ones and random floats."""
        if self.example_texts:
            return [self._text_feeds(ids) for ids in self.example_texts]
        random = np.random.default_rng(_SEED)
        return [
            {info.name: _made_up(info, self._rows(info), random) for info in self.inputs}
            for _ in range(_EXAMPLES)
        ]

    def weight_bytes(self) -> int:
        """Bytes of all constants, tables included."""
        return sum(int(np.prod(tensor.dims)) * _item_bytes(tensor) for tensor in tensors(self.proto))

    def torch_model(self) -> Model:
        """Refuse: an ONNX graph is no torch module.

        :raises ModelError: always.
        """
        raise ModelError(
            f"{self.source} is a finished ONNX model: it can be written for the runtime onnx only"
        )

    def _rows(self, info: TensorInfo) -> int | None:
        """Rows that made-up ids are from; ids to which something is done first may still be any of the vocabulary's."""
        words = [table.rows for table in self.tables if table.role == "word"]
        return info.rows or (words[0] if words and IDS.fullmatch(info.name) else None)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        source = self.proto.SerializeToString() if self.path is None else str(self.path)
        try:
            return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
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


def load_onnx(
    path: Path, *, name: str | None = None, tokenizer: str | Path | None = None, max_length: int | None = None
) -> OnnxModel:
    """Load a finished ONNX model.

    It takes text if a tokenizer is there, its inputs are ids and a mask (and token types or positions) of free batch size, and its first
    output is one vector per text. Otherwise it is a ``module``.

    :param path: the ``.onnx`` file, with its external data beside it.
    :param name: name of the model; by default that of the file.
    :param tokenizer: its ``tokenizer.json``; by default the one in the same folder, if any.
    :param max_length: tokens of the longest text; by default what the tokenizer, the position table or the input's shape say.
    :raises ModelError: if the file is missing, damaged or not valid, has no table, or the tokenizer does not fit it.
    """
    proto = read_onnx(path)
    if any(item.domain == "edgeemb" for item in proto.opset_import):
        raise ModelError(f"{path} was written by edgeemb already: give the model that it was made from")
    beside = path.parent / "tokenizer.json"
    place = Path(tokenizer) if tokenizer is not None else beside if beside.is_file() else None
    settings = None if place is None else place.with_name("tokenizer_config.json")
    if max_length is None and settings is not None and settings.is_file():
        said = read_config(settings).get("model_max_length")
        max_length = said if isinstance(said, int) and 0 < said < _NO_LIMIT else None
    return build(
        OnnxModel,
        proto,
        source=str(path),
        name=name or path.stem,
        path=path,
        tokenizer=None
        if place is None
        else parse_tokenizer(read_text(place, MAX_BYTES, ModelError), str(place)),
        max_length=max_length,
    )


M = TypeVar("M", bound=OnnxModel)


def build(
    kind_of_model: type[M],
    proto: onnx.ModelProto,
    *,
    source: str,
    name: str,
    path: Path | None,
    tokenizer: Tokenizer | None,
    max_length: int | None,
    **known: Any,
) -> M:
    """A model from a checked graph.

    :param kind_of_model: its class.
    :param proto: the model with its weights.
    :param source: what the user called it.
    :param name: its name.
    :param path: its file, or None.
    :param tokenizer: its tokenizer, or None.
    :param max_length: as for `load_onnx`.
    :param known: fields of the class that the caller knows.
    :raises ModelError: if it has no table, or the tokenizer does not fit it.
    """
    found = find_tables(proto, source)
    tables = tuple(table.info for table in found)
    inputs = _ids_first(_inputs(proto, found))
    outputs = tuple(_tensor(info, f"{source}: output") for info in proto.graph.output)
    fields: dict[str, Any] = {"kind": "module"}
    if tokenizer is not None:
        length = max_length or _max_length(tokenizer, inputs, tables)
        text = _text_of(tokenizer)
        kind = _text_kind(inputs, outputs)
        if kind is not None:
            _check_ids(tokenizer, inputs[0], source)
            fields = {"kind": kind, "tokenizer_json": text, "max_length": length}
        elif _takes_ids(inputs):
            _check_ids(tokenizer, inputs[0], source)
            tokenizer = Tokenizer.from_str(text)
            tokenizer.enable_truncation(length)
            fields["example_texts"] = tuple(
                tuple(encoding.ids) for encoding in tokenizer.encode_batch(sentences()) if encoding.ids
            )
    return kind_of_model(
        name=name,
        source=source,
        proto=proto,
        path=path,
        inputs=inputs,
        outputs=outputs,
        tables=tables,
        found=found,
        **{**fields, **known},
    )


def _inputs(proto: onnx.ModelProto, found: Sequence[OnnxTable]) -> tuple[TensorInfo, ...]:
    graph = Graph(proto.graph)
    bounds: dict[str, int] = {}
    for node in proto.graph.node:
        if node.op_type == "Gather" and graph.root(node.input[0]) in graph.constants:
            held = graph.constants[graph.root(node.input[0])]
            origin = graph.unchanged(node.input[1])
            if held.dims and origin is not None:
                bounds[origin] = min(held.dims[0], bounds.get(origin, held.dims[0]))
    tables = {name: table.info.alias for table in reversed(found) for name in table.fed_by}
    return tuple(
        _tensor(info, "input", tables.get(info.name), bounds.get(info.name))
        for info in proto.graph.input
        if info.name in graph.inputs
    )


def _tensor(
    info: onnx.ValueInfoProto, what: str, table: str | None = None, rows: int | None = None
) -> TensorInfo:
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        raise ModelError(
            f"{what} {info.name} has no shape: export the model with the shapes of its inputs and outputs"
        )
    axes = tuple(
        axis.dim_param or (axis.dim_value if axis.HasField("dim_value") else f"{info.name}_{place}")
        for place, axis in enumerate(kind.shape.dim)
    )
    return TensorInfo(info.name, dtype_name(kind.elem_type, f"{what} {info.name}"), axes, table, rows)


def _ids_first(inputs: tuple[TensorInfo, ...]) -> tuple[TensorInfo, ...]:
    """Inputs in the order that a session takes: ids, mask, the rest. They are fed by name."""
    order = {
        info.name: 0 if IDS.fullmatch(info.name) else 1 if MASKS.fullmatch(info.name) else 2
        for info in inputs
    }
    return tuple(sorted(inputs, key=lambda info: order[info.name]))


def _takes_ids(inputs: Sequence[TensorInfo]) -> bool:
    if len(inputs) < 2 or any(len(info.axes) != 2 for info in inputs):
        return False
    known = all(TYPES.fullmatch(info.name) or POSITIONS.fullmatch(info.name) for info in inputs[2:])
    return bool(IDS.fullmatch(inputs[0].name) and MASKS.fullmatch(inputs[1].name) and known)


def _text_kind(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> Kind | None:
    """What kind of text model inputs and outputs make; None where a text does not give one vector."""
    axes = outputs[0].axes
    if not _takes_ids(inputs) or len(axes) != 2 or not isinstance(axes[1], int):
        return None
    if any(isinstance(info.axes[0], int) for info in (*inputs, outputs[0])):
        return None
    return "classification" if outputs[0].name == "logits" else "embedding"


def _text_of(tokenizer: Tokenizer) -> str:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return str(tokenizer.to_str())


def _max_length(tokenizer: Tokenizer, inputs: Sequence[TensorInfo], tables: Sequence[TableInfo]) -> int:
    """The least of what the tokenizer cuts at, the rows of the position table and a fixed length."""
    limits = [table.rows for table in tables if table.role == "position"]
    if tokenizer.truncation:
        limits.append(int(tokenizer.truncation["max_length"]))
    limits += [axis for info in inputs[:1] for axis in info.axes[1:] if isinstance(axis, int)]
    return min(limits, default=MAX_LENGTH)


def _check_ids(tokenizer: Tokenizer, ids: TensorInfo, source: str) -> None:
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if ids.rows is not None and largest >= ids.rows:
        raise ModelError(
            f"{source}: the tokenizer gives ids up to {largest}, the table has {ids.rows} rows: "
            "give the model's own with --tokenizer"
        )


def _made_up(info: TensorInfo, rows: int | None, random: np.random.Generator) -> NDArray[Any]:
    shape = tuple(
        axis if isinstance(axis, int) else 2 if place == 0 and len(info.axes) > 1 else _EXAMPLE_LENGTH
        for place, axis in enumerate(info.axes)
    )
    if rows is not None:
        return random.integers(0, rows, shape).astype(info.dtype)
    if np.issubdtype(np.dtype(info.dtype), np.floating):
        return random.standard_normal(shape).astype(info.dtype)
    return np.zeros(shape, info.dtype) if TYPES.fullmatch(info.name) else np.ones(shape, info.dtype)


def _item_bytes(tensor: onnx.TensorProto) -> int:
    return int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)

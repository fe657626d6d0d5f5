"""A finished .tflite file as a model: its tables are replaced in place, everything else stays. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import ModelError
from edgeemb.models.base import LoadedModel, TableInfo, TensorInfo
from edgeemb.models.bounds import Fed, bound_inputs
from edgeemb.models.tflite.flatbuffer import NUMPY_TYPES, opcode_name, pack_tflite, parse_tflite, read_tflite
from edgeemb.models.tflite.tables import FoundTable, find_tables, near_tables, put_rows
from edgeemb.native.interpreters import find_interpreter

if TYPE_CHECKING:
    from edgeemb.models.torch.model import Model

#: Made-up inputs that an export of such a model is compared on.
EXAMPLES = 8
_PASSED_ON = ("RESHAPE", "CAST", "SQUEEZE", "EXPAND_DIMS")


@dataclass(frozen=True, kw_only=True)
class TfliteModel(LoadedModel):
    """A finished TFLite model. The other parameters are those of `LoadedModel`.

    :param path: the file. Ids may be floats there, which the graph casts.
    :param content: the model in bytes, where it is not as in the file.
    """

    path: Path
    content: bytes | None = field(default=None, repr=False)

    @property
    def runtimes(self) -> tuple[str, ...]:
        """The runtimes that read TFLite files."""
        return ("tflite", "tflite-runtime", "tflm")

    @property
    def default_body(self) -> str | None:
        """The body is not changed."""
        return "keep"

    @cached_property
    def _found(self) -> dict[str, FoundTable]:
        tables = find_tables(self._parsed())
        return {info.alias: table for info, table in zip(self.tables, tables, strict=True)}

    def near_tables(self) -> Mapping[str, str]:
        """What looks like a table but is not one: names, and the reason for each."""
        return near_tables(read_tflite(self.path)[0])

    def table_weight(self, alias: str) -> NDArray[np.float32]:
        """A table's rows, dequantised if they are quantised, float32[rows, dim].

        :raises ModelError: if there is no such table.
        """
        self.table(alias)
        return self._found[alias].weight.copy()

    def with_rows(self, alias: str, rows: NDArray[np.float32], *, shared: bool = False) -> TfliteModel:
        """A copy that has other rows in a table; what else reads the table keeps its own.

        :param alias: which table.
        :param rows: float32[V, D].
        :param shared: does not matter here.
        :raises SpecError: if the lookups give quantised rows.
        """
        place = [info.alias for info in self.tables].index(self.table(alias).alias)
        model = self._parsed()
        put_rows(model, find_tables(model)[place], rows)
        return replace(self, content=pack_tflite(model))

    def _parsed(self) -> Any:
        if self.content is None:
            return read_tflite(self.path)[0]
        return parse_tflite(self.content, str(self.path))

    def interpreter(self, **options: Any) -> Any:
        """An interpreter of the model, its tensors allocated.

        :param options: further arguments of it.
        """
        source = {"model_path": str(self.path)} if self.content is None else {"model_content": self.content}
        interpreter = find_interpreter().Interpreter(**source, **options)
        interpreter.allocate_tensors()
        return interpreter

    @cached_property
    def _runner(self) -> Any:
        return self.interpreter()

    def reference(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """What the original file computes in the installed interpreter.

        :param feeds: an array per input.
        :return: all outputs, in the order of `outputs` and with their dtypes.
        """
        interpreter = self._runner
        for info, details in zip(self.inputs, interpreter.get_input_details(), strict=True):
            interpreter.set_tensor(details["index"], feeds[info.name].astype(details["dtype"]))
        interpreter.invoke()
        return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]

    def examples(self) -> list[dict[str, NDArray[Any]]]:
        """Made-up inputs: ids drawn evenly where the input goes to a table, else normal or small numbers."""
        rng = np.random.default_rng(0)
        return [{info.name: self._example(info, rng) for info in self.inputs} for _ in range(EXAMPLES)]

    def _example(self, info: TensorInfo, rng: np.random.Generator) -> NDArray[Any]:
        shape = [1 if isinstance(axis, str) else axis for axis in info.axes]
        if info.rows is not None:
            return rng.integers(0, info.rows, shape).astype(info.dtype)
        if np.issubdtype(np.dtype(info.dtype), np.floating):
            return rng.standard_normal(shape).astype(info.dtype)
        return rng.integers(0, 2, shape).astype(info.dtype)

    def weight_bytes(self) -> int:
        """Bytes of all constants of the file."""
        model, _ = read_tflite(self.path)
        return sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)

    def torch_model(self) -> Model:
        """A finished file has no torch module.

        :raises ModelError: always.
        """
        raise ModelError(
            f"{self.path} is a finished TFLite model: write it with `runtime` {', '.join(self.runtimes)}"
        )


def load_tflite(path: Path, *, name: str | None = None) -> TfliteModel:
    """Load a finished TFLite model.

    :param path: the file.
    :param name: name of the model; by default that of the file.
    :raises ModelError: if it is not a TFLite model, is damaged, or has no table that can be replaced.
    """
    model, _ = read_tflite(path)
    found = find_tables(model)
    if not found:
        near = "; ".join(
            f"'{table}' looks like one, but it {reason}" for table, reason in near_tables(model).items()
        )
        raise ModelError(f"{path} has no table to compress: {near or 'nothing looks up rows of a constant'}")
    graph = model.subgraphs[0]
    names = _names(model, graph)
    tables = tuple(_tables(found))
    inputs = [_info(graph, int(i), names[int(i)]) for i in graph.inputs]
    fed = [
        Fed(names[place], table.rows, table.alias)
        for table, held in zip(tables, found, strict=True)
        for place in _origins(model, graph, held)
    ]
    return TfliteModel(
        name=name or path.stem,
        source=str(path),
        kind="module",
        inputs=bound_inputs(inputs, fed),
        outputs=tuple(_info(graph, int(i), names[int(i)]) for i in graph.outputs),
        tables=tables,
        path=path,
    )


def _names(model: Any, graph: Any) -> dict[int, str]:
    """Names of inputs and outputs: those of the first graph's signature, or of the tensors."""
    names = {
        int(i): (graph.tensors[int(i)].name or b"").decode("utf-8", "replace")
        for i in [*graph.inputs, *graph.outputs]
    }
    for signature in model.signatureDefs or []:
        if signature.subgraphIndex == 0:
            names |= {
                int(e.tensorIndex): e.name.decode("utf-8", "replace")
                for e in [*signature.inputs, *signature.outputs]
            }
            break
    return names


def _info(graph: Any, place: int, name: str) -> TensorInfo:
    tensor = graph.tensors[place]
    if tensor.type not in NUMPY_TYPES:
        raise ModelError(
            f"{name} has a type that edgeemb does not feed: use a model with numbers as inputs and outputs"
        )
    signature = tensor.shapeSignature
    shape = tensor.shape if signature is None or not len(signature) else signature
    named = ["batch" if axis == 0 else f"axis_{axis}" for axis in range(len(shape))]
    axes = tuple(int(size) if size >= 0 else label for size, label in zip(shape, named, strict=True))
    return TensorInfo(name, NUMPY_TYPES[tensor.type], axes)


def _origins(model: Any, graph: Any, table: FoundTable) -> Iterator[int]:
    """The inputs of the first graph that a table's ids are, unchanged but for their shape and type."""
    producers = {int(output): operator for operator in graph.operators for output in operator.outputs}
    for site in table.sites:
        place = site.ids
        while (
            place in producers
            and opcode_name(model.operatorCodes[producers[place].opcodeIndex]) in _PASSED_ON
        ):
            place = int(producers[place].inputs[0])
        if site.subgraph == 0 and place in [int(i) for i in graph.inputs]:
            yield place


def _tables(found: list[FoundTable]) -> list[TableInfo]:
    tables: list[TableInfo] = []
    for table in found:
        stem = re.sub(r"[^\w.\-]+", ".", table.name.rpartition(";")[2]).strip(".") or "table"
        taken = {info.alias for info in tables}
        alias = next(
            name for name in [stem, *(f"{stem}_{n}" for n in range(2, len(found) + 2))] if name not in taken
        )
        rows, dim = table.weight.shape
        tables.append(TableInfo(table.name, alias, "other", rows, dim, tied=False, stored=table.stored))
    return tables

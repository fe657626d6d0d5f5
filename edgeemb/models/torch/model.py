"""Torch models: what they compute, what goes in and out, and which embedding tables they hold.

A ``Model`` is the same, whatever its source: a Hugging Face or sentence-transformers folder, a hub
name, or a torch module from Python. Its ``module`` is complete, so that exporting it exports the whole model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeemb.bundle.manifest import LateInteraction
from edgeemb.errors import ModelError, SpecError
from edgeemb.models.base import LoadedModel, Role, TableInfo
from edgeemb.models.torch.tokens import same_columns, without_tokens
from edgeemb.torch_tables.copying import copy_module

if TYPE_CHECKING:
    from edgeemb.vectors.fit import Projection
    from edgeemb.vocabulary.prune import Pruned


@dataclass(frozen=True, kw_only=True)
class Model(LoadedModel):
    """A torch model on the CPU, in float32 and in evaluation mode.

    The other parameters are those of `edgeemb.models.base.LoadedModel`.

    :param module: maps ``inputs`` to ``outputs``, in order.
    :param example_inputs: tensors that ``module`` accepts, for tracing it.
    """

    module: nn.Module
    example_inputs: tuple[Tensor, ...] = field(repr=False)

    def table_weight(self, alias: str) -> NDArray[np.float32]:
        """The rows of a table, float32[rows, dim], not to be written to.

        :raises ModelError: if there is no such table.
        """
        weight = self.module.get_parameter(self.table(alias).name)
        rows = np.asarray(weight.detach().numpy(), np.float32).view()
        rows.flags.writeable = False
        return rows

    def reference(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """What the module computes.

        :param feeds: an array per input.
        :return: all outputs, in the order of `outputs` and with their dtypes.
        """
        with torch.no_grad():
            result = self.module(*(torch.from_numpy(feeds[info.name]) for info in self.inputs))
        return [output.numpy() for output in (result if isinstance(result, tuple | list) else [result])]

    def examples(self) -> list[dict[str, NDArray[Any]]]:
        """The inputs that it is traced with."""
        return [
            {info.name: tensor.numpy() for info, tensor in zip(self.inputs, self.example_inputs, strict=True)}
        ]

    def with_rows(self, alias: str, rows: NDArray[np.float32], *, shared: bool = False) -> Model:
        """A copy that has other rows in a table.

        :param alias: which table.
        :param rows: float32[V, D].
        :param shared: whether a layer of another kind that shares the weight gets them too, or keeps its own.
        """
        module = copy_module(self.module)
        old = module.get_parameter(self.table(alias).name)
        weight = nn.Parameter(torch.from_numpy(rows), requires_grad=False)
        for layer in module.modules():
            if (shared or isinstance(layer, nn.Embedding)) and layer._parameters.get("weight") is old:
                layer._parameters["weight"] = weight
        return replace(self, module=module)

    def with_projection(self, projection: Projection) -> Model:
        """A model whose vectors are projected and then scaled to length 1.

        :param projection: what is done to them.
        :raises SpecError: if the module has no stages after its pooling.
        """
        from edgeemb.models.torch.projected import projected  # only where vectors are made smaller

        vector = replace(self.outputs[0], axes=(*self.outputs[0].axes[:-1], projection.dim))
        return replace(
            self,
            module=projected(self.module, projection, self.name),
            outputs=(vector, *self.outputs[1:]),
            normalize=True,
        )

    def row_frequency(self, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
        """How often each row of the word table is looked up; of ids that are more than its rows, by their remainders.

        :param tokens: float64[ids], how often each token id is.
        :return: float64[rows].
        """
        rows = self.word_table.rows
        if len(tokens) == rows:
            return tokens
        return np.asarray(np.bincount(np.arange(len(tokens)) % rows, tokens, minlength=rows), np.float64)

    def weight_bytes(self) -> int:
        """Bytes of all parameters, tables included."""
        return sum(parameter.numel() * parameter.element_size() for parameter in self.module.parameters())

    def torch_model(self) -> Model:
        """The model itself."""
        return self

    def with_tokens(self, pruned: Pruned) -> Model:
        """A model that knows only some tokens.

        Where an output has a column for each token, the columns of the other tokens go; otherwise a layer that uses the word table in another way
        than by its rows keeps its own.

        :param pruned: the tokens and their tokenizer.
        :raises InputError: if the padding token is not among them.
        :raises SpecError: if an output has a column for each token, and those of the others cannot be taken out.
        """
        word = self.word_table
        task = self.task
        per_vocabulary = task is not None and task.per_vocabulary
        module = without_tokens(self.module, word.name, pruned.kept, pruned.new_id, heads=per_vocabulary)
        rows = len(pruned.kept)
        examples = self._on_words(self.example_inputs, lambda ids: ids % rows)
        if task is not None and per_vocabulary:
            kept = torch.from_numpy(pruned.kept)
            old = self._on_words(examples, lambda ids: kept[ids].to(ids.dtype))
            if not same_columns(self.module, module, examples, old, pruned.kept):
                raise SpecError(
                    f"{self.name} is for {task.title}, and its output layer is not one that can lose tokens: leave `vocab` out"
                )
        return replace(
            self,
            module=module,
            tokenizer_json=pruned.tokenizer_json,
            tables=tuple(
                replace(table, rows=rows) if table.alias == word.alias else table for table in self.tables
            ),
            inputs=tuple(
                replace(info, rows=rows) if info.table == word.alias else info for info in self.inputs
            ),
            outputs=tuple(
                replace(info, axes=(*info.axes[:-1], rows)) if per_vocabulary else info
                for info in self.outputs
            ),
            example_inputs=examples,
            pad_id=pruned.find(self.pad_id) or 0,  # padding is masked: any row serves
            mask_id=None if self.mask_id is None else pruned.new_id(self.mask_id),
            interaction=self.interaction and _renumbered(self.interaction, pruned),
        )

    def _on_words(
        self, examples: tuple[Tensor, ...], change: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, ...]:
        """A tensor for each input, those of the word table changed."""
        return tuple(
            change(example) if info.table == self.word_table.alias else example
            for info, example in zip(self.inputs, examples, strict=True)
        )

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


def _renumbered(interaction: LateInteraction, pruned: Pruned) -> LateInteraction:
    skipped = (pruned.find(token) for token in interaction.skipped)
    return replace(
        interaction,
        filler=None if interaction.filler is None else pruned.new_id(interaction.filler),
        skipped=[token for token in skipped if token is not None],
    )


# Parameter paths of the tables that edgeemb knows by name.
_KNOWN_TABLES: tuple[tuple[str, str, Role], ...] = (
    (r"(^|\.)word_embeddings\.weight$", "word", "word"),
    (r"(^|\.)(position_embeddings?|embed_positions|wpe)\.weight$", "position", "position"),
    (r"(^|\.)token_type_embeddings\.weight$", "type", "type"),
    (r"(^|\.)relative_attention_bias\.weight$", "relative", "other"),
)


def find_tables(module: nn.Module, *, known: bool, word: Tensor | None = None) -> tuple[TableInfo, ...]:
    """The embedding tables of a module, largest first; a weight that several layers share is one table.

    :param module: any module.
    :param known: whether it is a transformer body, whose tables have short names and roles.
    :param word: the weight of the table of words, where that is known.
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
        raise ModelError(
            f"{type(module).__name__} holds no nn.Embedding or nn.EmbeddingBag: there is no table to compress"
        )
    tables = []
    taken = {"word"} if word is not None else set()
    for key, layers in embeddings.items():
        path, layer = layers[0]
        if any(shared.max_norm is not None for _, shared in layers):
            raise ModelError(
                f"table {path or 'weight'} has max_norm, which changes rows as they are read: remove it"
            )
        weight = f"{path}.weight" if path else "weight"
        alias, role = _known(weight, taken) if known else ("", "other")
        if layer.weight is word:
            alias, role = "word", "word"
        taken.add(alias)
        alias = alias or path or "embedding"
        rows, dim = layer.weight.shape
        tables.append(TableInfo(weight, alias, role, rows, dim, tied=users[key] > len(layers)))
    return tuple(sorted(tables, key=lambda table: -table.rows * table.dim))


def _known(weight: str, taken: Collection[str]) -> tuple[str, Role]:
    """Short name and role of a table by the path of its weight; a second one of a kind gets no short name."""
    for pattern, alias, role in _KNOWN_TABLES:
        if re.search(pattern, weight):
            return ("", "other") if alias in taken else (alias, role)
    return "", "other"


def check_finite(module: nn.Module, where: str) -> None:
    """Refuse weights that are not numbers.

    :param where: what to call the model in the error.
    :raises ModelError: naming the first tensor with a NaN or an infinite value.
    """
    for name, parameter in module.named_parameters():
        if not parameter.is_floating_point() or not parameter.numel():
            continue
        # NaN is the least and the greatest of whatever it is among, and nothing as large as the tensor is made.
        if torch.isfinite(torch.stack(parameter.aminmax())).all():
            continue
        bad = int((~torch.isfinite(parameter)).sum())
        raise ModelError(f"{where}: tensor {name} holds {bad} NaN or infinite values: train or copy it again")

"""Shrinking a loaded model to chosen tokens: its tokenizer and its word table together."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from edgeemb.errors import SpecError
from edgeemb.model import Model
from edgeemb.model_info import LoadedModel
from edgeemb.tables.codec import Progress, silent
from edgeemb.vocabulary import Report, Selection, prune


def prune_model(
    model: LoadedModel, selections: Sequence[Selection], progress: Progress = silent
) -> tuple[LoadedModel, Report]:
    """A model that knows only the selected tokens; the one given is left as it is.

    :param model: a loaded text model.
    :param selections: what to keep.
    :param progress: told about progress through the corpora.
    :return: the smaller model, and a report of what was lost.
    :raises SpecError: if the model takes no text, or is a finished one.
    :raises InputError: if the selections cannot be met.
    """
    if model.tokenizer_json is None:
        raise SpecError(
            f"{model.name} has no tokenizer, so its vocabulary cannot be shrunk: leave --vocab out"
        )
    if not isinstance(model, Model):
        raise SpecError(
            f"{model.name} is a finished model, whose vocabulary cannot be shrunk: leave --vocab out"
        )
    word = model.word_table
    pruned = prune(
        model.tokenizer_json,
        selections,
        table=model.table_weight(word.alias),
        where=f"the tokenizer of {model.name}",
        progress=progress,
    )
    module = copy.deepcopy(model.module)
    old = module.get_parameter(word.name)
    kept = torch.from_numpy(pruned.kept)
    weight = nn.Parameter(old.detach()[kept], requires_grad=False)
    for layer in module.modules():
        if isinstance(layer, nn.Embedding) and layer.weight is old:
            layer.weight = weight
            layer.num_embeddings = len(kept)
            layer.padding_idx = None if layer.padding_idx is None else pruned.new_id(layer.padding_idx)
    rows = len(kept)
    smaller = replace(
        model,
        module=module,
        tokenizer_json=pruned.tokenizer_json,
        tables=tuple(
            replace(table, rows=rows) if table.alias == word.alias else table for table in model.tables
        ),
        inputs=tuple(replace(info, rows=rows) if info.table == word.alias else info for info in model.inputs),
        example_inputs=tuple(
            example % rows if info.table == word.alias else example
            for info, example in zip(model.inputs, model.example_inputs, strict=True)
        ),
    )
    return smaller, pruned.report

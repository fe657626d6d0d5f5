"""Shrinking a loaded model to chosen tokens: its tokenizer and its word table together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.errors import SpecError
from edgeemb.memory import page_out
from edgeemb.models.base import LoadedModel
from edgeemb.progress import Progress, silent
from edgeemb.text.corpus import token_frequency
from edgeemb.text.token_bytes import token_bytes
from edgeemb.vocabulary import Report, Selection, prune


def prune_model(
    model: LoadedModel, selections: Sequence[Selection], progress: Progress = silent
) -> tuple[LoadedModel, Report]:
    """A model that knows only the selected tokens; the given one is not changed.

    :param model: a loaded text model.
    :param selections: what to keep.
    :param progress: told about progress through the corpora.
    :return: the smaller model, and a report of what was lost.
    :raises SpecError: if the model takes no text, or is a finished one.
    :raises InputError: if the selections cannot be met.
    """
    if model.tokenizer_json is None:
        raise SpecError(
            f"{model.name} has no tokenizer, so its vocabulary cannot be shrunk: leave `vocab` out"
        )
    if model.fitted:
        raise SpecError(
            f"{model.name} holds a trained table, whose rows belong to its own tokens: leave `vocab` out, or give it to edgeemb.adapt"
        )
    weight = model.token_weight()
    if model.inputs[0].rows not in (None, len(weight)):
        raise SpecError(
            f"{model.name} reads characters by their code points, so it has no vocabulary to shrink: leave `vocab` out"
        )
    # Loading has read all of it, and no row is needed until the tokens are chosen.
    page_out(weight)
    pruned = prune(
        model.tokenizer_json,
        selections,
        table=weight,
        where=f"the tokenizer of {model.name}",
        progress=progress,
    )
    smaller = model.with_tokens(pruned)
    page_out(weight)
    return smaller, pruned.report


def word_tokens(model: LoadedModel) -> list[bytes] | None:
    """The bytes of the token of each row of a model's word table.

    :param model: a loaded model.
    :return: one byte string a row; None without a tokenizer, or where rows stand for other things than tokens.
    """
    rows = model.word_table.rows
    if model.tokenizer_json is None or (model.inputs[0].rows or rows) != rows:
        return None
    return token_bytes(model.tokenizer_json, rows)


def word_frequency(model: LoadedModel, corpus: Path | None) -> NDArray[np.float64] | None:
    """How often a corpus looks up each row of a model's word table.

    :param model: a loaded model.
    :param corpus: a text file, or a folder of them, or None.
    :return: float64[V], positive; None without a corpus or a tokenizer.
    :raises InputError: if the corpus cannot be used.
    """
    if corpus is None or model.tokenizer_json is None:
        return None
    ids = model.inputs[0].rows or model.word_table.rows
    return model.row_frequency(token_frequency(Tokenizer.from_str(model.tokenizer_json), corpus, ids))

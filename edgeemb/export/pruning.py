"""Shrinking a loaded model to chosen tokens: its tokenizer and its word table together."""

from __future__ import annotations

from collections.abc import Sequence

from edgeemb.errors import SpecError
from edgeemb.model_info import LoadedModel
from edgeemb.progress import Progress, silent
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
    if model.fitted:
        raise SpecError(
            f"{model.name} holds a trained table, whose rows belong to its own tokens: leave --vocab out, or give it to edgeemb adapt"
        )
    pruned = prune(
        model.tokenizer_json,
        selections,
        table=model.token_weight(),
        where=f"the tokenizer of {model.name}",
        progress=progress,
    )
    return model.with_tokens(pruned), pruned.report

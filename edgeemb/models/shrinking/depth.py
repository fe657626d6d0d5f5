"""A model with fewer transformer layers: the first of them, as BERxiT and 2D Matryoshka embeddings use one model at several depths."""

from __future__ import annotations

from dataclasses import replace

from edgeemb.errors import SpecError, first_line
from edgeemb.models.base import LoadedModel
from edgeemb.models.shrinking.vectors import vectors_of
from edgeemb.tasks.registry import EMBEDDING
from edgeemb.text.sentences import sentences
from edgeemb.vectors.codes import cosines
from edgeemb.vectors.fit import agreement


def make_shallow(model: LoadedModel, layers: int) -> tuple[LoadedModel, str]:
    """A model with its first transformer layers alone; what follows them stays.

    :param model: the model, which is left as it is.
    :param layers: how many are kept.
    :return: the smaller model, and what that costs, in a sentence.
    :raises SpecError: if the model has no layers of its own to take out, fewer than that, or does not run without the others.
    """
    if model.runtimes:
        raise SpecError(f"{model.name} is a finished model, whose layers stay: leave `layers` out")
    # They import torch, which whoever exports a model that is not finished has.
    from edgeemb.models.torch.blocks import keep_first, layers_of
    from edgeemb.models.torch.model import Model
    from edgeemb.torch_tables.copying import copy_module

    whole = model.torch_model()
    every = len(layers_of(whole.module)) if isinstance(model, Model) else 0
    if not every:
        raise SpecError(f"{model.name} has no transformer layers to take out: leave `layers` out")
    if not 1 <= layers <= every:
        raise SpecError(f"layers={layers} is out of range: {model.name} has {every}, use 1 to {every}")
    shallow = replace(whole, module=copy_module(whole.module))
    keep_first(shallow.module, layers)
    given = whole.examples()[0]
    wanted = whole.reference(given)
    try:
        found = shallow.reference(given)
    except Exception as error:  # a module may raise anything
        raise SpecError(
            f"{model.name} does not run with {layers} of its {every} layers: {first_line(error)}"
        ) from error
    if [array.shape for array in found] != [array.shape for array in wanted]:
        raise SpecError(f"{model.name} gives outputs of another shape with {layers} of its {every} layers")
    return shallow, f"{layers} of {every} transformer layers are kept{_cost(whole, shallow)}"


def _cost(whole: LoadedModel, shallow: LoadedModel) -> str:
    """How well the similarities of the packaged sentences are kept, where a model gives one vector for each text."""
    if whole.kind != EMBEDDING.name or not whole.takes_text or len(whole.outputs[0].axes) != 2:
        return ""
    wanted, found = (vectors_of(one, sentences()) for one in (whole, shallow))
    near = agreement(cosines(wanted, wanted), cosines(found, found))
    return (
        ". The original is the model with these, whose similarities of the packaged sentences correlate "
        f"{near:.4f} with those of all layers"
    )

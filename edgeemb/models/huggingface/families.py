"""Facts on families of transformers that neither their configuration nor their modules tell.

A family that is not listed is loaded all the same, by transformers' Auto classes: it gets the mask of the tokens as its authors do. What can be
read off a model is read there: its word table, where its positions begin, whether it has token types, its width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeemb.models.huggingface.characters import CODE_POINTS, character_tokenizer, share_table
from edgeemb.models.huggingface.convolutions import end_convolutions
from edgeemb.models.huggingface.fourier import transform_texts
from edgeemb.models.huggingface.padding import end_with_zeros
from edgeemb.models.huggingface.tokenizer import FolderTokenizer


@dataclass(frozen=True)
class Family:
    """What edgeemb must be told of a family.

    :param added_mask: whether every token attends to every other, so that a mask added to the scores says all; it is smaller than the one that
        transformers builds, and every runtime has its ops.
    :param encoder: class of transformers that encodes text, for a model of several parts; empty for what the Auto classes give.
    :param vector: output with the vector of a text, where the model itself makes one of its token vectors; empty where they are pooled.
    :param fixed_length: whether texts are always padded to the longest length, as the model was trained.
    :param changes: changes a loaded model so that it reads nothing after the end of a text, where its layers would read padding, or so that its
        tokens have one table; None for others.
    :param tokenizer: makes the tokenizer of a family that has no vocabulary, given its folder; None for others.
    :param ids: ids that this gives, which are not the rows of a table.
    """

    added_mask: bool = False
    encoder: str = ""
    vector: str = ""
    fixed_length: bool = False
    changes: Callable[[Any], None] | None = None
    tokenizer: Callable[[Path], FolderTokenizer] | None = None
    ids: int = 0


_ENCODER = Family(added_mask=True)

# By model_type of config.json. MiniLM models are BERT or XLM-R by type.
FAMILIES = {
    **dict.fromkeys(
        (
            "albert",
            "bert",
            "camembert",
            "data2vec-text",
            "distilbert",
            "electra",
            "ernie",
            "gte",
            "megatron-bert",
            "mpnet",
            "nomic_bert",
            "roberta",
            "squeezebert",
            "xlm-roberta",
        ),
        _ENCODER,
    ),
    "convbert": Family(changes=end_convolutions),
    "mobilebert": Family(added_mask=True, changes=end_with_zeros),
    "canine": Family(fixed_length=True, changes=share_table, tokenizer=character_tokenizer, ids=CODE_POINTS),
    "fnet": Family(changes=transform_texts),
    "clip": Family(encoder="CLIPTextModelWithProjection", vector="text_embeds"),
    "clip_text_model": Family(encoder="CLIPTextModelWithProjection", vector="text_embeds"),
    "siglip": Family(encoder="SiglipTextModel", vector="pooler_output", fixed_length=True),
    "siglip_text_model": Family(encoder="SiglipTextModel", vector="pooler_output", fixed_length=True),
}


def family_of(model_type: str) -> Family:
    """The facts on a family; none on one that is not listed.

    :param model_type: as config.json names it.
    """
    return FAMILIES.get(model_type, Family())

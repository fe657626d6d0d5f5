"""Facts on families of transformers that neither their configuration nor their modules tell.

A family that is not listed is loaded all the same, by transformers' Auto classes: it gets the mask of the tokens as its authors do. What can be
read off a model is read there: its word table, where its positions begin, whether it has token types, its width.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What edgeemb must be told of a family.

    :param added_mask: whether every token attends to every other, so that a mask added to the scores says all; it is smaller than the one that
        transformers builds, and every runtime has its ops.
    :param encoder: class of transformers that encodes text, for a model of several parts; empty for what the Auto classes give.
    :param vector: output with the vector of a text, where the model itself makes one of its token vectors; empty where they are pooled.
    :param fixed_length: whether texts are always padded to the longest length, as the model was trained.
    :param mixes_padding: whether it takes no mask, and reads the padding of a text like the text. Of other families that is computed
        (`edgeemb.models.huggingface.padding`).
    :param reads_next: whether a token's layer reads the row of the next token, for which padding must count as the end of the text, where that row is
        zeros.
    """

    added_mask: bool = False
    encoder: str = ""
    vector: str = ""
    fixed_length: bool = False
    mixes_padding: bool = False
    reads_next: bool = False


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
    "mobilebert": Family(added_mask=True, reads_next=True),
    **dict.fromkeys(("canine", "fnet"), Family(mixes_padding=True)),
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

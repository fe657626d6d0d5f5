"""Small models without a vocabulary, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from edgeemb.models.words import WordsModel, make_words_model, save_words_model
from edgeemb.text.words import RowForm

#: Rows of 48 elements, which a projection takes to the 32 of the encoder.
FORM = RowForm(width=12, n=3, lanes=4, dim=48)
CLASSES = ("sat", "ran", "loved")


def make_words(form: RowForm = FORM, **options: Any) -> WordsModel:
    """A classifier of three classes, or with ``pooling=`` an encoder; one layer of 32 elements."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.2,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: number for number, name in enumerate(CLASSES)},
    )
    return make_words_model(config, form, **options).eval()


def save_words(folder: Path, form: RowForm = FORM, **options: Any) -> Path:
    """The same as a folder."""
    folder.mkdir()
    save_words_model(folder, make_words(form, **options), max_length=24)
    return folder

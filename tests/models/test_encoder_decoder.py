"""Classifiers that read a text by an encoder and a decoder: the logits of transformers, in batches, and for pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from edgeemb.errors import ModelError
from edgeemb.models.loading import load_torch
from edgeemb.text.feeds import pad
from tests.fixtures.models.families import reference_model, save_family

HEAD = "ForSequenceClassification"


@pytest.mark.parametrize("name", ["BART", "T5"])
def test_classifies_texts_and_pairs_as_transformers_does(name: str, tmp_path: Path) -> None:
    model = load_torch(save_family(tmp_path / "m", name, HEAD, num_labels=3))
    tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
    encodings = [
        tokenizer.encode("the cat sat on the mat and ran away"),
        tokenizer.encode("a cat"),
        tokenizer.encode("a cat", "the mat"),
    ]
    texts = [encoding.ids for encoding in encodings]
    filled, mask = pad(texts, model.pad_id)
    reference = reference_model(name, HEAD, num_labels=3)
    with torch.no_grad():
        found = model.module(torch.from_numpy(filled), torch.from_numpy(mask))
        wanted = torch.cat([reference(input_ids=torch.tensor([ids])).logits for ids in texts])
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert (wanted[1:] - wanted[:-1]).abs().max() > 1e-4
    assert [table.alias for table in model.tables if table.role == "word"] == ["word"]


def test_the_longest_text_has_the_positions_that_the_configuration_says(tmp_path: Path) -> None:
    model = load_torch(save_family(tmp_path / "m", "BART", HEAD, max_position_embeddings=30))
    # BART's table has two rows in front of that of the first position.
    assert model.table("position").rows == 32 and model.positions == 30


def test_says_how_a_model_that_generates_text_comes_in(tmp_path: Path) -> None:
    save_family(tmp_path / "m", "BART", "ForConditionalGeneration")
    with pytest.raises(ModelError, match=r"not supported: .*takes one pass of it; exports have no loop"):
        load_torch(tmp_path / "m")

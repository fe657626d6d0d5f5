"""Torch models with only some tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from edgeemb.models.shrinking.vocabulary import prune_model
from edgeemb.models.torch.model import Model
from edgeemb.vocabulary import parse_vocab


@pytest.mark.parametrize("token", ["##z", "sat"])
def test_the_padding_has_an_id_of_the_smaller_table(token: str, tiny: Model, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the cat\n", "utf-8")
    old = Tokenizer.from_str(str(tiny.tokenizer_json)).token_to_id(token)
    smaller, _ = prune_model(replace(tiny, pad_id=old), [parse_vocab(f"keep:{corpus}")])
    found = Tokenizer.from_str(str(smaller.tokenizer_json)).token_to_id(token)
    # Padding is masked, so that any row can stand for a token that is gone.
    assert smaller.pad_id == (found or 0)
    assert smaller.pad_id < smaller.word_table.rows

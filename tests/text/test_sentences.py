"""The packaged sentences: which scripts a vocabulary is compared on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from edgeemb.exporters.parity import compare
from edgeemb.models.loading import load_torch
from edgeemb.text.sentences import script_sentences, sentences
from tests.fixtures.models import save_plain, tiny_tokenizer
from tests.fixtures.models.torch_session import torch_session

RUSSIAN = "Врач сказал, что нужно больше спать."


def of_words(*texts: str) -> Tokenizer:
    """A tokenizer that knows the words of some texts."""
    split = pre_tokenizers.Whitespace()
    words = [word for text in texts for word, _ in split.pre_tokenize_str(text)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(words)]
    tokenizer = Tokenizer(models.WordLevel({piece: place for place, piece in enumerate(pieces)}, "[UNK]"))
    tokenizer.pre_tokenizer = split
    return tokenizer


def test_takes_the_sentences_that_a_vocabulary_has_words_for() -> None:
    assert script_sentences(of_words(RUSSIAN)) == [RUSSIAN]
    assert script_sentences(of_words("the cat")) == []


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_takes_none_for_an_english_vocabulary(family: str) -> None:
    assert script_sentences(tiny_tokenizer(family)) == []


def test_takes_none_for_a_vocabulary_that_spells_scripts_out() -> None:
    letters = {"[UNK]": 0, **{letter: place for place, letter in enumerate(sorted(set(RUSSIAN)), 1)}}
    tokenizer = Tokenizer(models.WordPiece(letters, unk_token="[UNK]", continuing_subword_prefix=""))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert "[UNK]" not in tokenizer.encode(RUSSIAN).tokens
    assert script_sentences(tokenizer) == []


def test_compares_a_model_in_the_scripts_of_its_vocabulary(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    plain = load_torch(folder)
    # BERT's tokenizer folds case.
    of_words(RUSSIAN.lower()).save(str(folder / "tokenizer.json"))
    for model, more in ((plain, 0), (load_torch(folder), 1)):
        with torch_session(model, folder) as session:
            figures, golden = compare(model, session)
        assert figures["sentences"] == len(sentences()) + more
        assert golden["sentences"] == sentences()[:8]

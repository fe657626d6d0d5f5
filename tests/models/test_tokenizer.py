"""The tokenizer of a folder is the one that transformers builds from it, settings that contradict tokenizer.json included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from tokenizers import Tokenizer

import edgeemb
from edgeemb.errors import ModelError
from edgeemb.models.huggingface.tokenizer import read_tokenizer
from edgeemb.text.tokenizer import truncate
from tests.fixtures.models import save_plain, save_sentence

SENTENCES = ["Hello WORLD Café", " the cat", "the cat ran", "cat", "中文 the"]
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "hello",
    "world",
    "Hello",
    "WORLD",
    "café",
    "cafe",
    "中",
    "中文",
    "the",
]


def bert_folder(folder: Path, settings: dict[str, Any] | None) -> Path:
    """A cased tokenizer.json with other settings beside it; none at all where they are None."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    transformers.BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    transformers.BertConfig(vocab_size=len(PIECES)).save_pretrained(folder)
    change_settings(folder, settings)
    return folder


def change_settings(folder: Path, settings: dict[str, Any] | None) -> None:
    place = folder / "tokenizer_config.json"
    if settings is None:
        place.unlink(missing_ok=True)
    else:
        held = json.loads(place.read_text()) if place.is_file() else {}
        place.write_text(json.dumps({**held, **settings}))


@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": True},
        {"do_lower_case": True, "strip_accents": False},
        {"strip_accents": True},
        {"tokenize_chinese_chars": False},
        {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True},
        {"model_max_length": 4, "padding_side": "left"},
        {"model_max_length": 4, "truncation_side": "left"},
        None,
    ],
)
def test_bert_reads_as_transformers_does(tmp_path: Path, settings: dict[str, Any] | None) -> None:
    agrees(bert_folder(tmp_path / "m", settings))


@pytest.mark.parametrize("settings", [{"add_prefix_space": True}, {"add_prefix_space": False}, None])
def test_roberta_reads_as_transformers_does(tmp_path: Path, settings: dict[str, Any] | None) -> None:
    folder = save_plain(tmp_path / "m", "roberta")
    change_settings(folder, settings)
    agrees(folder)


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("eos", [True, False])
@pytest.mark.parametrize("kind", ["TokenizersBackend", "LlamaTokenizer"])
def test_ends_of_a_text_are_those_that_transformers_gives_it(
    tmp_path: Path, kind: str, bos: bool, eos: bool
) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    pieces = ["<unk>", "<s>", "</s>", "▁", "▁the", "the", "▁cat", *"abcdefghijklmnopqrstuvwxyzHWORLDC中文é"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    transformers.LlamaTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    change_settings(folder, {"add_bos_token": bos, "add_eos_token": eos, "tokenizer_class": kind})
    agrees(folder)


def agrees(folder: Path) -> None:
    """Whether ids are those of transformers, whole and cut."""
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    made = read_tokenizer(folder)
    ours = Tokenizer.from_str(made.tokenizer.to_str())
    for text in SENTENCES:
        assert ours.encode(text).ids[:99] == theirs(text)["input_ids"]
    truncate(ours, 4)
    for text in SENTENCES:
        assert ours.encode(text).ids == theirs(text, truncation=True, max_length=4)["input_ids"]
    assert made.max_length == (theirs.model_max_length if theirs.model_max_length < 10**6 else None)


def test_the_bundle_carries_what_transformers_builds(tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m")
    change_settings(
        folder,
        {
            "do_lower_case": False,
            "tokenizer_class": "BertTokenizer",
            "truncation_side": "left",
            "model_max_length": 5,
        },
    )
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    texts = ["The cat sat on the mat", "the CAT"]
    with edgeemb.open(
        edgeemb.export(folder, tmp_path / "b", table="fp32", body="fp32", ops="builtin")
    ) as session:
        assert session.tokens(texts) == theirs(texts, truncation=True)["input_ids"]
        assert session.manifest.max_length == 5


def test_a_token_that_transformers_adds_behind_the_table_is_left_out(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m", "xlm-roberta")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    model = edgeemb.load(folder)
    assert "<mask>" in theirs.get_vocab()
    names = Tokenizer.from_str(model.tokenizer_json).get_vocab(with_added_tokens=True)
    assert len(names) == model.word_table.rows == len(theirs) - 1


def test_refuses_a_tokenizer_that_is_code_of_the_model(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "m", {"auto_map": {"AutoTokenizer": ["code.Mine", None]}})
    with pytest.raises(ModelError, match=r"names Python code of the model \(auto_map\), which is not run"):
        read_tokenizer(folder)


def test_refuses_settings_that_no_tokenizer_has(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "m", {"tokenizer_class": 7})
    with pytest.raises(ModelError, match="transformers cannot build its tokenizer") as error:
        read_tokenizer(folder)
    assert "\n" not in str(error.value)

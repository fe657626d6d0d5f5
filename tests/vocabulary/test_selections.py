"""Selections: their grammar, and which tokens each of them keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from edgeemb.errors import InputError, SpecError
from edgeemb.vocabulary import (
    Keep,
    Listed,
    Script,
    Top,
    parse_vocab,
)
from tests.fixtures.pruning import LINES, check_text_of_kept_tokens, pruned, write
from tests.fixtures.tokenizers.small import KINDS, TRAINING, UNSEEN, load, tokenizer_json


@pytest.mark.parametrize("kind", KINDS)
def test_a_top_selection_gives_exactly_the_rows_asked_for(kind: str, tmp_path: Path) -> None:
    text = tokenizer_json(kind)
    corpus = write(tmp_path / "corpus.txt", TRAINING)
    result = pruned(text, f"top:700:{corpus}")
    assert len(result.kept) == 700
    check_text_of_kept_tokens(text, result, LINES)
    frequent = pruned(text, f"top:800:{corpus}").report.usage
    assert result.report.usage is not None
    assert frequent is not None
    assert result.report.usage.coverage < frequent.coverage < 1
    assert result.report.usage.fertility_after > frequent.fertility_after > frequent.fertility_before


def test_top_drops_the_tokens_that_their_pieces_replace_best(tmp_path: Path) -> None:
    vocab = {"[UNK]": 0, "c": 1, "##s": 2, "##c": 3, "s": 4, "cs": 5, "sc": 6}
    text = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]")).to_str()
    corpus = write(tmp_path / "corpus.txt", ["cs"] * 9 + ["sc"] * 8)
    table = np.eye(7, 4, dtype=np.float32)
    table[5] = (table[1] + table[2]) / 2
    table[6] = -9
    assert pruned(text, f"top:6:{corpus}").kept.tolist() == [0, 1, 2, 3, 4, 5]
    assert pruned(text, f"top:6:{corpus}", table=table).kept.tolist() == [0, 1, 2, 3, 4, 6]


def test_top_counts_what_other_selections_keep_into_its_rows(tmp_path: Path) -> None:
    text = tokenizer_json("wordpiece")
    corpus = write(tmp_path / "corpus.txt", TRAINING)
    domain = write(tmp_path / "domain.txt", UNSEEN[:10])
    result = pruned(text, f"top:600:{corpus}", f"keep:{domain}")
    assert len(result.kept) == 600
    assert set(pruned(text, f"keep:{domain}").kept) <= set(result.kept)


def test_the_order_of_selections_does_not_matter(tmp_path: Path) -> None:
    text = tokenizer_json("bpe of words")
    corpus = write(tmp_path / "corpus.txt", TRAINING)
    listed = write(tmp_path / "tokens.txt", ["い", "о"])
    selections = [f"top:600:{corpus}", "script:latin,greek", f"list:{listed}", f"keep:{corpus},min=40"]
    first, second = pruned(text, *selections), pruned(text, *reversed(selections))
    assert first.kept.tolist() == second.kept.tolist()
    tokens = load(first.tokenizer_json).get_vocab()
    assert {"い", "о", "ψ"} <= tokens.keys()
    assert "н" not in tokens


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_keeps_its_letters_and_what_all_scripts_share(kind: str) -> None:
    text = tokenizer_json(kind)
    result = pruned(text, "script:latin")
    english = [*UNSEEN, "0123 (+) “quotes” …"]
    assert check_text_of_kept_tokens(text, result, english) == len(english)
    letters = {letter for token in load(result.tokenizer_json).get_vocab() for letter in token}
    assert not letters & set("ъжфψβいろ")


def test_scripts_add_up() -> None:
    text = tokenizer_json("unigram")
    apart = pruned(text, "script:latin", "script:cyrillic")
    together = pruned(text, "script:latin,cyrillic")
    assert apart.kept.tolist() == together.kept.tolist()
    assert len(apart.kept) > len(pruned(text, "script:latin").kept)


def test_a_list_keeps_its_tokens_of_any_script(tmp_path: Path) -> None:
    text = tokenizer_json("wordpiece")
    listed = write(tmp_path / "tokens.txt", ["い", "##ろ"])
    tokens = load(pruned(text, "script:latin", f"list:{listed}").tokenizer_json).get_vocab()
    assert {"い", "##ろ", "the"} <= tokens.keys()


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("keep:corpus.txt", Keep(Path("corpus.txt"))),
        ("keep:a,b.txt,min=12", Keep(Path("a,b.txt"), 12)),
        ("top:16000:c:/corpus.txt", Top(16000, Path("c:/corpus.txt"))),
        ("script:latin,greek", Script(("latin", "greek"))),
        ("list:tokens.txt", Listed(Path("tokens.txt"))),
    ],
)
def test_a_selection_reads_back_as_it_is_written(text: str, selection: object) -> None:
    assert parse_vocab(text) == selection
    assert str(selection) == text


def test_script_names_fold_case_and_know_other_names() -> None:
    assert parse_vocab("script:Latin,HAN,latin") == Script(("latin", "cjk"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "keep",
        "keep:",
        "top:corpus.txt",
        "top:-3:corpus.txt",
        "top:9",
        "script:",
        "script:la tin",
        "list:",
        "drop:x",
    ],
)
def test_it_refuses_what_the_grammar_does_not_know_and_shows_the_grammar(text: str) -> None:
    with pytest.raises(SpecError, match=r"write keep:corpus\.txt\[,min=2\], top:16000:corpus\.txt"):
        parse_vocab(text)


def test_it_refuses_a_minimum_of_nothing() -> None:
    with pytest.raises(SpecError, match="min is a count of at least 1"):
        parse_vocab("keep:corpus.txt,min=0")


@pytest.mark.parametrize(
    ("selections", "message"),
    [
        ([], "no tokens to keep were named"),
        (["keep:{missing}"], "no such corpus"),
        (["list:{missing}"], "cannot read"),
        (["keep:{corpus},min=100000"], r"keeps nothing: no token occurs 100000 times \(at most \d+\)"),
        (["keep:{corpus}", "script:greek"], "keeps nothing: all its tokens are of other scripts"),
        (["top:900:{digits}", "script:klingon"], "script:klingon: no token is of that script; .* latin"),
        (["top:5:{corpus}"], r"(\d+) tokens are always kept .*; ask for at least \1 rows"),
        (["top:900:{corpus}", "top:901:{corpus}"], "only one top"),
        (["list:{tokens}"], r"tokens\.txt line 2: 'no such token' is not a token"),
    ],
)
def test_it_refuses_selections_that_cannot_be_met(
    selections: list[str], message: str, tmp_path: Path
) -> None:
    files = {
        "missing": tmp_path / "missing.txt",
        "corpus": write(tmp_path / "corpus.txt", ["plain words", "in latin letters"]),
        "digits": write(tmp_path / "digits.txt", ["123 456"]),
        "tokens": write(tmp_path / "tokens.txt", ["the", "no such token"]),
    }
    with pytest.raises(InputError, match=message) as caught:
        pruned(tokenizer_json("wordpiece"), *(selection.format(**files) for selection in selections))
    assert "\n" not in str(caught.value)

"""Vocabulary pruning: what stays, what text becomes of it, and what the tokenizer.json says afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from edgeemb.errors import EdgeembError, InputError, ModelError
from edgeemb.vocabulary import (
    Top,
    prune,
    shrink_arrays,
    vocabulary_arrays,
)
from tests.fixtures.pruning import LINES, check_text_of_kept_tokens, pruned, write
from tests.fixtures.tokenizers.small import KINDS, TRAINING, UNSEEN, load, tokenizer_json


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.02, 0.3, 0.7, 0.95]))
def test_text_whose_tokens_were_all_kept_is_cut_into_the_same_pieces(
    kind: str, seed: int, share: float, tmp_path: Path
) -> None:
    text = tokenizer_json(kind)
    tokens = [token for token in load(text).get_vocab() if "\n" not in token and not token.isspace()]
    random = np.random.default_rng(seed)
    chosen = [token for token in sorted(tokens) if random.random() < share] or tokens[:1]
    result = pruned(text, f"list:{write(tmp_path / 'tokens.txt', chosen)}")
    words = sorted({word for line in LINES for word in line.split()})
    assert check_text_of_kept_tokens(text, result, LINES + words) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_corpus_is_cut_as_before_by_the_tokens_it_keeps(kind: str, tmp_path: Path) -> None:
    text = tokenizer_json(kind)
    corpus = UNSEEN[:100]
    result = pruned(text, f"keep:{write(tmp_path / 'corpus.txt', corpus)}")
    assert result.report.rows_after < result.report.rows_before
    assert check_text_of_kept_tokens(text, result, corpus) == len(corpus)
    assert result.report.usage is not None
    assert result.report.usage.coverage == 1.0
    assert result.report.usage.fertility_after == result.report.usage.fertility_before


def test_minilm_cuts_english_prose_as_before_after_pruning_by_it(minilm_folder: Path, tmp_path: Path) -> None:
    text = (minilm_folder / "tokenizer.json").read_text(encoding="utf-8")
    result = pruned(text, f"keep:{write(tmp_path / 'corpus.txt', TRAINING)},min=3")
    assert result.report.rows_after < 6000
    assert check_text_of_kept_tokens(text, result, LINES + TRAINING) > 500


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_renumbered_in_their_old_order_without_gaps(kind: str, tmp_path: Path) -> None:
    text = tokenizer_json(kind)
    result = pruned(text, f"keep:{write(tmp_path / 'corpus.txt', UNSEEN[:20])}")
    old, new = load(text).get_vocab(), load(result.tokenizer_json).get_vocab()
    assert sorted(new.values()) == list(range(len(result.kept)))
    assert np.all(np.diff(result.kept) > 0)
    assert {token: int(result.kept[at]) for token, at in new.items()} == {token: old[token] for token in new}


@pytest.mark.parametrize("kind", KINDS)
def test_special_and_added_tokens_stay_whatever_is_selected(kind: str, tmp_path: Path) -> None:
    text = tokenizer_json(kind)
    frame = load(text).encode("e").tokens
    result = pruned(text, f"list:{write(tmp_path / 'tokens.txt', frame)}")
    added = {token["content"] for token in json.loads(text)["added_tokens"]}
    after = json.loads(result.tokenizer_json)["added_tokens"]
    new = load(result.tokenizer_json)
    assert {token["content"] for token in after} == added
    assert all(new.token_to_id(token["content"]) == token["id"] for token in after)
    assert new.encode("e").tokens == frame


@pytest.mark.parametrize("kind", ["wordpiece", "bpe of bytes", "bpe of pieces"])
def test_pairs_are_framed_as_before(kind: str, tmp_path: Path) -> None:
    text = tokenizer_json(kind)
    result = pruned(text, f"keep:{write(tmp_path / 'corpus.txt', UNSEEN[:20])}")
    before = load(text).encode(UNSEEN[0], UNSEEN[1])
    after = load(result.tokenizer_json).encode(UNSEEN[0], UNSEEN[1])
    assert (after.tokens, after.type_ids) == (before.tokens, before.type_ids)


def test_padding_keeps_its_token(tmp_path: Path) -> None:
    tokenizer = load(tokenizer_json("wordpiece"))
    tokenizer.enable_padding(pad_id=1199, pad_token=tokenizer.id_to_token(1199), length=200)
    result = pruned(tokenizer.to_str(), f"list:{write(tmp_path / 'tokens.txt', ['a'])}")
    after = Tokenizer.from_str(result.tokenizer_json).encode("a")
    assert after.ids[-1] == result.new_id(1199)
    assert after.tokens[-1] == tokenizer.id_to_token(1199)


def test_ids_with_gaps_close_up(tmp_path: Path) -> None:
    vocab = {"[UNK]": 3, "a": 5, "##b": 8, "ab": 9, "b": 20, "##a": 21, "ba": 30}
    text = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]")).to_str()
    result = pruned(text, f"list:{write(tmp_path / 'tokens.txt', ['ba'])}")
    assert result.kept.tolist() == [3, 5, 8, 20, 21, 30]
    assert load(result.tokenizer_json).encode("ab").tokens == ["a", "##b"]


def test_a_token_that_single_characters_cannot_spell_stays(tmp_path: Path) -> None:
    vocab = {"[UNK]": 0, "a": 1, "##b": 2, "ab": 3, "ax": 4, "b": 5, "##a": 6}
    text = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]")).to_str()
    result = pruned(text, f"list:{write(tmp_path / 'tokens.txt', ['a'])}")
    assert load(result.tokenizer_json).encode("ax").tokens == ["ax"]


@pytest.mark.parametrize("written", ["a b", ["a", "b"]])
def test_merges_stay_as_they_are_written(written: object, tmp_path: Path) -> None:
    vocab = {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}
    model = {"type": "BPE", "vocab": vocab, "merges": [written, "ab c" if written == "a b" else ["ab", "c"]]}
    text = json.dumps({"version": "1.0", "added_tokens": [], "model": model})
    result = pruned(text, f"list:{write(tmp_path / 'tokens.txt', ['ab'])}")
    assert json.loads(result.tokenizer_json)["model"]["merges"] == [written]
    everything = pruned(text, f"list:{write(tmp_path / 'tokens.txt', ['abc'])}")
    assert everything.kept.tolist() == [0, 1, 2, 3, 4]


def test_whole_words_that_no_merge_builds_are_found_when_merges_are_ignored(tmp_path: Path) -> None:
    vocab = {"a": 0, "b": 1, "c": 2, "ab": 3, "cab": 4}
    model = {"type": "BPE", "ignore_merges": True, "vocab": vocab, "merges": ["a b"]}
    text = json.dumps({"version": "1.0", "added_tokens": [], "model": model})
    result = pruned(text, f"list:{write(tmp_path / 'tokens.txt', ['cab'])}")
    new = load(result.tokenizer_json)
    assert new.encode("cab").tokens == ["cab"]
    assert new.encode("ab").tokens == ["a", "b"]


def test_a_token_keeps_the_merges_that_really_build_it(tmp_path: Path) -> None:
    # "abc" results from two merges; text always takes the one of lower rank, by way of "bc".
    vocab = {"a": 0, "b": 1, "c": 2, "bc": 3, "ab": 4, "abc": 5}
    model = {"type": "BPE", "vocab": vocab, "merges": ["b c", "a b", "ab c", "a bc"]}
    text = json.dumps({"version": "1.0", "added_tokens": [], "model": model})
    result = pruned(text, f"list:{write(tmp_path / 'tokens.txt', ['abc'])}")
    assert set(load(result.tokenizer_json).get_vocab()) == {"a", "b", "c", "bc", "abc"}
    assert load(result.tokenizer_json).encode("abc").tokens == ["abc"]


def test_files_that_do_not_name_the_type_of_their_model_are_read(tmp_path: Path) -> None:
    for kind in ("bpe of bytes", "unigram"):
        document = json.loads(tokenizer_json(kind))
        del document["model"]["type"]
        corpus = write(tmp_path / "corpus.txt", UNSEEN[:5])
        assert len(pruned(json.dumps(document), f"keep:{corpus}").kept) < 1200


def test_the_penalty_of_unknown_characters_stays(tmp_path: Path) -> None:
    text = tokenizer_json("unigram")
    vocab = json.loads(text)["model"]["vocab"]
    result = pruned(text, f"list:{write(tmp_path / 'tokens.txt', ['e'])}")
    after = json.loads(result.tokenizer_json)["model"]["vocab"]
    assert min(score for _, score in after) == min(score for _, score in vocab)
    assert dict(map(tuple, after)).items() <= dict(map(tuple, vocab)).items()


def test_the_report_measures_the_corpus(tmp_path: Path) -> None:
    vocab = {"[UNK]": 0, "a": 1, "##a": 2, "aa": 3, "b": 4, "##b": 5, "bb": 6}
    text = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]")).to_str()
    document = json.loads(text)
    document["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    corpus = write(tmp_path / "corpus.txt", ["aa aa", "", "aa bb z"])
    report = pruned(json.dumps(document), f"keep:{corpus},min=2").report
    assert report.to_json() == {
        "selections": [f"keep:{corpus},min=2"],
        "rows_before": 7,
        "rows_after": 6,
        "always": 5,
        "usage": {
            "words": 5,
            "coverage": 0.8,
            "unknown_before": 0.2,
            "unknown_after": round(1 / 6, 6),
            "fertility_before": 1.0,
            "fertility_after": 1.2,
        },
    }


def test_a_report_without_a_corpus_has_no_usage() -> None:
    assert pruned(tokenizer_json("unigram"), "script:latin").report.usage is None


def test_the_table_and_a_tied_output_layer_shrink_together(tmp_path: Path) -> None:
    text = tokenizer_json("bpe of bytes")
    result = pruned(text, f"keep:{write(tmp_path / 'corpus.txt', UNSEEN[:5])}")
    table = np.arange(1300 * 4, dtype=np.float32).reshape(1300, 4)
    arrays = {
        "embeddings": table,
        "decoder": table,
        "decoder.bias": np.arange(1300.0),
        "dense": np.ones((4, 4)),
    }
    names = vocabulary_arrays(arrays, "embeddings")
    assert names == ["embeddings", "decoder", "decoder.bias"]
    shrunk = shrink_arrays(arrays, result.kept, names)
    assert shrunk["embeddings"].tolist() == table[result.kept].tolist()
    assert shrunk["decoder"] is shrunk["embeddings"]
    assert shrunk["decoder.bias"].tolist() == result.kept.tolist()
    assert shrunk["dense"] is arrays["dense"]


def test_it_refuses_a_table_with_fewer_rows_than_the_tokenizer_has_ids(tmp_path: Path) -> None:
    text = tokenizer_json("wordpiece")
    result = pruned(text, "script:latin")
    small = np.zeros((100, 4), dtype=np.float32)
    with pytest.raises(InputError, match=r"'t' has 100 rows, but the tokenizer has id \d+"):
        shrink_arrays({"t": small}, result.kept, ["t"])
    with pytest.raises(InputError, match=r"'x' is not a table"):
        vocabulary_arrays({"t": small}, "x")
    with pytest.raises(InputError, match="the table has only 100 rows"):
        prune(text, [Top(700, write(tmp_path / "corpus.txt", UNSEEN))], table=small)


def test_the_new_id_of_a_dropped_token_is_an_error() -> None:
    text = tokenizer_json("wordpiece")
    dropped = load(text).token_to_id("ろ") or load(text).token_to_id("##ろ")
    with pytest.raises(InputError, match=rf"token id {dropped} was dropped by script:latin"):
        pruned(text, "script:latin").new_id(dropped)


def _edited(kind: str, section: str, key: str, value: object) -> str:
    document = json.loads(tokenizer_json(kind))
    document[section] = document[section] or {}
    document[section][key] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("{", ModelError, "is not a tokenizer"),
        (
            Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).to_str(),
            InputError,
            "cannot prune a WordLevel tokenizer; supported kinds are WordPiece, BPE, Unigram",
        ),
        (
            _edited("bpe of bytes", "post_processor", "sep", ["</s>", 7777]),
            InputError,
            "RobertaProcessing names token id 7777, which no token has",
        ),
    ],
    ids=["damaged", "another kind", "post-processor without its token"],
)
def test_it_refuses_tokenizers_it_cannot_prune(text: str, error: type[EdgeembError], message: str) -> None:
    with pytest.raises(error, match=message):
        pruned(text, "script:latin", where="tokenizer.json")

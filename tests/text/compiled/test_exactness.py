"""Compiled tokenizers against the tokenizers library, token for token, offset for offset."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from edgeemb.text.compiled.charsmap.darts import write_charsmap
from tests.fixtures.tokenizers.compiled import AWKWARD, TEXTS, assert_same, compiled
from tests.fixtures.tokenizers.small import EVERY, FOREIGN, KINDS, UNSEEN, load, tokenizer_json
from tests.golden.make_tokenizers import path_of

GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+(?!\S)|\s+"


def _letters() -> Tokenizer:
    """Characters and some pairs of them, so that every split and every change of a character shows."""
    letters = sorted(set("abcdefghijklmnopqrstuvwxyzABCDWT0123456789 ▁'.,é中") | {"▁t", "th", "an"})
    vocab = {"<unk>": 0, **{piece: at for at, piece in enumerate(letters, 1)}}
    return Tokenizer(models.BPE(vocab, [("▁", "t"), ("t", "h"), ("a", "n")], unk_token="<unk>"))


NORMALIZERS: dict[str, Callable[[], Any]] = {
    "NFC": normalizers.NFC,
    "NFD": normalizers.NFD,
    "NFKC": normalizers.NFKC,
    "NFKD": normalizers.NFKD,
    "Lowercase": normalizers.Lowercase,
    "accents": lambda: normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    ),
    "Nmt": normalizers.Nmt,
    "Strip": normalizers.Strip,
    "Strip left": lambda: normalizers.Strip(right=False),
    "Prepend": lambda: normalizers.Prepend("▁a"),
    "Replace": lambda: normalizers.Replace("th", "é中"),
    "Replace by nothing": lambda: normalizers.Replace(Regex(r"\s{2,}|[aeiou]$"), ""),
    "Bert": normalizers.BertNormalizer,
    "Bert cased": lambda: normalizers.BertNormalizer(lowercase=False),
    "Bert accents": lambda: normalizers.BertNormalizer(lowercase=False, strip_accents=True, clean_text=False),
    "Precompiled": lambda: normalizers.Precompiled(
        write_charsmap(
            {
                "a": "the",
                "\u00a9": "C",
                "\u0301": "",
                "e\u0301": "é",
                "\ufb01": "fi",
                "b": "",
                "\u1100": "a",
                "x": "\u0301",
            }
        )
    ),
}

PRE_TOKENIZERS: dict[str, Callable[[], Any]] = {
    "Bert": pre_tokenizers.BertPreTokenizer,
    "Whitespace": pre_tokenizers.Whitespace,
    "WhitespaceSplit": pre_tokenizers.WhitespaceSplit,
    "Digits": pre_tokenizers.Digits,
    "Digits each": lambda: pre_tokenizers.Digits(individual_digits=True),
    "CharDelimiterSplit": lambda: pre_tokenizers.CharDelimiterSplit("t"),
    "FixedLength": lambda: pre_tokenizers.FixedLength(3),
    "Metaspace": pre_tokenizers.Metaspace,
    "Metaspace first": lambda: pre_tokenizers.Metaspace(prepend_scheme="first"),
    "Metaspace whole": lambda: pre_tokenizers.Metaspace(prepend_scheme="never", split=False),
    "T5": lambda: pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
    **{
        f"Punctuation {behavior}": lambda behavior=behavior: pre_tokenizers.Punctuation(behavior)
        for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous")
    },
    **{
        f"Split {behavior} {invert}": lambda behavior=behavior, invert=invert: pre_tokenizers.Split(
            Regex("[aeiou]+?|th"), behavior, invert
        )
        for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous")
        for invert in (False, True)
    },
}

BYTES: dict[str, Callable[[], Any]] = {
    "GPT-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=True),
    "GPT-4": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT4), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
    "GPT-4o": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_and_offsets_of_real_prose_are_those_of_the_library(kind: str) -> None:
    reference, ours = load(tokenizer_json(kind)), compiled(tokenizer_json(kind))
    for text in [*UNSEEN, *FOREIGN, *AWKWARD, ""]:
        assert_same(reference, ours, text)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=80, deadline=None)
@given(text=TEXTS)
def test_tokens_and_offsets_of_any_text_are_those_of_the_library(kind: str, text: str) -> None:
    assert_same(load(tokenizer_json(kind)), compiled(tokenizer_json(kind)), text)


@pytest.mark.parametrize("kind", ["wordpiece", "bpe of bytes", "unigram"])
@settings(max_examples=60, deadline=None)
@given(
    text=TEXTS,
    pair=TEXTS,
    length=st.integers(5, 24),
    strategy=st.sampled_from(["longest_first", "only_first", "only_second"]),
    side=st.sampled_from(["left", "right"]),
)
def test_pairs_and_texts_are_cut_as_the_library_cuts_them(
    kind: str, text: str, pair: str, length: int, strategy: str, side: str
) -> None:
    reference, ours = load(tokenizer_json(kind)), compiled(tokenizer_json(kind))
    assert_same(reference, ours, text, pair)
    reference.enable_truncation(length, strategy="longest_first", direction=side)
    assert_same(reference, ours, text)
    reference.enable_truncation(length, strategy=strategy, direction=side)
    try:
        expected = reference.encode(text, pair).ids
    except Exception as error:
        # The library refuses to cut one text down to nothing; so do we.
        assert "too short" in str(error)
        return
    found = ours.encode(text, pair, max_length=length, strategy=strategy, side=side)
    assert found.ids.tolist() == expected


@pytest.mark.parametrize("name", NORMALIZERS)
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_normalizers_change_texts_and_offsets_as_the_library_does(name: str, text: str) -> None:
    reference = _letters()
    reference.normalizer = NORMALIZERS[name]()
    assert_same(reference, compiled(reference.to_str()), text)


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
@settings(max_examples=40, deadline=None)
@given(text=TEXTS)
def test_pre_tokenizers_split_texts_as_the_library_does(name: str, text: str) -> None:
    reference = _letters()
    reference.pre_tokenizer = PRE_TOKENIZERS[name]()
    assert_same(reference, compiled(reference.to_str()), text)


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("trimmed", [True, False])
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_bytes_are_split_and_trimmed_as_the_library_does(name: str, trimmed: bool, text: str) -> None:
    reference = load(tokenizer_json("bpe of bytes"))
    reference.pre_tokenizer = BYTES[name]()
    reference.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trimmed, add_prefix_space=name == "GPT-2"
    )
    assert_same(reference, compiled(reference.to_str()), text)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_added_tokens_are_found_as_the_library_finds_them(text: str) -> None:
    reference = load(tokenizer_json("wordpiece"))
    reference.add_special_tokens(
        [AddedToken("<mask>", lstrip=True, rstrip=True), AddedToken("中", rstrip=True)]
    )
    reference.add_tokens(
        [
            AddedToken("Word", single_word=True, normalized=False),
            AddedToken("Wör", normalized=True),
            AddedToken("the", single_word=True, lstrip=True, normalized=True),
            AddedToken("wordword", normalized=True, rstrip=True),
        ]
    )
    assert_same(reference, compiled(reference.to_str()), text)


@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_words_and_bytes_that_stand_for_unknown_characters_are_those_of_the_library(text: str) -> None:
    words = Tokenizer(models.WordLevel({"<unk>": 0, "the": 1, "and": 2, "word": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert_same(words, compiled(words.to_str()), text)
    pieces = [
        ("<unk>", 0.0),
        ("th", -1.0),
        ("e", -1.5),
        ("t", -2.0),
        ("h", -2.0),
        *((f"<0x{byte:02X}>", -9.0) for byte in range(256)),
    ]
    unigram = Tokenizer(models.Unigram(pieces, 0, True))
    assert_same(unigram, compiled(unigram.to_str()), text)
    llama = json.loads(tokenizer_json("bpe of bytes"))
    llama["model"]["ignore_merges"] = True
    assert_same(load(json.dumps(llama)), compiled(json.dumps(llama)), text)


def test_scores_are_those_that_the_library_has_read() -> None:
    # The library reads these decimals to within a few units of the last place, which decides between equal sums.
    scores = {"<unk>": 0.0, "▁": -2.0122928619384766, "_": -9.358983039855957, "_______": -12.715048789978027}
    unigram = Tokenizer(models.Unigram([("<unk>", 0.0)], 0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    values = json.loads(unigram.to_str())
    values["model"]["vocab"] = [list(pair) for pair in scores.items()]
    text = json.dumps(values)
    for count in range(1, 41):
        assert_same(load(text), compiled(text), "_" * count)


def test_a_character_map_is_written_as_the_library_reads_it() -> None:
    texts = {"a": "b", "ab": "c", "é": "", "ﬁ": "fi"}
    normalizer = normalizers.Precompiled(write_charsmap(texts))
    assert normalizer.normalize_str("a é ﬁ") == "b  fi"
    assert base64.b64encode(write_charsmap(texts)).decode() in json.dumps(
        json.loads(_with(normalizer))["normalizer"]
    )


def _with(normalizer: Any) -> str:
    tokenizer = _letters()
    tokenizer.normalizer = normalizer
    return str(tokenizer.to_str())


@cache
def _long_texts() -> list[str]:
    """Texts that are read in stretches where a tokenizer allows it."""
    rng = random.Random(7)
    parts = [*AWKWARD, *FOREIGN, "a", "e", "th", "(x)", "it's", "don't", "t5", "<mask>", "Word", "the"]
    between = [" ", " ", " ", "  ", " \u0301", "\n", "", " \u200b", "\u3000", "  \t "]
    return [
        "".join(part for _ in range(400) for part in (rng.choice(parts), rng.choice(between)))
        for _ in range(3)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_long_texts_have_the_tokens_of_the_library(kind: str) -> None:
    reference, ours = load(tokenizer_json(kind)), compiled(tokenizer_json(kind))
    for text in _long_texts():
        assert_same(reference, ours, text)


@pytest.mark.parametrize("name", [*NORMALIZERS, *PRE_TOKENIZERS])
def test_stretches_of_a_long_text_are_normalized_and_split_as_the_whole_is(name: str) -> None:
    reference = _letters()
    if name in NORMALIZERS:
        reference.normalizer = NORMALIZERS[name]()
        reference.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    else:
        reference.pre_tokenizer = PRE_TOKENIZERS[name]()
    for text in _long_texts()[:1]:
        assert_same(reference, compiled(reference.to_str()), text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_that_comes_again_has_the_same_tokens(kind: str) -> None:
    reference, ours = load(tokenizer_json(kind)), compiled(tokenizer_json(kind))
    text = " ".join([*AWKWARD, *FOREIGN, *UNSEEN[:20]])
    for _ in range(3):
        assert_same(reference, ours, text)


@settings(max_examples=15, deadline=None)
@given(places=st.lists(st.integers(0, 400), max_size=12), seed=st.integers(0, 1000))
def test_added_tokens_are_found_in_every_stretch(places: list[int], seed: int) -> None:
    reference = load(tokenizer_json("wordpiece"))
    reference.add_tokens(
        [
            AddedToken("Word", single_word=True, normalized=False),
            AddedToken("the", single_word=True, lstrip=True, normalized=True),
        ]
    )
    rng = random.Random(seed)
    words = [rng.choice(["word", "a.", "(b)", "7", "it's", "中文", "e\u0301"]) for _ in range(400)]
    for place in places:
        words.insert(place, rng.choice(["the", "Word", "[SEP]"]))
    assert_same(reference, compiled(reference.to_str()), " ".join(words))


@pytest.mark.parametrize("kind", EVERY)
def test_the_golden_tokens_come_out_of_the_compiled_tokenizer_and_of_the_library(kind: str) -> None:
    golden = json.loads(path_of(kind).read_text("utf-8"))
    ours, reference = compiled(json.dumps(golden["tokenizer"])), load(json.dumps(golden["tokenizer"]))
    assert len(golden["cases"]) > 20
    for case in golden["cases"]:
        length, strategy, side = case.get("cut", (0, "longest_first", "right"))
        found = ours.encode(
            case["text"], case.get("pair"), max_length=length, strategy=strategy, side=side, offsets=True
        )
        assert found.offsets is not None
        got = (found.ids.tolist(), found.types.tolist(), found.offsets.tolist())
        assert got == (case["ids"], case["types"], case["offsets"]), ascii(case["text"])
        if length == 0:
            assert_same(reference, ours, case["text"], case.get("pair"))

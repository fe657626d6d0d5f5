"""What cannot be compiled exactly is refused, by its name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeemb.errors import ModelError
from edgeemb.text.compiled import NotCompiled, compile_tokenizer
from tests.fixtures.tokenizers.compiled import assert_same, compiled
from tests.fixtures.tokenizers.small import load, tokenizer_json


def changed(kind: str, **parts: Any) -> str:
    """A tokenizer.json with other parts; ``model`` is added to what is there."""
    values = json.loads(tokenizer_json(kind))
    values["model"] |= parts.pop("model", {})
    return json.dumps(values | parts)


def split(expression: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (changed("bpe of words", model={"dropout": 0.5}), "dropout"),
        (changed("wordpiece", pre_tokenizer={"type": "UnicodeScripts"}), "UnicodeScripts"),
        (changed("wordpiece", pre_tokenizer=split(r"(?<=a)b")), r"'\(\?<' at character 1"),
        (changed("wordpiece", pre_tokenizer=split(r"a++")), "at character 3"),
        (changed("wordpiece", pre_tokenizer=split(r"(a)\1")), "at character 4"),
        (changed("wordpiece", pre_tokenizer=split(r"a*")), "matches the empty text"),
        (changed("wordpiece", pre_tokenizer=split(r"(?:a*)+b")), "repeats something that may be empty"),
        (changed("wordpiece", pre_tokenizer=split(r"a{1,5000}")), "at character 2"),
        (
            changed("wordpiece", pre_tokenizer=split("(?:" * 3 + r"a{1,90}){1,90}){1,90})")),
            "repeats too much",
        ),
        (changed("wordpiece", post_processor=BYTE_LEVEL), "trim_offsets"),
        (
            changed(
                "wordpiece",
                pre_tokenizer={"type": "Sequence", "pretokenizers": [BYTE_LEVEL, {"type": "Whitespace"}]},
            ),
            "something follows after ByteLevel",
        ),
    ],
)
def test_a_part_that_cannot_be_compiled_is_named(text: str, named: str) -> None:
    with pytest.raises(NotCompiled, match=named) as caught:
        compile_tokenizer(text)
    assert "\n" not in str(caught.value)


def test_merges_that_the_vocabulary_does_not_know_are_an_error_of_the_file() -> None:
    with pytest.raises(ModelError, match="is not a tokenizer"):
        compile_tokenizer(changed("bpe of words", model={"merges": [["nowhere", "to be found"]]}))
    with pytest.raises(ModelError, match=r"here\.json is not a tokenizer"):
        compile_tokenizer("{}", "here.json")


def test_pieces_that_stand_twice_are_those_of_the_library() -> None:
    values = json.loads(tokenizer_json("unigram"))
    values["model"]["vocab"].append(["the", -0.5])
    text = json.dumps(values)
    assert_same(load(text), compiled(text), "the other the")

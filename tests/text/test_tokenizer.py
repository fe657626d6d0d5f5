"""Tokenizer files from elsewhere: damage is one line, and the library prints nothing of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from edgeemb.errors import BundleError, ModelError
from edgeemb.runtimes.tokenizer import reference_tokenizer
from edgeemb.text.compiled import NotCompiled, compile_tokenizer
from edgeemb.text.tokenizer import library_errors, parse_tokenizer
from tests.fixtures.tokenizers.small import tokenizer_json


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    values = json.loads(tokenizer_json("wordpiece"))
    change(values)
    return json.dumps(values)


@pytest.mark.parametrize(
    "text",
    [
        changed(lambda values: values["post_processor"].update(special_tokens={})),
        changed(
            lambda values: values["post_processor"]["pair"].append(
                {"SpecialToken": {"id": "[NO]", "type_id": 0}}
            )
        ),
        changed(
            lambda values: values.update(
                post_processor={
                    "type": "Sequence",
                    "processors": [values["post_processor"] | {"special_tokens": {}}],
                }
            )
        ),
    ],
)
def test_a_template_of_tokens_that_it_does_not_define_is_refused(
    text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match="around texts but does not define it"):
        parse_tokenizer(text, "tokenizer.json")
    assert capfd.readouterr().err == ""


def test_a_panic_of_the_library_is_one_line() -> None:
    # Read without `parse_tokenizer`, which refuses it.
    tokenizer = Tokenizer.from_str(changed(lambda values: values["post_processor"].update(special_tokens={})))
    with pytest.raises(ModelError, match="here is not a tokenizer") as caught, library_errors("here"):
        tokenizer.encode("one two three four")
    assert "\n" not in str(caught.value)
    with pytest.raises(KeyboardInterrupt), library_errors("here"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"model": 3}'])
def test_a_damaged_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(BundleError, match=r"cannot read .*tokenizer\.json"):
        reference_tokenizer(path, 8)
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"tokenizer\.json") as caught:
        reference_tokenizer(path, 8)
    assert "\n" not in str(caught.value)


def test_a_part_in_another_form_that_the_library_takes_is_not_compiled() -> None:
    kept = ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"]
    text = changed(lambda values: values.update(normalizer=[values["normalizer"][key] for key in kept]))
    with pytest.raises(NotCompiled, match="is not of the form in which the library writes it"):
        compile_tokenizer(text)

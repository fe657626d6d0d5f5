"""The tokenizer `words`: what docs/words.md says, and the same in Python and in C whatever the text."""

from __future__ import annotations

import doctest
import json
import re
import struct
import subprocess
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeemb.errors import SpecError
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.native.libraries import find_sources
from edgeemb.text import words
from edgeemb.text.words_table import RANGES
from tests.places import ROOT, TESTS

VECTORS = json.loads((TESTS / "golden" / "words.json").read_text("utf-8"))

Native = Callable[..., tuple[int, list[bytes]]]


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    """The tokenizer in C, built with sanitizers where they are at hand: (text, width, limit, prompt) to status and tokens."""
    program = tmp_path_factory.mktemp("words") / "words"
    compiler = host_compiler()
    sanitizers = (
        [] if "ziglang" in compiler else ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    )
    command = [*compiler, "-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic", *sanitizers]
    run_compiler(
        [
            *command,
            f"-I{find_sources() / 'runtimes'}",
            str(TESTS / "programs/micro/words.c"),
            "-o",
            str(program),
        ]
    )
    with subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        to, answers = process.stdin, process.stdout

        def run(text: bytes, width: int, limit: int, prompt: bytes = b"") -> tuple[int, list[bytes]]:
            to.write(struct.pack("<4I", width, limit, len(prompt), len(text)) + prompt + text)
            to.flush()
            status, count = struct.unpack("<iI", answers.read(8))
            return status, [answers.read(width) for _ in range(count)]

        yield run
        to.close()
    assert process.returncode == 0


def padded(tokens: list[bytes], width: int) -> list[bytes]:
    return [token.ljust(width, b"\0") for token in tokens]


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["about"])
def test_gives_the_shared_vectors(vector: dict[str, object], native: Native) -> None:
    text = bytes.fromhex(str(vector["text"]))
    width, limit = int(str(vector["width"])), int(str(vector["limit"]))
    assert isinstance(vector["tokens"], list)
    expected = [bytes.fromhex(token) for token in vector["tokens"]]
    assert words.tokenize(text, width, limit) == expected
    assert native(text, width, limit) == (0, padded(expected, width))


@settings(max_examples=400, deadline=None)
@given(
    text=st.one_of(st.binary(max_size=60), st.text(max_size=40).map(lambda t: t.encode("utf-8"))),
    prompt=st.text(max_size=4).map(lambda t: t.encode("utf-8")),
    width=st.integers(words.MIN_WIDTH, words.MAX_WIDTH),
    limit=st.integers(2, 24),
)
@example(text=b"\xe2\xe2\x82\xac\xf0\x9f\x98", prompt=b"", width=8, limit=4)
@example(text=b"\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80x", prompt=b"a", width=8, limit=4)
def test_gives_the_same_tokens_in_c_for_any_bytes(
    text: bytes, prompt: bytes, width: int, limit: int, native: Native
) -> None:
    expected = words.tokenize(prompt.decode() + text.decode("utf-8", "ignore"), width, limit)
    assert native(text, width, limit, prompt) == (0, padded(expected, width))


def test_treats_every_code_point_as_in_c(native: Native) -> None:
    for low in range(0, 0x110000, 0x1000):
        codes = [code for code in range(low, low + 0x1000) if not 0xD800 <= code < 0xE000]
        text = "".join(f"a{chr(code)}b " for code in codes)
        expected = words.tokenize(text, 16, 4 * 0x1000)
        assert native(text.encode(), 16, 4 * 0x1000) == (0, padded(expected, 16))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.integers(words.MIN_WIDTH, words.MAX_WIDTH), st.integers(2, 12))
def test_gives_tokens_that_begin_with_a_marker_and_fit(text: str, width: int, limit: int) -> None:
    first, *inner, last = words.tokenize(text, width, limit)
    assert (first, last) == (b"[CLS]", b"[SEP]")
    assert len(inner) <= limit - 2
    assert all(token[:1] == b"\x02" and 1 < len(token) <= width and b"\0" not in token for token in inner)


@given(st.text(max_size=40))
def test_gives_the_same_words_for_its_own_words(text: str) -> None:
    found = words.split_words(text)
    assert words.split_words(" ".join(found)) == found


def test_gives_what_the_page_says() -> None:
    assert doctest.testfile(str(ROOT / "docs/words.md"), module_relative=False).failed == 0


def test_takes_a_lone_surrogate_as_bytes_that_are_not_utf8() -> None:
    assert words.split_words("a\ud800b") == words.split_words(b"a\xed\xa0\x80b") == ["ab"]


def test_refuses_too_little_room_in_c(native: Native) -> None:
    assert native(b"text", 4, 8) == (4, [])
    assert native(b"text", 8, 1) == (4, [])


def test_has_one_table_in_both_languages() -> None:
    header = (find_sources() / "runtimes/text/vocabulary_free/words_table.h").read_text("utf-8")
    rows = re.findall(r"\{0x([0-9a-f]+)u, (\d+), (\d+)\}", header)
    assert [(first | action << 21, span, added) for first, action, span, added in RANGES] == [
        (int(first, 16), int(span), int(added)) for first, span, added in rows
    ]


@pytest.mark.parametrize("width", [7, 33])
def test_refuses_a_width_that_no_implementation_takes(width: int) -> None:
    with pytest.raises(SpecError, match=f"width={width} is out of range: use 8 to 32 bytes"):
        words.RowForm(width=width)

"""Blobs that were damaged, cut, made by hand or by a newer version; and texts that are none."""

from __future__ import annotations

import struct
import subprocess
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from edgeemb.errors import BundleError, InputError
from edgeemb.native.libraries import find_sources
from edgeemb.native.tokenizer import CompiledTokenizer
from edgeemb.text.compiled import compile_tokenizer
from tests.fixtures.requirements import requires_program
from tests.fixtures.tokenizers.compiled import AWKWARD, compiled
from tests.fixtures.tokenizers.small import FOREIGN, KINDS, UNSEEN, load, tokenizer_json
from tests.places import TESTS

SANITIZED = [
    "-std=c99",
    "-g",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pedantic",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("driver") / "encode"
    source = TESTS / "programs" / "text" / "encode.c"
    subprocess.run(
        ["cc", *SANITIZED, f"-I{find_sources() / 'runtimes'}", str(source), "-o", str(program)], check=True
    )
    return program


@requires_program("cc", "gcc")
@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_makes_a_read_or_a_write_go_astray(kind: str, driver: Path, tmp_path: Path) -> None:
    blob, texts = tmp_path / "tokenizer.bin", tmp_path / "texts.txt"
    blob.write_bytes(compile_tokenizer(tokenizer_json(kind)))
    lines = [
        " ".join(text.split()) for text in [*FOREIGN, *UNSEEN[:3], "".join(AWKWARD), "<mask> the </s> 7"]
    ]
    texts.write_text("\n".join(lines) + "\n", "utf-8")
    done = subprocess.run(
        [driver, blob, texts, "300"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    reference = load(tokenizer_json(kind))
    assert done.stdout.splitlines() == [
        "".join(f"{number} " for number in reference.encode(line).ids) for line in lines
    ]


def test_a_blob_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    blob = compile_tokenizer(tokenizer_json("wordpiece"))
    path = tmp_path / "tokenizer.bin"
    for damaged, message in (
        (blob[:-8], "is damaged"),
        (blob[:20], "is damaged"),
        (b"{" + blob[1:], "is damaged"),
        (blob[:4] + struct.pack("<I", 2) + blob[8:], "another version"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match=message) as caught:
            CompiledTokenizer(path)
        assert str(path) in str(caught.value)
    path.write_bytes(b"")
    with pytest.raises(BundleError, match="cannot be mapped"):
        CompiledTokenizer(path)


def test_a_checksum_finds_an_altered_byte() -> None:
    blob = compile_tokenizer(tokenizer_json("unigram"))
    assert struct.unpack_from("<I", blob, 12)[0] == zlib.crc32(blob[16:])
    CompiledTokenizer(blob).check()
    with pytest.raises(BundleError, match="is damaged"):
        CompiledTokenizer(blob[:-9] + bytes([blob[-9] ^ 1]) + blob[-8:]).check()


def test_a_blob_is_the_same_every_time() -> None:
    assert compile_tokenizer(tokenizer_json("bpe of bytes")) == compile_tokenizer(
        tokenizer_json("bpe of bytes")
    )


def test_opening_parses_nothing() -> None:
    blob = compile_tokenizer(tokenizer_json("bpe of pieces"))
    CompiledTokenizer(blob)
    taken = []
    for _ in range(20):
        start = time.perf_counter()
        CompiledTokenizer(blob)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 1e-3


def test_half_a_surrogate_pair_is_named() -> None:
    with pytest.raises(InputError, match="half of a surrogate pair at character 2"):
        compiled(tokenizer_json("wordpiece")).encode("a\ud800")


@requires_program("cc", "gcc")
def test_bytes_that_are_no_text_are_refused(driver: Path, tmp_path: Path) -> None:
    blob, texts = tmp_path / "tokenizer.bin", tmp_path / "texts.txt"
    blob.write_bytes(compile_tokenizer(tokenizer_json("wordpiece")))
    wrong = [
        b"\xff",
        b"a\xc3",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"\x80",
        b"\xf8\x88\x80\x80\x80",
    ]
    texts.write_bytes(b"\n".join([*wrong, b"good"]) + b"\n")
    done = subprocess.run([driver, blob, texts, "0"], capture_output=True, text=True, check=True)
    found = done.stdout.splitlines()
    assert found[:-1] == ["status 2"] * len(wrong)
    assert found[-1] != "status 2"


def test_a_limit_below_the_special_tokens_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be cut"):
        compiled(tokenizer_json("wordpiece")).encode("a text", max_length=1)
    with pytest.raises(InputError, match="is not a truncation"):
        compiled(tokenizer_json("wordpiece")).encode("a text", max_length=8, side="top")


def test_a_text_without_tokens_for_it_is_named() -> None:
    text = tokenizer_json("unigram").replace('"unk_id":2', '"unk_id":null')
    assert text != tokenizer_json("unigram")
    with pytest.raises(InputError, match="no token"):
        compiled(text).encode("中")


def test_long_texts_and_marks_take_a_time_that_rises_with_their_length() -> None:
    for kind, unit in (("bpe of pieces", "ab"), ("unigram", "\u0301\u0323a"), ("wordpiece", "\u0323\u0301")):
        ours, reference = compiled(tokenizer_json(kind)), load(tokenizer_json(kind))
        text = "a" + unit * 20000
        start = time.perf_counter()
        found = ours.encode(text)
        assert time.perf_counter() - start < 20
        if kind != "wordpiece":
            assert np.array_equal(found.ids, reference.encode(text).ids)

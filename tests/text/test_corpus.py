"""Reading corpora and counting their tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeemb.errors import InputError
from edgeemb.text.corpus import MAX_LINE_BYTES, count_tokens, read_lines, read_parts, token_frequency
from tests.fixtures.tokenizers.small import UNSEEN, load, tokenizer_json


def test_lines_come_without_ends_blanks_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes("\ufeffone\r\n \n\ntwo words\nthree".encode())
    assert list(read_lines(path)) == ["one", "two words", "three"]


def test_a_folder_is_its_text_files_in_order(tmp_path: Path) -> None:
    for name, text in {"b.txt": "second", "a.txt": "first", "notes.md": "no"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert list(read_lines(tmp_path)) == ["first", "second"]


def test_folders_of_a_folder_are_the_parts_of_a_corpus(tmp_path: Path) -> None:
    for name, text in {"en/a.txt": "one\ntwo", "de/b.txt": "eins", "none/readme.md": "no"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [list(lines) for lines in read_parts(tmp_path)] == [["eins"], ["one", "two"]]
    assert list(read_lines(tmp_path)) == ["eins", "one", "two"]
    (tmp_path / "loose.txt").write_text("whose part?", encoding="utf-8")
    with pytest.raises(InputError, match=r"texts of its own \(loose\.txt\) and folders of texts \(de\)"):
        list(read_lines(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\nfine\nbad \xff byte\n", r"corpus\.txt line 3: not UTF-8 \(byte 5 of it\)"),
        (b"", "is empty"),
        (b"\n \n", "is empty"),
    ],
)
def test_it_refuses_files_that_are_no_text(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_lines(path))


def test_it_refuses_a_line_too_long_to_hold(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    with path.open("wb") as file:
        file.write(b"short\n")
        file.truncate(MAX_LINE_BYTES + 100)
    with pytest.raises(InputError, match="line 2: longer than 64 MiB; break it into lines"):
        list(read_lines(path))


def test_it_refuses_a_corpus_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such corpus"):
        list(read_lines(tmp_path / "missing.txt"))
    with pytest.raises(InputError, match=r"has no \*\.txt file"):
        list(read_lines(tmp_path))


def test_a_corpus_of_one_long_line_counts_like_many_lines() -> None:
    tokenizer = load(tokenizer_json("bpe of bytes"))
    line = " ".join(UNSEEN * 8)
    assert len(line) > 2**16
    found = count_tokens(tokenizer, [line])
    whole = tokenizer.encode(line, add_special_tokens=False).ids
    assert found.ids.tolist() == np.bincount(whole, minlength=found.ids.size).tolist()
    assert found.words == len(line.split())


def test_the_parts_of_a_corpus_count_equally_however_large_they_are(tmp_path: Path) -> None:
    tokenizer = load(tokenizer_json("wordpiece"))
    for name, text in {"large": "is\n" * 50, "small": "not\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.txt").write_text(text, encoding="utf-8")
    frequency = token_frequency(tokenizer, tmp_path, rows=1300)
    of = {word: frequency[tokenizer.token_to_id(word)] for word in ("is", "not", "the")}
    assert of["is"] == pytest.approx(of["not"])
    assert of["is"] > 10 * of["the"]


def test_frequency_counts_what_frames_a_line_and_leaves_no_row_at_zero(tmp_path: Path) -> None:
    tokenizer = load(tokenizer_json("wordpiece"))
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(UNSEEN), encoding="utf-8")
    frequency = token_frequency(tokenizer, path, rows=1300)
    assert frequency.dtype == np.float64
    assert frequency.shape == (1300,)
    assert frequency.min() > 0
    assert frequency.sum() == pytest.approx(1)
    first, rare = tokenizer.token_to_id("[CLS]"), 1299
    assert frequency[first] / frequency[rare] == pytest.approx(len(UNSEEN) + 1)


def test_frequency_refuses_a_table_that_is_too_small(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("words", encoding="utf-8")
    with pytest.raises(InputError, match=r"token id \d+ is beyond the table's 5 rows"):
        token_frequency(load(tokenizer_json("wordpiece")), path, rows=5)

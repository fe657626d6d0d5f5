"""Evaluation: reading the data, Spearman correlation and accuracy of a linear classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import spearmanr

from edgeemb.errors import InputError
from edgeemb.metrics import cosine, spearman
from edgeemb.report.encoding import embed
from edgeemb.report.evaluation import evaluate_classes, evaluate_sts
from edgeemb.text.pairs import read_labelled, read_pairs


class BagOfWords:
    """Embeds a text as counts of its hashed words, which is a real, if poor, sentence encoder."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Embed texts as float32[n, 64]."""
        self.seen.extend(texts)
        vectors = np.zeros((len(texts), 64), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, crc32(word.encode()) % 64] += 1
        return vectors


class Broken:
    """Gives NaN, as an overflowing half-precision body does."""

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Embed texts as float32[n, 4], all NaN."""
        return np.full((len(texts), 4), np.nan, np.float32)


PAIRS = "5.0\ta red cat\ta red cat\n3.0\ta red cat\ta red dog\n0.5\ta red cat\tnobody was there\n"


def write(folder: Path, text: str | bytes, name: str = "data.tsv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(st.lists(st.tuples(st.integers(-4, 4), st.floats(-2, 2, width=16)), min_size=3, max_size=40))
def test_spearman_is_what_scipy_computes(points: list[tuple[int, float]]) -> None:
    left, right = (np.asarray(column, np.float64) for column in zip(*points, strict=True))
    if left.min() == left.max() or right.min() == right.max():
        return
    assert spearman(left, right) == pytest.approx(spearmanr(left, right).statistic, abs=1e-12)


def test_a_zero_embedding_is_similar_to_nothing() -> None:
    assert cosine(np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)) == 0


def test_sentence_pairs_in_the_order_of_their_scores_correlate_fully(tmp_path: Path) -> None:
    result = evaluate_sts(BagOfWords(), write(tmp_path, PAIRS))
    assert result.spearman == pytest.approx(100)
    assert result.pairs == 3
    assert result.to_json() == {"spearman": result.spearman, "pairs": 3}


def test_columns_after_the_sentences_headers_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    text = '\ufeffscore\tsentence1\tsentence2\tgenre\r\n4\ta "b\tc\tnews\textra\r\n\r\n1\td\te\r\n'
    pairs = read_pairs(write(tmp_path, text))
    assert pairs.scores == (4.0, 1.0)
    assert pairs.first == ('a "b', "d")
    assert pairs.second == ("c", "e")


def test_each_different_text_is_embedded_once_and_the_order_kept() -> None:
    encoder = BagOfWords()
    texts = ["b b b", "a", "b b b", "c c", "a"]
    told: list[tuple[int, int]] = []
    vectors = embed(encoder, texts, progress=lambda done, total: told.append((done, total)))
    assert sorted(encoder.seen) == ["a", "b b b", "c c"]
    assert np.array_equal(vectors, BagOfWords().encode(texts))
    assert told == [(3, 3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5\tone\n", "line 1: 2 columns, expected score"),
        ("5\ta\tb\nplain words\n", "line 2: one column, expected score"),
        ("5\ta\tb\nhigh\ta\tb\n", "line 2: 'high' is not a number"),
        ("5\ta\tb\nnan\ta\tb\n", "line 2: 'nan' is not a number"),
        (b"5\ta\tb\n4\t\xff\tb\n", "line 2: not UTF-8 (byte 3 of it)"),
        ("5\ta\tb\n4\ta\t \n", "line 2: a sentence is empty"),
        ("", "has no sentence pairs"),
        ("score\ts1\ts2\n", "has no sentence pairs"),
        ("2\ta\tb\n2\tc\td\n", "same score"),
        ("2\ta\ta\n3\tc\tc\n", "equally similar"),
    ],
)
def test_pairs_that_cannot_be_used_are_refused_with_file_and_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        evaluate_sts(BagOfWords(), path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.tsv", tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            read_pairs(path)


def test_embeddings_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        evaluate_sts(Broken(), write(tmp_path, PAIRS))


def test_a_classifier_on_embeddings_learns_what_the_words_tell(tmp_path: Path) -> None:
    train = write(
        tmp_path, "text\tlabel\n" + "my card is lost\tcard\nthe rate is bad\trate\n" * 10, "train.tsv"
    )
    test = write(tmp_path, "card gone\tcard\nwhich rate\trate\nodd rate\tcard\n", "test.tsv")
    result = evaluate_classes(BagOfWords(), train, test)
    assert result.accuracy == pytest.approx(100 * 2 / 3)
    assert (result.train, result.test, result.labels) == (20, 3, 2)


def test_a_first_line_whose_label_is_no_column_name_is_data(tmp_path: Path) -> None:
    assert read_labelled(write(tmp_path, "a\tx\nb\tlabel\n")).labels == ("x", "label")
    assert read_labelled(write(tmp_path, "sentence\tintent\na\tx\n")).labels == ("x",)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ("a\tx\nb\n", "a\tx\n", "train.tsv line 2: one column, expected text<TAB>label"),
        ("a\tx\nb\t \n", "a\tx\n", "train.tsv line 2: the label is empty"),
        ("a\tx\n\ty\n", "a\tx\n", "train.tsv line 2: the text is empty"),
        ("a\tx\nb\tx\n", "a\tx\n", "the one label 'x'"),
        ("a\tx\nb\ty\n", "a\tx\nb\tz\n", "labels that"),
        ("a\tx\nb\ty\n", "", "has no labelled texts"),
        ("a\tx\nb\ty\n", b"\xff\tx\n", "test.tsv line 1: not UTF-8"),
    ],
)
def test_labelled_texts_that_cannot_be_used_are_refused(
    tmp_path: Path, train: str, test: str | bytes, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        evaluate_classes(BagOfWords(), write(tmp_path, train, "train.tsv"), write(tmp_path, test, "test.tsv"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

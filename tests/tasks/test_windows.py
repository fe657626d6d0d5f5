"""Windows over a text that is too long to be read at once with a question."""

from __future__ import annotations

import numpy as np
import pytest

from edgeemb.errors import InputError
from edgeemb.tasks.answers import Span, best_spans
from edgeemb.tasks.windows import windows
from tests.fixtures.models import tiny_tokenizer

QUESTION = "who sat"


@pytest.mark.parametrize(("words", "limit", "overlap"), [(3, 40, 8), (40, 16, 3), (41, 16, 0), (50, 17, 7)])
def test_are_those_of_the_tokenizers_library(words: int, limit: int, overlap: int) -> None:
    tokenizer = tiny_tokenizer("bert")
    text = " ".join(["the cat sat on a mat"] * words)[: 4 * words]
    whole = tokenizer.encode(QUESTION, text)
    texts = np.array([0 if place is None else place + 1 for place in whole.sequence_ids], np.uint32)
    found = windows(texts, limit, overlap)
    tokenizer.enable_truncation(limit, stride=overlap, strategy="only_second")
    first = tokenizer.encode(QUESTION, text)
    assert [np.array(whole.ids)[places].tolist() for places in found] == [
        each.ids for each in [first, *first.overflowing]
    ]


def test_share_half_of_a_room_that_is_smaller_than_the_overlap() -> None:
    texts = np.array([0, 1, 1, 1, 0, 2, 2, 2, 2, 2, 0], np.uint32)
    found = [places.tolist() for places in windows(texts, 10)]
    assert found == [[0, 1, 2, 3, 4, 5, 6, 7, 8, 10], [0, 1, 2, 3, 4, 7, 8, 9, 10]]
    with pytest.raises(
        InputError, match=r"question and the tokens around it are 6 tokens, .* takes 6: shorten"
    ):
        windows(texts, 6)


def test_best_answers_do_not_overlap() -> None:
    first = [Span("a b", 0, 3, 0.5), Span("f", 10, 11, 0.1)]
    second = [Span("b", 2, 3, 0.6), Span("d", 6, 7, 0.2)]
    assert [one.score for one in best_spans([first, second], 3)] == [0.6, 0.2, 0.1]
    assert best_spans([first, second], 1) == [second[0]]

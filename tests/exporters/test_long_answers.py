"""Answers in texts that are longer than the model: as transformers' question-answering pipeline finds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from edgeemb.errors import InputError
from edgeemb.models.loading import load_torch
from edgeemb.tasks.answers import Span
from tests.fixtures.models.families import reference_model, save_family
from tests.fixtures.models.torch_session import torch_session

QUESTION = "who sat"
TEXT = "the cat sat on a mat, the catted mats ran away. a cat: the mat sat on the cat and on a mat. " * 3


def pipeline_answer(folder: Path, length: int, longest: int) -> Span:
    """The best answer by the arithmetic of transformers' pipeline, which version 5 no longer has: windows of the tokenizers library, and in each
    probabilities of the tokens of the text and of the first special token."""
    reference = reference_model("BERT", "ForQuestionAnswering")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(length, stride=length // 2, strategy="only_second")
    first = tokenizer.encode(QUESTION, TEXT)
    found = []
    for window in [first, *first.overflowing]:
        ids, types = torch.tensor([window.ids]), torch.tensor([window.type_ids])
        with torch.no_grad():
            output = reference(input_ids=ids, token_type_ids=types)
        inside = [0] + [place for place, number in enumerate(window.sequence_ids) if number == 1]
        start, end = (
            torch.softmax(logits[0][inside], 0).numpy() for logits in (output.start_logits, output.end_logits)
        )
        start[0] = end[0] = 0
        best = np.tril(np.triu(np.outer(start, end)), longest - 1)
        low, high = divmod(int(best.argmax()), len(inside))
        begin, stop = window.offsets[inside[low]][0], window.offsets[inside[high]][1]
        found.append(Span(TEXT[begin:stop], begin, stop, float(best.max())))
    assert len(found) > 3
    return max(found, key=lambda span: span.score)


def test_are_the_best_of_all_windows(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForQuestionAnswering")
    with torch_session(load_torch(folder), folder) as session:
        for longest in (2, 15):
            (found,) = session.answer(QUESTION, TEXT, longest=longest)
            wanted = pipeline_answer(folder, session.manifest.max_length, longest)
            assert (found.start, found.end, found.text) == (wanted.start, wanted.end, wanted.text)
            assert found.score == pytest.approx(wanted.score, abs=1e-4)
        several = session.answer(QUESTION, TEXT, top=4)
        assert len(several) == 4
        assert all(TEXT[one.start : one.end] == one.text for one in several)
        # Nothing that was asked for in between changes how other texts are cut.
        assert len(session.tokens([TEXT])[0]) == session.manifest.max_length
        with pytest.raises(InputError, match="longest=0 is out of range: use 1 or more"):
            session.answer(QUESTION, TEXT, longest=0)
        with pytest.raises(InputError, match="shorten the question"):
            session.answer(TEXT, TEXT)

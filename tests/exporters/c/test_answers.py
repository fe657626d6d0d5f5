"""C exports of models that answer questions: parts of a text, from C alone as from a session."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import edgeemb
from edgeemb.exporters.c.reading import read_encoder
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.runtimes.c.engine import cached_library
from edgeemb.runtimes.c.sources import read_sizes
from tests.fixtures.models.families import reference_model, save_family

QUESTION, TEXT = "who sat", "the cats ran away, a MAT sat on the cat"
#: Texts with white space of several kinds and characters of several bytes, of one token, and in several windows.
TEXTS = [TEXT, "\u3000the M\u00c1T  sat\u00a0on \u4e2d the cat", "x", "a mat sat and the cats ran away " * 9]
LIMIT = 38

Answer = Callable[..., tuple[int, list[tuple[str, float]]]]


@pytest.fixture(scope="module", params=["cortex-m7", "ios"])
def exported(request: pytest.FixtureRequest, answerers: dict[str, Path]) -> Path:
    return answerers[request.param]


@pytest.fixture(scope="module")
def answer(exported: Path) -> Answer:
    """`m_answer` with an arena of the least size: its status, and the answers with their scores."""
    function = ctypes.CDLL(str(cached_library(exported))).m_answer
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    function.argtypes = [pointer, size, pointer, size, pointer, size, size, pointer, pointer, pointer]
    needed = read_sizes(exported, "m")["arena_bytes"]
    memory = np.zeros(needed + 64, np.uint8)
    arena = memory.ctypes.data + -memory.ctypes.data % 64

    def call(question: bytes, text: bytes, top: int = 1) -> tuple[int, list[tuple[str, float]]]:
        spans, scores, count = np.zeros((top, 2), np.uint32), np.zeros(top, np.float32), size()
        status = function(
            *(arena, needed, question, len(question), text, len(text), top),
            *(spans.ctypes.data, scores.ctypes.data, ctypes.byref(count)),
        )
        places = spans[: count.value].tolist() if memory.size else []
        found = [text[low:high].decode() for low, high in places]
        return status, list(zip(found, scores.tolist(), strict=False))

    return call


@pytest.mark.parametrize("text", TEXTS)
def test_c_alone_answers_as_a_session_does(text: str, exported: Path, answer: Answer) -> None:
    with edgeemb.open(exported, allow_code=True) as session:
        for top in (1, 6, 100):
            wanted = session.answer(QUESTION, text, top=top)
            status, found = answer(QUESTION.encode(), text.encode(), top)
            assert status == 0
            assert [part for part, _ in found] == [one.text for one in wanted]
            assert [score for _, score in found] == pytest.approx([one.score for one in wanted], abs=2e-6)


def test_the_answer_is_that_of_the_original(exported: Path) -> None:
    reference = reference_model("BERT", "ForQuestionAnswering")
    with edgeemb.open(exported, allow_code=True) as session:
        (encoding,) = session.encodings([(QUESTION, TEXT)])
        inside = np.flatnonzero(encoding.texts == 2)
        ids, types = (torch.tensor([row.tolist()]) for row in (encoding.ids, encoding.types))
        with torch.no_grad():
            output = reference(input_ids=ids, token_type_ids=types)
        start, end = (
            torch.softmax(logits[0][inside], 0).numpy() for logits in (output.start_logits, output.end_logits)
        )
        low, high = divmod(int(np.triu(np.outer(start, end)).argmax()), len(inside))
        (found,) = session.answer(QUESTION, TEXT)
        assert encoding.offsets is not None
        assert found.start == encoding.offsets[inside[low], 0]
        assert found.end == encoding.offsets[inside[high], 1]
        assert found.score == pytest.approx(float(start[low] * end[high]), abs=0.01)


def test_boards_and_application_processors_give_the_same_bits(answerers: dict[str, Path]) -> None:
    found = []
    for bundle in answerers.values():
        with edgeemb.open(bundle, allow_code=True) as session:
            feeds = session.feeds(
                [[2, 9, 5, 3, 30, 7, 8, 3], [2, 5, 3, 6, 3]], [[0] * 4 + [1] * 4, [0, 0, 0, 1, 1]]
            )
            found.append(session.run_all(feeds))
            assert [output.shape for output in found[-1]] == [(2, 8), (2, 8)]
            assert not any(output[1, 5:].any() for output in found[-1])
            assert session.manifest.parity["end_logits.difference_min"] > 0.9
    np.testing.assert_array_equal(*found)


def test_refuses_what_is_no_question_or_no_text(answer: Answer) -> None:
    assert answer(b"", TEXT.encode())[0] == answer(b"who", b" ")[0] == 3
    assert answer(b"who", b"\xff")[0] == 7
    # A text is read in windows; a question that fills the model leaves no room for one.
    assert answer(b"the cat " * LIMIT, TEXT.encode())[0] == 2


def test_the_header_says_how_to_ask(exported: Path) -> None:
    header = (exported / "model.h").read_text()
    assert (
        "A question and a text of any length in, the most probable answers out" in header
        and "m_answer(" in header
    )
    assert "the logits of its being the first and the last token of the answer" in header
    assert "m_run_pair" not in header and "m_run_text" not in header and "@" not in header
    strict = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only")
    run_compiler([*host_compiler(), *strict, f"-I{exported}", str(exported / "model.c")])


@pytest.mark.parametrize("family", ["DistilBERT", "RoBERTa", "MPNet", "ALBERT", "ELECTRA", "ModernBERT"])
def test_reads_the_head_of_every_family(family: str, tmp_path: Path) -> None:
    save_family(tmp_path / "m", family, "ForQuestionAnswering")
    encoder = read_encoder(edgeemb.load(str(tmp_path / "m")))
    assert encoder.per_token and encoder.outputs == 2
    assert [dense.norm is not None for dense in encoder.head] == [True] * (family == "ModernBERT") + [False]

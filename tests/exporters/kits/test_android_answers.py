"""The Android kit's answers: classes, ranked texts and labelled words are those of a session in Python."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer

import edgeemb
from edgeemb.exporters.kits import FOLDER
from tests.exporters.kits.test_android import Remote
from tests.fixtures.java import KIT, PROGRAMS, compile_java, driver
from tests.fixtures.models.families import save_family
from tests.fixtures.requirements import requires_program
from tests.models.test_late_interaction import save_pylate

pytestmark = requires_program("javac", "default-jdk-headless")

TEXT = "the cat sat on the mat"
#: Words of several pieces, marks, spaces of several kinds, characters of two chars; and more words than the model takes.
WORDS = [
    "the catted,  mats",
    "a\u00a0cat\u3000ran_away 12\u00bd \U0001f600 caf\u00e9 cafe\u0301 \u4e2d\u6587 it's",
    "the cat sat on the mat and " * 12,
]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("classes")
    kit = KIT / "src" / "main" / "java" / "edgeemb"
    compile_java(out, kit, KIT / "onnx", PROGRAMS / "driver" / "edgeemb")
    return out


def export(folder: Path, head: str, **options: Any) -> Path:
    """The bundle of a tiny BERT."""
    save_family(folder / "m", "BERT", head, **options)
    return edgeemb.export(
        str(folder / "m"), folder / "b", target="android", table="int8", body="fp32", ops="builtin"
    )


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {0: "bad", 1: "fair", 2: "good"}
    return export(tmp_path_factory.mktemp("classifier"), "ForSequenceClassification", id2label=names)


def answers(
    classes: Path, bundle: Path, session: edgeemb.Session, method: str, *texts: str
) -> list[list[str]]:
    """What the kit answers: the fields of each line."""
    command = [*driver(classes), "answer", str(bundle / FOLDER / "assets"), method, *texts]
    rest, errors, status = Remote(session).serve(command)
    assert status == 0, errors
    return [line.split("\t") for line in rest.decode().split("\n")[:-1]]


def refusal(classes: Path, bundle: Path, session: edgeemb.Session, method: str, *texts: str) -> str:
    """The one line in which the kit refuses."""
    command = [*driver(classes), "answer", str(bundle / FOLDER / "assets"), method, *texts]
    _, errors, status = Remote(session).serve(command)
    assert status == 1
    return errors.decode().strip()


def test_the_classes_of_texts_and_of_pairs_are_those_of_a_session(classes: Path, classifier: Path) -> None:
    assert "Label[] result = model.classify" in (classifier / FOLDER / "README.md").read_text()
    with edgeemb.open(classifier) as session:
        for texts in ((TEXT,), (TEXT, "a cat")):
            (wanted,) = session.classify([texts[0] if len(texts) == 1 else (TEXT, "a cat")])
            found = answers(classes, classifier, session, "classify", *texts)
            assert [label for label, _ in found] == [one.label for one in wanted]
            assert [float(score) for _, score in found] == pytest.approx(
                [one.score for one in wanted], abs=1e-6
            )
        said = refusal(classes, classifier, session, "label", TEXT)
        assert said == "the model is for classification: call classify"


def test_a_pair_has_the_types_of_its_texts(classes: Path, classifier: Path) -> None:
    given: list[dict[str, Any]] = []
    with edgeemb.open(classifier) as session:
        remote = Remote(session)
        remote.session = SimpleNamespace(
            manifest=session.manifest,
            task=session.task,
            run_all=lambda feeds: given.append(feeds) or session.run_all(feeds),
        )
        assets = str(classifier / FOLDER / "assets")
        _, errors, status = remote.serve([*driver(classes), "encode", assets, "the cat", "a mat"])
    assert status == 0, errors
    expected = Tokenizer.from_file(str(classifier / "tokenizer.json")).encode("the cat", "a mat")
    (feeds,) = given
    assert feeds["input_ids"].tolist() == [expected.ids]
    assert 1 in expected.type_ids
    assert feeds["token_type_ids"].tolist() == [expected.type_ids]


def test_texts_are_ranked_as_a_session_ranks_them(classes: Path, tmp_path: Path) -> None:
    bundle = export(tmp_path, "ForSequenceClassification", num_labels=1)
    texts = ["the mat", "a cat ran away", TEXT]
    with edgeemb.open(bundle) as session:
        wanted = session.rank("the cat", texts)
        found = answers(classes, bundle, session, "rank", "the cat", *texts)
    assert [(int(index), text) for index, text, _ in found] == [(one.index, one.text) for one in wanted]
    assert [float(score) for *_, score in found] == pytest.approx([one.score for one in wanted], abs=1e-6)


def test_words_have_the_labels_and_places_that_a_session_gives_them(classes: Path, tmp_path: Path) -> None:
    labels = {0: "O", 1: "B-PET", 2: "I-PET"}
    bundle = export(tmp_path, "ForTokenClassification", id2label=labels)
    with edgeemb.open(bundle) as session:
        for text in WORDS:
            (wanted,) = session.label_words([text])
            found = answers(classes, bundle, session, "label", text)
            before = [len(text[:at].encode("utf-16-le")) // 2 for at in range(len(text) + 1)]
            assert [(one[0], int(one[1]), int(one[2]), one[3]) for one in found] == [
                (one.text, before[one.start], before[one.end], one.label) for one in wanted
            ]
            assert [float(one[4]) for one in found] == pytest.approx([one.score for one in wanted], abs=1e-6)
        assert 0 < len(wanted) < len(text.split())
        said = refusal(classes, bundle, session, "classify", TEXT)
        assert said == "the model is for token-classification: call labelWords"
        command = [*driver(classes), "check", str(bundle / FOLDER / "assets")]
        rest, errors, status = Remote(session).serve(command)
    assert status == 0, errors
    assert struct.unpack(">f", rest)[0] == pytest.approx(1, abs=1e-6)


#: Texts with white space of several kinds and characters of two chars, and in several windows.
ASKED = [
    TEXT,
    "\u3000a \U0001f600 M\u00c1T  sat\u00a0on \u4e2d the cat",
    "a mat sat and the cats ran away " * 9,
]


def test_questions_are_answered_as_a_session_answers_them(classes: Path, tmp_path: Path) -> None:
    bundle = export(tmp_path, "ForQuestionAnswering")
    assert 'model.answer("a question", "some text", 1)' in (bundle / FOLDER / "README.md").read_text()
    with edgeemb.open(bundle) as session:
        for text in ASKED:
            before = [len(text[:at].encode("utf-16-le")) // 2 for at in range(len(text) + 1)]
            wanted = session.answer("who sat", text, top=4)
            found = answers(classes, bundle, session, "ask", "who sat", text, "4")
            assert [(one[0], int(one[1]), int(one[2])) for one in found] == [
                (one.text, before[one.start], before[one.end]) for one in wanted
            ]
            assert [float(one[3]) for one in found] == pytest.approx([one.score for one in wanted], abs=1e-6)
        said = refusal(classes, bundle, session, "ask", "the cat " * 60, TEXT, "1")
        assert "the model takes" in said and said.endswith("shorten the question")
        assert (
            refusal(classes, bundle, session, "ask", "who", TEXT, "0")
            == "top=0 is out of range: use 1 or more"
        )


@pytest.mark.parametrize("head", [None, "top=6"])
def test_masked_places_are_filled_as_a_session_fills_them(
    head: str | None, classes: Path, tmp_path: Path
) -> None:
    save_family(tmp_path / "m", "BERT", "ForMaskedLM")
    options: dict[str, Any] = {"table": "int8", "body": "fp32", "ops": "builtin", "head": head}
    bundle = edgeemb.export(str(tmp_path / "m"), tmp_path / "b", target="android", **options)
    text = "the [MASK] sat on the [MASK]"
    assert "model.info.mask" in (bundle / FOLDER / "README.md").read_text()
    with edgeemb.open(bundle) as session:
        (wanted,) = session.fill([text], top=5)
        found = answers(classes, bundle, session, "fill", text, "5")
        assert [line[0:-1:2] for line in found] == [[one.token for one in place] for place in wanted]
        for line, place in zip(found, wanted, strict=True):
            assert [float(score) for score in line[1::2]] == pytest.approx(
                [one.score for one in place], abs=1e-6
            )
        said = refusal(classes, bundle, session, "fill", TEXT, "5")
        assert said == "the text has no masked place: write [MASK] where a word is to be found"
        if head is not None:
            assert "the 6 best tokens" in refusal(classes, bundle, session, "fill", text, "7")


@pytest.mark.parametrize("head", [None, "top=6"])
def test_texts_are_continued_as_a_session_continues_them(
    head: str | None, classes: Path, tmp_path: Path
) -> None:
    save_family(tmp_path / "m", "GPT-2", "LMHeadModel")
    options: dict[str, Any] = {"table": "int8", "body": "fp32", "ops": "builtin", "head": head}
    bundle = edgeemb.export(str(tmp_path / "m"), tmp_path / "b", target="android", **options)
    assert "model.nextTokens" in (bundle / FOLDER / "README.md").read_text()
    with edgeemb.open(bundle) as session:
        for text in (TEXT, "a", "a cat ran away and " * 40):
            (wanted,) = session.next_tokens([text], top=5)
            found = answers(classes, bundle, session, "next", text, "5")
            assert [token for token, _ in found] == [one.token for one in wanted]
            assert [float(score) for _, score in found] == pytest.approx(
                [one.score for one in wanted], abs=1e-6
            )
        said = refusal(classes, bundle, session, "next", TEXT, "7" if head else "0")
        assert ("the 6 best tokens" if head else "top=0 is out of range") in said


@pytest.mark.parametrize("attend", [False, True])
def test_queries_and_documents_have_the_vectors_of_a_session(
    attend: bool, classes: Path, tmp_path: Path
) -> None:
    save_pylate(tmp_path / "m", attend_to_expansion_tokens=attend)
    options: dict[str, Any] = {"table": "int8", "body": "fp32", "ops": "builtin"}
    bundle = edgeemb.export(str(tmp_path / "m"), tmp_path / "b", target="android", **options)
    assert "Vectors.maxSim" in (bundle / FOLDER / "README.md").read_text()
    texts = ["who sat?", "the cat, a mat. it ran away and sat on a mat and the cat ran"]
    with edgeemb.open(bundle) as session:
        query, document = session.encode_tokens(texts[:1], query=True), session.encode_tokens(texts[1:])
        ((queries, documents, score),) = answers(classes, bundle, session, "tokens", *texts)
        assert (int(queries), int(documents)) == (len(query[0]), len(document[0]))
        assert float(score) == pytest.approx(float(session.similarity(query, document)[0, 0]), abs=1e-4)
        ranked = answers(classes, bundle, session, "rank", *texts, *WORDS[:2])
        wanted = session.rank(texts[0], [texts[1], *WORDS[:2]])
        assert [int(index) for index, *_ in ranked] == [one.index for one in wanted]
        assert [float(score) for *_, score in ranked] == pytest.approx(
            [one.score for one in wanted], abs=1e-4
        )
        command = [*driver(classes), "check", str(bundle / FOLDER / "assets")]
        rest, errors, status = Remote(session).serve(command)
    assert status == 0, errors
    assert struct.unpack(">f", rest)[0] == pytest.approx(1, abs=1e-6)

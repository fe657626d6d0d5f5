"""The web kit's answers: labelled words, answers to questions, masked words, vectors of tokens and stored vectors are those of a session in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.exporters.kits import FOLDER, Kit, write_kit
from edgeemb.exporters.kits.micro import golden_header
from edgeemb.models.loading import load_torch
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.runtimes.c.engine import cached_library
from tests.exporters.kits.test_android_answers import WORDS
from tests.exporters.kits.test_web import TEXTS, calls, checked
from tests.fixtures.models.torch_session import torch_session
from tests.fixtures.requirements import requires_program
from tests.models.test_late_interaction import QUERIES, save_pylate
from tests.places import ROOT

pytestmark = requires_program("node", "nodejs")

#: What is read in windows over 38 tokens, with places behind characters of several lengths.
LONG = "\U0001f600 caf\u00e9 \u4e2d the cat sat on the mat, it ran away and the dog " * 4


def kit_on(exported: Path, folder: Path) -> Path:
    """The web kit for an export that another kit was made for: the sources are the same."""
    made = folder / "b"
    shutil.copytree(exported, made, ignore=shutil.ignore_patterns(FOLDER, "Package.swift"))
    assert written(made, (made / "tokenizer.json").read_text("utf-8")) == ()
    return made


def written(bundle: Path, tokenizer: str | None) -> tuple[str, ...]:
    """The notes of a kit that is written, and passes its own check."""
    notes = write_kit("web", Kit(tokenizer, read_manifest(bundle), {}, bundle))
    assert checked(bundle).startswith("0 of 8 ")
    return notes


def program_of_c(made: Path, golden: dict[str, Any], folder: Path) -> list[str]:
    """What the example of the C kit prints for the same export."""
    kit = Kit(None, read_manifest(made), golden, made)
    (folder / "golden.h").write_text(golden_header(kit), "utf-8")
    example = str(ROOT / "export" / "micro" / "example.c")
    library = str(cached_library(made))
    run_compiler(
        [
            *host_compiler(),
            "-std=c99",
            f"-I{folder}",
            f"-I{made}",
            example,
            library,
            "-o",
            str(folder / "example"),
        ]
    )
    done = subprocess.run([folder / "example"], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.splitlines()


def refused(answer: Any) -> str:
    said: str = answer["refused"]
    return said


def alike(found: list[dict[str, Any]], wanted: list[Any], *names: str) -> None:
    """Whether answers have the same fields, and scores within float32."""
    assert [[one[name] for name in names] for one in found] == [
        [getattr(one, name) for name in names] for one in wanted
    ]
    assert [one["score"] for one in found] == pytest.approx([one.score for one in wanted], abs=1e-6, rel=1e-6)


def python_place(text: str, place: int) -> int:
    """A place in a text as Python counts, from one as JavaScript counts."""
    return len(text.encode("utf-16-le")[: 2 * place].decode("utf-16-le"))


def counted(text: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers with places as Python counts."""
    return [{**one, **{at: python_place(text, one[at]) for at in ("start", "end")}} for one in found]


def test_words_are_labelled_as_a_session_labels_them_and_ids_go_in_without_a_tokenizer(
    labellers: dict[str, Path], tmp_path: Path
) -> None:
    made = kit_on(labellers["ios"], tmp_path)
    texts = [*WORDS, *TEXTS, "\x1c\ud800 a\ufeffcat\u0301"]
    *found, empty = calls(made, *(["labelWords", text] for text in texts), ["labelWords", "\n"])
    with edgeemb.open(labellers["ios"], allow_code=True) as session:
        for text, words in zip(texts[:-1], found, strict=False):
            (wanted,) = session.label_words([text])
            alike(counted(text, words), wanted, "text", "start", "end", "label")
    # Half of a pair, which no text in Python has, is one character without a token.
    assert [(word["text"], word["start"]) for word in found[-1]] == [("a", 3), ("cat", 5)]
    assert refused(empty) == "the text is empty: its result would mean nothing"
    # Of a model whose tokenizer cannot be compiled, the kit takes ids; here the compiler's own cache has the code.
    shutil.rmtree(made / FOLDER)
    assert written(made, None) == ("the module takes only ids, not text: the model takes no text",)
    ids = [2, 9, 5, 3]
    rows, outside = calls(made, ["encodeIds", ids], ["encodeIds", [10**6]])
    with edgeemb.open(labellers["ios"], allow_code=True) as session:
        np.testing.assert_array_equal(np.array(rows, np.float32), session.run(session.feeds([ids])).ravel())
    assert refused(outside) == "an id is outside its table"
    assert "**No text**: the model takes no text" in (made / FOLDER / "README.md").read_text("utf-8")


def test_questions_are_answered_as_a_session_answers_them(answerers: dict[str, Path], tmp_path: Path) -> None:
    made = kit_on(answerers["ios"], tmp_path)
    asked = [(text, top) for text in (TEXTS[0], LONG) for top in (1, 3, 1000)]
    *found, none, long = calls(
        made,
        *(["answer", "who sat", *each] for each in asked),
        ["answer", "a", "a", 0],
        ["answer", LONG, "a"],
    )
    with edgeemb.open(answerers["ios"], allow_code=True) as session:
        for (text, top), answers in zip(asked, found, strict=True):
            wanted = session.answer("who sat", text, top=top)
            assert len(wanted) > 2 or top == 1
            alike(counted(text, answers[:3]), wanted[:3], "text", "start", "end")
            assert abs(len(answers) - len(wanted)) <= 1
    assert refused(none) == "top=0 is out of range: use 1 or more"
    assert refused(long) == "the text has more tokens than the model was exported for"


def test_masked_places_are_filled_as_a_session_fills_them(fillers: dict[str, Path], tmp_path: Path) -> None:
    made = kit_on(fillers["ios"], tmp_path)
    texts = ["the [MASK] sat on the [MASK]", "a [MASK]", "[MASK] " * 60]
    *found, unmasked, many, two = calls(
        made,
        *(["fill", text, 7] for text in texts),
        ["fill", "a"],
        ["fill", texts[0], 8],
        ["fill", texts[0], 2],
    )
    with edgeemb.open(fillers["ios"], allow_code=True) as session:
        for filled, wanted in zip(found, session.fill(texts, top=7), strict=True):
            assert len(filled) == len(wanted)
            for place, theirs in zip(filled, wanted, strict=True):
                alike(place, theirs, "token")
    assert two == [place[:2] for place in found[0]]
    assert refused(unmasked) == "the text has no masked place: write [MASK] where a word is to be found"
    assert refused(many) == "the model gives the 7 best tokens of a place: ask for so many or fewer"
    assert "some [MASK]</textarea>" in (made / FOLDER / "index.html").read_text("utf-8")


def test_queries_and_documents_have_the_vectors_of_a_session(tmp_path: Path) -> None:
    save_pylate(tmp_path / "m")
    made = edgeemb.export(str(tmp_path / "m"), tmp_path / "b", target="web", table="int8")
    texts = ["a cat sat on a mat", "the cats on and on", *TEXTS]
    found = calls(
        made,
        *(["encodeTokens", text] for text in texts),
        *(["encodeTokens", text, {"query": True}] for text in QUERIES),
        ["rank", QUERIES[0], texts],
    )
    *vectors, ranked = found
    with edgeemb.open(made, allow_code=True) as session:
        wanted = [*session.encode_tokens(texts), *session.encode_tokens(QUERIES, query=True)]
        alike(ranked, session.rank(QUERIES[0], texts), "index", "text")
    for one, theirs in zip(vectors, wanted, strict=True):
        np.testing.assert_array_equal(np.array(one, np.float32), theirs)
    with torch_session(load_torch(tmp_path / "m"), tmp_path / "m") as whole:
        for one, theirs in zip(vectors[len(texts) :], whole.encode_tokens(QUERIES, query=True), strict=True):
            np.testing.assert_allclose(one, theirs, atol=0.05)
    assert checked(made) == "0 of 10 texts give other bits than the export"
    golden = json.loads((made / "golden.json").read_text("utf-8"))
    assert program_of_c(made, golden, tmp_path) == ["8 of 8 texts as expected"]
    golden["queries"]["output"][1][-1] += 1e-3
    assert program_of_c(made, golden, tmp_path)[1:] == ["query 1: status 0, another result"]
    (made / "golden.json").write_text(json.dumps(golden), "utf-8")
    assert checked(made).startswith("1 of 10 ")
    types = (made / FOLDER / "edgeemb.d.ts").read_text("utf-8")
    assert "function maxSim(" in types and "encode(text" not in types

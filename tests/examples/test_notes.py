"""The sample of notes finds what is nearest, on a desktop and in the Java of its Android module alike."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.errors import InputError
from edgeemb.exporters.kits import FOLDER
from edgeemb.models.shrinking.vectors import make_small
from edgeemb.models.torch.model import Model
from edgeemb.runtimes.session import Session
from edgeemb.text.sentences import sentences
from edgeemb.vectors.registry import parse_vectors
from tests.exporters.kits.test_android import Remote
from tests.fixtures.java import PROGRAMS, compile_java, driver
from tests.fixtures.models.torch_session import torch_session
from tests.fixtures.requirements import requires_program
from tests.fixtures.samples import EXAMPLES, imported, started

PROGRAM = "notes/notes.py"
nearest, passages = imported("notes", "nearest", "passages")

NOTES = {
    "heating.md": "\n# Heating\nThe boiler loses pressure;\r\nthe valve is behind the panel.\n\n\u00a0\n\nThe heating is cold.\n",
    "post.txt": "The package has not arrived.\n\n\n  Ask at the counter.  ",
    "sub/music.txt": "Play some quiet piano music.",
}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    for name, text in NOTES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8"))
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def opened(model: Model, spec: str, folder: Path) -> Session:
    small = make_small(model, parse_vectors(spec), None, 0)
    assert isinstance(small.model, Model)
    return torch_session(small.model, folder, small.entry)


def some(texts: list[str]) -> list[Any]:
    return [passages.Passage("note", line, text) for line, text in enumerate(texts, 1)]


def test_paragraphs_become_passages_with_their_lines(notes: Path) -> None:
    assert [(found.note, found.line, found.text) for found in passages.read_notes(notes)] == [
        ("heating.md", 2, "# Heating The boiler loses pressure; the valve is behind the panel."),
        ("heating.md", 8, "The heating is cold."),
        ("post.txt", 1, "The package has not arrived."),
        ("post.txt", 4, "Ask at the counter."),
        ("sub/music.txt", 1, "Play some quiet piano music."),
    ]


@pytest.mark.parametrize("spec", ["float32", "int8", "binary"])
def test_a_search_finds_what_is_most_similar(spec: str, tiny: Model, tmp_path: Path) -> None:
    texts = list(dict.fromkeys(sentences()))[:30]
    with opened(tiny, spec, tmp_path) as session:
        index, read = passages.build(session, some(texts))
        assert read == len(texts)
        passages.write_index(index, tmp_path / "notes.index")
        index = passages.read_index(tmp_path / "notes.index")
        nearest.build(index.form, index.vectors, tmp_path / "usearch")
        stored = session.encode(texts)
        for query in texts[:3]:
            floats = session.encode([query], as_floats=True)
            scores = session.similarity(floats, stored)[0]
            given = (tmp_path / "usearch", len(texts), session.encode([query])[0], passages.CANDIDATES)
            places = nearest.candidates(index.form, *given)
            for found in (
                passages.search(session, index, query, 3),
                passages.rank(session, index, query, places, 3),
            ):
                assert [score for _, score in found] == pytest.approx(sorted(scores)[:-4:-1], abs=1e-5)
            again = passages.search(session, index, query, 3, reread=20)
            assert again[0][0].text == query and again[0][1] == pytest.approx(1, abs=1e-5)
            exact = session.similarity(
                floats, session.encode([found.text for found, _ in again], as_floats=True)
            )
            assert [score for _, score in again] == pytest.approx(exact[0], abs=1e-5)


def test_only_new_passages_are_read(tiny: Model, tmp_path: Path) -> None:
    texts = sentences()[:4]
    with opened(tiny, "int8", tmp_path) as session:
        index, _ = passages.build(session, some(texts[:3]))
        index, read = passages.build(session, some([texts[3], *texts[:2], texts[0]]), index)
        assert read == 1
        np.testing.assert_array_equal(index.vectors, session.encode([texts[3], *texts[:2], texts[0]]))


def test_an_index_of_other_vectors_is_refused(tiny: Model, tmp_path: Path) -> None:
    with opened(tiny, "int8", tmp_path) as session:
        index, _ = passages.build(session, some(sentences()[:4]))
    with opened(tiny, "binary", tmp_path) as session:
        for use in (
            lambda: passages.build(session, [], index),
            lambda: passages.search(session, index, "a", 1),
        ):
            with pytest.raises(InputError, match="their spec is binary on one side and int8"):
                use()
    with opened(tiny, "int4", tmp_path) as session, pytest.raises(ValueError, match="no index for int4"):
        nearest.empty(session.vectors)


def test_a_damaged_index_is_refused(tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "notes.index"
    with opened(tiny, "int8", tmp_path) as session:
        passages.write_index(passages.build(session, some(sentences()[:2]))[0], path)
    content = path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(ValueError, match="is no index of notes"):
            passages.read_index(path)
    path.write_bytes(content + b"x")
    with pytest.raises(ValueError, match="contradict each other"):
        passages.read_index(path)


@pytest.mark.parametrize("more", [[], ["--nearest"]])
def test_the_program_finds_a_note_with_the_real_runtime(
    more: list[str], minilm_bundle: Path, notes: Path, tmp_path: Path
) -> None:
    index = tmp_path / "notes.index"
    done = started(PROGRAM, "index", minilm_bundle, notes, index, *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 passages, 5 of them new; 1536 bytes a vector (float32), ")
    assert (tmp_path / "notes.index.usearch").exists() == bool(more)
    done = started(PROGRAM, "search", minilm_bundle, index, "Where is my parcel?", "--count", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("  post.txt:1  The package has not arrived.\n")


def test_the_program_answers_bad_input_in_one_line(minilm_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    done = started(PROGRAM, "index", minilm_bundle, tmp_path / "notes", tmp_path / "notes.index")
    assert done.returncode == 1
    assert (
        "has no notes: give a folder with .txt or .md files" in done.stderr and done.stderr.count("\n") == 1
    )


@requires_program("javac", "default-jdk-headless")
def test_the_android_module_finds_the_same_in_the_same_file(
    android_bundle: Path, notes: Path, tmp_path: Path
) -> None:
    kit, module = android_bundle / FOLDER, EXAMPLES / "notes" / "android"
    classes, parts = tmp_path / "classes", ("driver", "notes")
    compile_java(
        classes,
        kit / "src" / "main" / "java" / "edgeemb",
        module / "src" / "main" / "java" / "notes",
        *(PROGRAMS / part / "edgeemb" for part in parts),
    )
    # A phone's notes have names, no folders.
    flat = tmp_path / "notes"
    flat.mkdir()
    for name in NOTES:
        shutil.copy(notes / name, flat)
    files = sorted(map(str, flat.iterdir()))
    desktop, phone, query = tmp_path / "desktop.index", tmp_path / "phone.index", "Where is my parcel?"
    with edgeemb.open(android_bundle) as session:
        index, _ = passages.build(session, passages.read_notes(flat))
        passages.write_index(index, desktop)
        remote = Remote(session)
        for command, file, reread in (("search", desktop, 0), ("put", phone, 0), ("search", phone, 3)):
            program = [*driver(classes, "edgeemb.NotesDriver"), str(kit / "assets"), command, str(file)]
            given = [query, "3", str(reread), *(files if command == "put" else [])]
            out, errors, _ = remote.serve([*program, *given])
            assert not errors
            found = [line.split("\t") for line in out.decode().splitlines()]
            expected = passages.search(session, index, query, 3, reread)
            assert [line[:3] for line in found] == [[p.note, str(p.line), p.text] for p, _ in expected]
            assert [float(line[3]) for line in found] == pytest.approx(
                [score for _, score in expected], abs=1e-4
            )
        # But for what the vectors are, which the kit does not know, both files are the same.
        form = json.dumps(index.form.to_json()).encode()
        content = desktop.read_bytes()
        assert phone.read_bytes() == content[:8] + struct.pack(">i", 0) + content[12 + len(form) :]
        with pytest.raises(ValueError, match="made on a phone"):
            passages.read_index(phone)
        phone.write_bytes(phone.read_bytes()[:-1])
        _, errors, status = remote.serve([*program, *given])
        assert (status, errors) == (1, b"the index is cut off: index the notes again\n")
        spoilt = bytes(255 - byte for byte in desktop.read_bytes()[-index.vectors.nbytes :])
        phone.write_bytes(desktop.read_bytes()[: -len(spoilt)] + spoilt)
        _, errors, status = remote.serve([*program, *given])
        assert errors == b"the index has vectors of another model: index the notes again\n"

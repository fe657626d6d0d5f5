"""The passages of notes, with their vectors: read from a folder, kept in one file, searched.

A desktop and a phone read the same file (``android/`` has the Java). Numbers are big-endian, and a text is its length in bytes and UTF-8:

    'EEBN' | 1 | form: text, JSON | bytes of a vector | passages
    of each passage: note: text | line | passage: text
    of each passage: its vector, as the bundle stores it
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgeemb

_MAGIC = b"EEBN\x00\x00\x00\x01"
#: Candidates that are compared again by the floats of the query.
CANDIDATES = 100


@dataclass(frozen=True)
class Passage:
    """A paragraph of a note.

    :param note: path of the note in its folder, with ``/``.
    :param line: its first line, from 1.
    :param text: its text.
    """

    note: str
    line: int
    text: str


@dataclass(frozen=True)
class Index:
    """Passages and their vectors.

    :param form: what the vectors are.
    :param passages: N passages.
    :param vectors: N vectors, as the bundle stores them.
    """

    form: edgeemb.VectorForm
    passages: Sequence[Passage]
    vectors: NDArray[Any]


def split(note: str, text: str) -> Iterator[Passage]:
    """The paragraphs of a note: what blank lines divide.

    :param note: name of the note.
    :param text: its text.
    """
    first, lines = 1, list[str]()
    for number, line in enumerate([*text.replace("\r\n", "\n").split("\n"), ""], 1):
        if line.strip():
            lines.append(line.strip())
        elif lines:
            yield Passage(note, first, " ".join(lines))
            lines = []
        if not lines:
            first = number + 1


def read_notes(folder: Path) -> list[Passage]:
    """The passages of all ``.txt`` and ``.md`` files below a folder.

    :param folder: the folder.
    :raises ValueError: if there is none, or one is not UTF-8.
    """
    found: list[Passage] = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".txt", ".md")):
        try:
            found += split(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not UTF-8: save it as UTF-8") from None
    if not found:
        raise ValueError(f"{folder} has no notes: give a folder with .txt or .md files that hold text")
    return found


def build(
    session: edgeemb.Session, passages: Sequence[Passage], old: Index | None = None
) -> tuple[Index, int]:
    """Index passages. The model reads only those that an older index has not.

    :param session: an open bundle of vectors.
    :param passages: the passages.
    :param old: an index of before; one of other vectors is refused.
    :return: the index, and how many passages the model read.
    """
    form = form_of(session)
    known: dict[str, Any] = {}
    if old is not None:
        form.check_same(old.form)
        known = dict(zip((passage.text for passage in old.passages), old.vectors, strict=True))
    new = list(dict.fromkeys(passage.text for passage in passages if passage.text not in known))
    if new:
        known.update(zip(new, session.encode(new), strict=True))
    return Index(form, passages, np.stack([known[passage.text] for passage in passages])), len(new)


def search(
    session: edgeemb.Session, index: Index, query: str, count: int, reread: int = 0
) -> list[tuple[Passage, float]]:
    """The passages that are nearest to a query, and how near.

    All are compared by their codes, the best again by the floats of the query, and the best of these again by floats on both sides: the
    model reads their texts once more, and so nothing larger than codes has to be stored.

    :param session: the bundle.
    :param index: an index of its vectors.
    :param query: the query.
    :param count: how many passages.
    :param reread: passages that the model reads again.
    """
    form_of(session).check_same(index.form)
    scores = session.similarity(session.encode([query]), index.vectors)[0]
    return rank(session, index, query, np.argsort(-scores, kind="stable"), count, reread)


def rank(
    session: edgeemb.Session,
    index: Index,
    query: str,
    places: NDArray[np.int64],
    count: int,
    reread: int = 0,
) -> list[tuple[Passage, float]]:
    """Put candidates in order by the floats of the query.

    :param session: the bundle.
    :param index: an index of its vectors.
    :param query: the query.
    :param places: of the candidates in the index, the best first.
    :param count: how many passages are wanted.
    :param reread: passages that the model reads again.
    """
    places = places[: max(count, reread, CANDIDATES)]
    floats = session.encode([query], as_floats=True)
    scores = session.similarity(floats, index.vectors[places])[0]
    order = np.argsort(-scores, kind="stable")
    places, scores = places[order], scores[order]
    if reread:
        reread = max(reread, count)
        texts = [index.passages[place].text for place in places[:reread]]
        scores = session.similarity(floats, session.encode(texts, as_floats=True))[0]
        order = np.argsort(-scores, kind="stable")
        # Scores of floats and of codes are on different scales: what was not read again is left out.
        places, scores = places[:reread][order], scores[order]
    return [
        (index.passages[place], float(score))
        for place, score in zip(places[:count], scores[:count], strict=True)
    ]


def form_of(session: edgeemb.Session) -> edgeemb.VectorForm:
    """What the vectors of a bundle are.

    :param session: the bundle.
    :raises ValueError: if it gives none.
    """
    if session.vectors is None:
        raise ValueError(f"{session.path} gives no vectors of texts: export an embedding model")
    return session.vectors


def write_index(index: Index, path: Path) -> None:
    """Write an index; what stood there is replaced at once or not at all.

    :param index: the index.
    :param path: the file.
    """
    head = [_MAGIC, _text(json.dumps(index.form.to_json()))]
    head.append(struct.pack(">ii", index.form.nbytes, len(index.passages)))
    for passage in index.passages:
        head += [_text(passage.note), struct.pack(">i", passage.line), _text(passage.text)]
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(b"".join(head) + np.ascontiguousarray(index.vectors).tobytes())
    os.replace(part, path)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return struct.pack(">i", len(encoded)) + encoded


def read_index(path: Path) -> Index:
    """Read an index.

    :param path: the file.
    :raises ValueError: if it is none, or damaged.
    """
    reader = _Reader(path.read_bytes())
    try:
        if reader.take(len(_MAGIC)) != _MAGIC:
            raise ValueError("it does not begin as one")
        text = reader.text()
        if not text:
            raise ValueError("it was made on a phone, which does not record what its vectors are")
        form = edgeemb.VectorForm.from_json(json.loads(text))
        width, count = reader.number(), reader.number()
        passages = [Passage(reader.text(), reader.number(), reader.text()) for _ in range(count)]
        stored = reader.take(width * count)
        if width != form.nbytes or reader.at != len(reader.data):
            raise ValueError("its sizes contradict each other")
    except ValueError as error:
        raise ValueError(f"{path} is no index of notes ({error}): index the notes again") from None
    return Index(form, passages, np.frombuffer(stored, form.dtype).reshape(count, form.width))


class _Reader:
    """Numbers and texts of a file, never past its end.

    :param data: the file.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.data) - self.at:
            raise ValueError("it is cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        return int(struct.unpack(">i", self.take(4))[0])

    def text(self) -> str:
        return self.take(self.number()).decode("utf-8")

"""Reading text corpora and counting their tokens.

A corpus is a UTF-8 text file, one text per line, or a folder, which means its ``*.txt`` files in the order
of their names. A folder without such files may hold folders that have them, one for each language or domain: these
are the *parts* of the corpus, and count equally, however large they are. A corpus is read as a stream: memory does
not grow with its size. Every error names the file and the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.errors import InputError
from edgeemb.progress import Progress, silent

#: A longer line is refused: it would be held in memory as a whole.
MAX_LINE_BYTES = 64 * 2**20

# A tokenizer needs some 100 bytes a token, so what it gets at once is bounded, in characters.
_PIECE = 1 << 16
_BATCH = 1 << 20


@dataclass(frozen=True)
class Counts:
    """How often a tokenizer's tokens occur in a corpus.

    :param ids: int64[V], occurrences of each id; V is the tokenizer's largest id plus one.
    :param words: words in the corpus, divided by white space.
    :param lines: lines that are not blank.
    """

    ids: NDArray[np.int64]
    words: int
    lines: int

    @property
    def tokens(self) -> int:
        """Tokens in all."""
        return int(self.ids.sum())

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.ids + other.ids, self.words + other.words, self.lines + other.lines)


def corpus_parts(corpus: Path) -> list[list[Path]]:
    """The files of each part of a corpus.

    :param corpus: a text file, a folder of ``*.txt`` files, or a folder of such folders.
    :raises InputError: if there is no such file, or the folder has no ``*.txt`` file, or both files and folders of them.
    """
    if corpus.is_dir():
        own = _texts_in(corpus)
        parts = [
            texts for folder in sorted(corpus.iterdir()) if folder.is_dir() and (texts := _texts_in(folder))
        ]
        if own and parts:
            raise InputError(
                f"folder {corpus} has texts of its own ({own[0].name}) and folders of texts ({parts[0][0].parent.name}), whose "
                f"share is not clear: give every text a folder, and each folder counts equally"
            )
        if not own and not parts:
            raise InputError(f"folder {corpus} has no *.txt file: name a text file, or a folder of them")
        return parts or [own]
    if not corpus.is_file():
        raise InputError(f"no such corpus: {corpus}; name a text file, or a folder of *.txt files")
    return [[corpus]]


def _texts_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.txt") if path.is_file())


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number the lines of a UTF-8 file; blank ones are skipped, line ends and the byte order mark removed.

    :param path: the file.
    :raises InputError: if it cannot be read, is not UTF-8, or has a line longer than `MAX_LINE_BYTES`.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
                if len(raw) > MAX_LINE_BYTES:
                    limit = MAX_LINE_BYTES >> 20
                    raise InputError(f"{path} line {number}: longer than {limit} MiB; break it into lines")
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    at = error.start + 1
                    raise InputError(
                        f"{path} line {number}: not UTF-8 (byte {at} of it): convert the file"
                    ) from error
                if line and not line.isspace():
                    yield number, line
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def read_lines(corpus: Path) -> Iterator[str]:
    """The lines of a corpus that are not blank, file after file.

    :param corpus: a text file, a folder of ``*.txt`` files, or a folder of such folders.
    :raises InputError: if a file cannot be read or is not UTF-8, or the corpus has no line.
    """
    for part in read_parts(corpus):
        yield from part


def read_parts(corpus: Path) -> Iterator[Iterator[str]]:
    """The lines of each part of a corpus that are not blank, file after file.

    :param corpus: as in `corpus_parts`.
    :raises InputError: while they are read, if a file cannot be read or is not UTF-8, or a part has no line.
    """
    parts = corpus_parts(corpus)
    for files in parts:
        yield _lines(files, corpus if len(parts) == 1 else files[0].parent)


def _lines(files: list[Path], where: Path) -> Iterator[str]:
    empty = True
    for path in files:
        for _, line in numbered_lines(path):
            empty = False
            yield line
    if empty:
        raise InputError(f"corpus {where} is empty: it needs at least one line of text")


def count_tokens(
    tokenizer: Tokenizer, lines: Iterable[str], *, special: bool = False, progress: Progress = silent
) -> Counts:
    """Tokenise lines and count the ids. The tokenizer's truncation and padding are switched off.

    :param tokenizer: the tokenizer.
    :param lines: one text each.
    :param special: whether the special tokens that begin and end each text count too.
    :param progress: told the number of lines done, and 0 for a total that is not known.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids = np.zeros(max(tokenizer.get_vocab().values(), default=-1) + 1, dtype=np.int64)
    words = done = 0
    for batch in _batches(lines):
        pieces = list(chain.from_iterable(map(_pieces, batch)))
        encodings = tokenizer.encode_batch_fast(pieces, add_special_tokens=special)
        found = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), dtype=np.int64)
        ids += np.bincount(found, minlength=ids.size)
        words += sum(len(line.split()) for line in batch)
        done += len(batch)
        progress(done, 0)
    return Counts(ids, words, done)


def count_parts(
    tokenizer: Tokenizer, corpus: Path, *, special: bool = False, progress: Progress = silent
) -> list[Counts]:
    """Count the tokens of each part of a corpus.

    :param tokenizer: the tokenizer.
    :param corpus: as in `corpus_parts`.
    :param special: whether the special tokens that begin and end each text count too.
    :param progress: told the number of lines done in all, and 0 for a total that is not known.
    :raises InputError: if the corpus cannot be read.
    """
    found: list[Counts] = []
    for lines in read_parts(corpus):
        before = sum(counts.lines for counts in found)

        def told(done: int, total: int, before: int = before) -> None:
            progress(before + done, total)

        found.append(count_tokens(tokenizer, lines, special=special, progress=told))
    return found


def equal_counts(parts: Sequence[Counts]) -> NDArray[np.float64]:
    """Occurrences of each id if every part of a corpus had as many tokens as the largest.

    :param parts: what `count_parts` gives.
    :return: float64[V]; of a single part, its counts.
    """
    most = max(counts.tokens for counts in parts)
    return np.asarray(sum(counts.ids * (most / max(counts.tokens, 1)) for counts in parts), np.float64)


def token_frequency(
    tokenizer: Tokenizer, corpus: Path, rows: int, *, smoothing: float = 1.0, progress: Progress = silent
) -> NDArray[np.float64]:
    """How often each row of a table is looked up when a model reads a corpus line by line.

    The special tokens that begin and end each line count: a model looks them up as well. Additive (Laplace)
    smoothing gives every row, those of ids that the tokenizer lacks included, a positive share.

    :param tokenizer: the model's tokenizer.
    :param corpus: as in `corpus_parts`, whose parts count equally.
    :param rows: V, rows of the table.
    :param smoothing: added to every count; positive.
    :param progress: told the number of lines done.
    :return: float64[V], positive, sums to 1.
    :raises InputError: if the corpus cannot be read, or has a token beyond the table.
    """
    counts = equal_counts(count_parts(tokenizer, corpus, special=True, progress=progress))
    if counts[rows:].any():
        worst = rows + int(np.flatnonzero(counts[rows:])[0])
        raise InputError(
            f"{corpus}: token id {worst} is beyond the table's {rows} rows; use the model's own tokenizer"
        )
    frequency = np.full(rows, smoothing, dtype=np.float64)
    frequency[: counts.size] += counts[:rows]
    frequency /= frequency.sum()
    return frequency


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _pieces(line: str) -> Iterator[str]:
    # Cut in front of white space: byte-level tokenizers read it as the start of the next word.
    start = 0
    while len(line) - start > _PIECE:
        end = max(line.rfind(" ", start + 1, start + _PIECE), line.rfind("\t", start + 1, start + _PIECE))
        end = start + _PIECE if end <= start else end
        yield line[start:end]
        start = end
    yield line[start:]

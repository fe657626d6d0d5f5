"""Reading text corpora and counting their tokens.

A corpus is a UTF-8 text file, one text per line, or a folder, which means its ``*.txt`` files in the order
of their names. It is read as a stream: memory does not grow with its size. Every error names the file and the
line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def corpus_files(corpus: Path) -> list[Path]:
    """The files that a corpus consists of.

    :param corpus: a text file, or a folder of ``*.txt`` files.
    :raises InputError: if there is no such file, or the folder has no ``*.txt`` file.
    """
    if corpus.is_dir():
        files = sorted(path for path in corpus.glob("*.txt") if path.is_file())
        if not files:
            raise InputError(f"folder {corpus} has no *.txt file: name a text file, or a folder of them")
        return files
    if not corpus.is_file():
        raise InputError(f"no such corpus: {corpus}; name a text file, or a folder of *.txt files")
    return [corpus]


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

    :param corpus: a text file, or a folder of ``*.txt`` files.
    :raises InputError: if a file cannot be read or is not UTF-8, or the corpus has no line.
    """
    empty = True
    for path in corpus_files(corpus):
        for _, line in numbered_lines(path):
            empty = False
            yield line
    if empty:
        raise InputError(f"corpus {corpus} is empty: it needs at least one line of text")


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


def token_frequency(
    tokenizer: Tokenizer, corpus: Path, rows: int, *, smoothing: float = 1.0, progress: Progress = silent
) -> NDArray[np.float64]:
    """How often each row of a table is looked up when a model reads a corpus line by line.

    The special tokens that begin and end each line count: a model looks them up as well. Additive (Laplace)
    smoothing gives every row, those of ids that the tokenizer lacks included, a positive share.

    :param tokenizer: the model's tokenizer.
    :param corpus: a text file, or a folder of ``*.txt`` files.
    :param rows: V, rows of the table.
    :param smoothing: added to every count; positive.
    :param progress: told the number of lines done.
    :return: float64[V], positive, sums to 1.
    :raises InputError: if the corpus cannot be read, or has a token beyond the table.
    """
    counts = count_tokens(tokenizer, read_lines(corpus), special=True, progress=progress).ids
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

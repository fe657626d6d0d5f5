"""The grammar of `vocab`: text to a selection of tokens and back.

    keep:CORPUS[,min=N]    the tokens that occur at least N times (default 1) in the corpus
    top:N:CORPUS           a table of N rows: what is always kept, then the tokens that the corpus needs most
    script:NAME[,NAME]     only tokens of these scripts; digits, punctuation and symbols are of all scripts
    list:FILE              the tokens in the file, one per line, spelled as in tokenizer.json

CORPUS is a UTF-8 text file, a folder of ``*.txt`` files, or a folder of such folders, which count equally.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgeemb.errors import SpecError

#: The grammar on one line, for messages and help.
GRAMMAR = "keep:corpus.txt[,min=2], top:16000:corpus.txt, script:latin[,greek] or list:tokens.txt"

_KEEP = re.compile(r"(?P<path>.+?)(?:,min=(?P<minimum>[0-9]{1,18}))?")
_TOP = re.compile(r"(?P<rows>[0-9]{1,18}):(?P<path>.+)")
_SCRIPTS = re.compile(r"[A-Za-z]+(?:,[A-Za-z]+)*")

#: Names that people use for a script, and the name that Unicode's character names begin with.
ALIASES = {"han": "cjk", "hanzi": "cjk", "kanji": "cjk", "hangeul": "hangul"}


@dataclass(frozen=True)
class Keep:
    """The tokens that a corpus uses.

    :param corpus: a text file, or a folder of ``*.txt`` files.
    :param minimum: how often a token must occur, at least 1.
    """

    corpus: Path
    minimum: int = 1

    def __str__(self) -> str:
        return f"keep:{self.corpus}" + (f",min={self.minimum}" if self.minimum > 1 else "")


@dataclass(frozen=True)
class Top:
    """The tokens that a corpus needs most, as `edgeemb.vocabulary.fill` ranks them.

    :param rows: rows of the table that results, at most.
    :param corpus: a text file, or a folder of ``*.txt`` files.
    """

    rows: int
    corpus: Path

    def __str__(self) -> str:
        return f"top:{self.rows}:{self.corpus}"


@dataclass(frozen=True)
class Script:
    """The tokens of some scripts.

    :param names: for example ``("latin", "greek")``, lower case.
    """

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"script:{','.join(self.names)}"


@dataclass(frozen=True)
class Listed:
    """The tokens that a file lists.

    :param path: a text file, one token per line.
    """

    path: Path

    def __str__(self) -> str:
        return f"list:{self.path}"


Selection = Keep | Top | Script | Listed


def parse_vocab(text: str) -> Selection:
    """Read one `vocab` value; files are opened later, by `edgeemb.vocabulary.prune`.

    :param text: for example ``keep:corpus.txt,min=2``.
    :return: the selection; ``str()`` of it is its canonical text.
    :raises SpecError: if the text does not follow the grammar.
    """
    kind, _, rest = text.strip().partition(":")
    if kind == "keep" and (match := _KEEP.fullmatch(rest)):
        minimum = int(match["minimum"] or 1)
        if minimum < 1:
            raise SpecError(
                f"vocabulary '{text}': min is a count of at least 1; write for example keep:corpus.txt,min=2"
            )
        return Keep(Path(match["path"]), minimum)
    if kind == "top" and (match := _TOP.fullmatch(rest)):
        return Top(int(match["rows"]), Path(match["path"]))
    if kind == "script" and _SCRIPTS.fullmatch(rest):
        names = [name.lower() for name in rest.split(",")]
        return Script(tuple(dict.fromkeys(ALIASES.get(name, name) for name in names)))
    if kind == "list" and rest:
        return Listed(Path(rest))
    raise SpecError(f"vocabulary '{text[:200]}' is not understood; write {GRAMMAR}")

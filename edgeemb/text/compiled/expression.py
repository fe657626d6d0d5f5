"""Reading the regular expressions of tokenizers: they become a tree; anything outside the subset of the language below is refused.

Alternatives, groups with and without ``?:`` and ``?i:``, classes, ``\\s \\d \\w \\p{..}`` and their complements, greedy and lazy repetitions,
``$``, and lookahead for one character. What a character matches is asked of the library (`probing`), so that classes and case are its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.text.compiled.probing import matching
from edgeemb.text.compiled.refusal import refuse
from edgeemb.text.compiled.tables import CODES

_MOST_REPEATS = 100
_PLAIN_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "f": "\f", "v": "\v"}


@dataclass(frozen=True, eq=False)
class Chars:
    """One character of a set: bool[0x110000]."""

    members: NDArray[np.bool_]


@dataclass(frozen=True)
class Ahead:
    """Whether the next character is of a set; ``at_end`` says whether the end of the text will do."""

    chars: Chars
    at_end: bool


@dataclass(frozen=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """The first that matches."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """``least`` to ``most`` times (None: any number), as often as possible where ``greedy``."""

    part: Node
    least: int
    most: int | None
    greedy: bool


Node = Chars | Ahead | Sequence | Choice | Repeat


def literal(text: str) -> Node:
    """The tree of a text that stands for itself."""
    return Sequence(tuple(_one(ord(char)) for char in text))


def class_of(members: NDArray[np.bool_]) -> Node:
    """The tree of one character of a set."""
    return Chars(members)


def parse(expression: str) -> Node:
    """The tree of an expression.

    :param expression: in the syntax of Oniguruma, which the tokenizers library uses.
    :raises NotCompiled: if a part of it is not one of those above.
    """
    reader = _Reader(expression)
    tree = reader.choice(False)
    if reader.at < len(expression):
        raise reader.refuse()
    return tree


def _one(code: int) -> Chars:
    members = np.zeros(CODES, bool)
    members[code] = True
    return Chars(members)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def refuse(self, length: int = 1) -> Exception:
        part = self.text[self.at : self.at + length] or "its end"
        return refuse(f"the regular expression {self.text!r} has {part!r} at character {self.at + 1}")

    def take(self, text: str) -> bool:
        if self.text.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def choice(self, fold: bool) -> Node:
        options = [self.sequence(fold)]
        while self.take("|"):
            options.append(self.sequence(fold))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self, fold: bool) -> Node:
        parts = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            parts.append(self.repeated(fold))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self, fold: bool) -> Node:
        part = self.atom(fold)
        bounds = self.bounds()
        if bounds is None:
            return part
        if isinstance(part, Ahead):
            raise self.refuse()
        greedy = not self.take("?")
        if self.text[self.at : self.at + 1] in ("+", "*", "{"):
            raise self.refuse()
        least, most = bounds
        return Repeat(part, least, most, greedy)

    def bounds(self) -> tuple[int, int | None] | None:
        for sign, found in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(sign):
                return found
        match = re.compile(r"\{(\d*)(,?)(\d*)\}").match(self.text, self.at)
        if match is None or not (match[1] or match[3]):
            return None
        self.at = match.end()
        least = int(match[1] or 0)
        most = least if not match[2] else int(match[3]) if match[3] else None
        if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
            self.at = match.start()
            raise self.refuse(len(match[0]))
        return least, most

    def atom(self, fold: bool) -> Node:
        here = self.text[self.at]
        if here == "(":
            return self.group(fold)
        if here == "[":
            return Chars(self.bracket(fold))
        if here == "$":
            self.at += 1
            return Ahead(_one(10), True)
        if here == ".":
            self.at += 1
            return Chars(matching("."))
        if here in "^*+?{":
            raise self.refuse()
        return self.character(fold)

    def group(self, fold: bool) -> Node:
        if self.take("(?!") or self.take("(?="):
            wanted = self.text[self.at - 1] == "="
            inner = self.choice(fold)
            if not isinstance(inner, Chars) or not self.take(")"):
                raise self.refuse()
            return Ahead(inner if wanted else Chars(~inner.members), not wanted)
        if self.take("(?i:"):
            fold = True
        elif not self.take("(?:"):
            if self.text.startswith("(?", self.at):
                raise self.refuse(3)
            self.at += 1
        inner = self.choice(fold)
        if not self.take(")"):
            raise self.refuse()
        return inner

    def character(self, fold: bool) -> Chars:
        start = self.at
        code = self.escape()
        if code is None:
            return Chars(matching(self.text[start : self.at]))
        return Chars(matching(f"(?i:{re.escape(chr(code))})")) if fold else _one(code)

    def escape(self) -> int | None:
        """The current code point; None for a class, which is skipped."""
        here = self.text[self.at]
        if here != "\\":
            self.at += 1
            return ord(here)
        kind = self.text[self.at + 1 : self.at + 2]
        if kind in ("p", "P"):
            match = re.compile(r"\\[pP]\{\^?\w+\}").match(self.text, self.at)
            if match is None:
                raise self.refuse(3)
            self.at = match.end()
            return None
        if kind in tuple("sSdDwW"):
            self.at += 2
            return None
        match = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4}))").match(
            self.text, self.at
        )
        if match is not None:
            code = int(next(group for group in match.groups() if group), 16)
            if code >= CODES or (0x80 <= code < 0x100 and match[1]):
                raise self.refuse(len(match[0]))
            self.at = match.end()
            return code
        if not kind or (kind.isalnum() and kind not in _PLAIN_ESCAPES):
            raise self.refuse(2)
        self.at += 2
        return ord(_PLAIN_ESCAPES.get(kind, kind))

    def bracket(self, fold: bool) -> NDArray[np.bool_]:
        start = self.at
        self.at += 1
        negated = self.take("^")
        members = np.zeros(CODES, bool)
        while not self.take("]"):
            if self.text[self.at : self.at + 1] in ("", "["):
                raise self.refuse()
            if self.text.startswith("&&", self.at):
                raise self.refuse(2)
            item = self.at
            code = self.escape()
            if code is None:
                members |= matching(self.text[item : self.at])
                continue
            if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] not in (
                "]",
                "",
            ):
                self.at += 1
                last = self.escape()
                if last is None or last < code:
                    raise self.refuse()
                members[code : last + 1] = True
            else:
                members[code] = True
        if fold:
            return matching(f"(?i:{self.text[start : self.at]})")
        if negated:
            members = ~members
        return members

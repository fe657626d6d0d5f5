"""Whether a text may be read in stretches that end between a visible ASCII character and a space.

Then a text of any length needs memory for a stretch alone. It holds where no operation sees beyond such a place, and a word always ends there;
this is decided from the operations and their tables of states, and in doubt denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

#: What becomes of a match, as runtimes/text/words.h numbers it.
REMOVED, ISOLATED, PREVIOUS, NEXT, CONTIGUOUS = range(5)

_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
#: What a space becomes that no normalization form and no grapheme ties to its neighbours.
_INERT = {" ", "\u2581"}


@dataclass(frozen=True)
class States:
    """A pattern as its operation has it.

    :param classes: of each code point, [0x110000].
    :param rows: uint16[states, classes]: the next state, and bit 15 where a match ends before the character; the last class is the text's end.
    """

    classes: NDArray[np.int64]
    rows: NDArray[np.int64]

    def ends_between(self, before: Iterable[str], behind: Iterable[str]) -> bool:
        """Whether every match ends between two characters as it does at the end of a text."""
        nexts = self.rows & 0x7FFF
        reached = {1}
        todo = [1]
        while todo:
            for state in set(nexts[todo.pop()].tolist()) - reached:
                reached.add(state)
                todo.append(state)
        inside = {int(nexts[state, self._class(char)]) for state in reached for char in before} - {0}
        columns = {self._class(char) for char in behind}
        return all(
            nexts[state, column] == 0 and self.rows[state, column] >> 15 == self.rows[state, -1] >> 15
            for state in inside
            for column in columns
        )

    def matches(self, chars: Iterable[str]) -> bool:
        """Whether a match begins at each of some characters, whatever follows."""
        states = [int(self.rows[1, self._class(char)]) & 0x7FFF for char in chars]
        return all(state != 0 and bool((self.rows[state] >> 15).all()) for state in states)

    def never_begins(self, chars: Iterable[str]) -> bool:
        """Whether no match begins at any of some characters."""
        return not any(int(self.rows[1, self._class(char)]) & 0x7FFF for char in chars)

    def _class(self, char: str) -> int:
        return int(self.classes[ord(char)])


@dataclass
class Breaks:
    """What is known of such a place after the operations so far.

    :param before: what may stand before it.
    :param behind: what may stand behind it.
    :param allowed: whether no operation sees beyond it.
    :param begins: whether a word begins there.
    """

    before: set[str] = field(default_factory=lambda: set(_VISIBLE))
    behind: set[str] = field(default_factory=lambda: {" "})
    allowed: bool = True
    begins: bool = False

    def deny(self) -> None:
        """An operation looks at the whole text."""
        self.allowed = self.allowed and self.begins

    def map(self, outputs: Mapping[int, str]) -> None:
        """Characters are replaced one by one."""
        self.before, self.behind = (
            {outputs.get(ord(char), char) for char in chars} for chars in (self.before, self.behind)
        )
        if not all(map(len, self.before | self.behind)):
            self.deny()
        self.before = {text[-1] for text in self.before if text}
        self.behind = {text[0] for text in self.behind if text}

    def form(self) -> None:
        """A normalization form."""
        if not self.behind <= _INERT or not self.before <= set(_VISIBLE):
            self.deny()

    def graphemes(self, outputs: Mapping[bytes, str]) -> None:
        """Graphemes are replaced, or their characters.

        :param outputs: text by the beginning of what it replaces.
        """
        self.form()
        if any(key.decode("utf-8", "replace")[:1] in self.behind for key in outputs):
            self.deny()
        self.map({key[0]: text for key, text in outputs.items() if len(key) == 1})

    def replace(self, states: States, content: str) -> None:
        """Matches are replaced."""
        if not content or not states.ends_between(self.before, self.behind):
            self.deny()
        self.before |= set(content[-1:])
        self.behind |= set(content[:1])

    def prefix(self, char: str) -> None:
        """Words get a character in front that do not begin with it."""
        if self.behind != {char}:
            self.deny()

    def find(self, content: str, keeps_right: bool) -> None:
        """An added token is looked for, before words are split."""
        if keeps_right or any(char in self.behind for char in content):
            self.deny()

    def split(self, states: States, behavior: int, invert: bool) -> None:
        """Words are split at matches.

        :param states: the pattern.
        :param behavior: `REMOVED` and so on.
        :param invert: whether matches and what lies between them change places.
        """
        if not states.ends_between(self.before, self.behind):
            self.deny()
        elif invert:
            self.begins |= behavior == REMOVED and states.never_begins(self.behind)
        else:
            self.begins |= behavior in (REMOVED, ISOLATED, NEXT) and states.matches(self.behind)

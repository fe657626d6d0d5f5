"""Turning the tree of an expression into a table of states (layout: runtimes/text/pattern.h).

A state is the list of places in the expression at which a match may continue, the preferred one first; a place after an accepting one is
dropped, so that the first alternative that matches wins as in a backtracking engine (the ordered subset construction of Pike's machine).
Whether a match ends, and whether a lookahead holds, is decided by the next character: acceptance is recorded one character late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.text.compiled.blob import Blob, halves
from edgeemb.text.compiled.breaks import States
from edgeemb.text.compiled.expression import Ahead, Chars, Choice, Node, Repeat, Sequence
from edgeemb.text.compiled.refusal import refuse
from edgeemb.text.compiled.tables import CODES, add_table

_ACCEPTS = 0x8000
_MOST_STATES = 4000
_MOST_PLACES = 20000


@dataclass
class _Place:
    """A place in the expression: ``chars`` leads on to ``out[0]``, ``ahead`` too without a character, otherwise all of ``out`` are tried in turn."""

    chars: Chars | None = None
    ahead: Ahead | None = None
    out: tuple[int, ...] = ()
    accepts: bool = False


class _Program:
    def __init__(self, tree: Node) -> None:
        self.places: list[_Place] = [_Place(accepts=True)]
        self.start = self.build(tree, 0)

    def place(self, place: _Place) -> int:
        if len(self.places) >= _MOST_PLACES:
            raise refuse("a regular expression repeats too much")
        self.places.append(place)
        return len(self.places) - 1

    def build(self, node: Node, behind: int) -> int:
        """The place at which a tree begins that continues at ``behind``."""
        if isinstance(node, Chars):
            return self.place(_Place(chars=node, out=(behind,)))
        if isinstance(node, Ahead):
            return self.place(_Place(ahead=node, out=(behind,)))
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                behind = self.build(part, behind)
            return behind
        if isinstance(node, Choice):
            return self.place(_Place(out=tuple(self.build(option, behind) for option in node.options)))
        return self.repeat(node, behind)

    def repeat(self, node: Repeat, behind: int) -> int:
        if node.most is None:
            loop = self.place(_Place())
            inner = self.build(node.part, loop)
            self.places[loop].out = (inner, behind) if node.greedy else (behind, inner)
            if _may_be_empty(node.part):
                raise refuse("a regular expression repeats something that may be empty")
            here = loop
        else:
            here = behind
            for _ in range(node.most - node.least):
                inner = self.build(node.part, here)
                here = self.place(_Place(out=(inner, behind) if node.greedy else (behind, inner)))
        for _ in range(node.least):
            here = self.build(node.part, here)
        return here

    def reach(self, start: int, found: list[int]) -> None:
        """Appends the places that a place leads to without a character, in their order."""
        todo = [start]
        while todo:
            at = todo.pop()
            place = self.places[at]
            if place.chars is not None or place.ahead is not None or place.accepts:
                if at not in found:
                    found.append(at)
            else:
                todo.extend(reversed(place.out))


def _may_be_empty(node: Node) -> bool:
    if isinstance(node, Chars):
        return False
    if isinstance(node, Sequence):
        return all(map(_may_be_empty, node.parts))
    if isinstance(node, Choice):
        return any(map(_may_be_empty, node.options))
    return isinstance(node, Ahead) or node.least == 0 or _may_be_empty(node.part)


def add_pattern(blob: Blob, tree: Node) -> tuple[tuple[int, int, int], States]:
    """Write a pattern.

    :param tree: of the expression.
    :return: the arguments of an operation (table, states, classes), and what the table says.
    :raises NotCompiled: if the expression may match nothing, or has too many states.
    """
    if _may_be_empty(tree):
        raise refuse("a regular expression matches the empty text")
    program = _Program(tree)
    sets = [place.chars or (place.ahead and place.ahead.chars) for place in program.places]
    distinct = list({id(chars): chars for chars in sets if chars}.values())
    # Kinds of characters, told apart one set after the other.
    kind_of = np.zeros(CODES, np.int64)
    for chars in distinct:
        kind_of = 2 * kind_of + chars.members
        there = np.bincount(kind_of) > 0
        if there.sum() > 255:
            raise refuse("a regular expression distinguishes too many kinds of characters")
        kind_of = (np.cumsum(there) - 1)[kind_of]
    count = int(kind_of.max()) + 2
    example = np.zeros(count - 1, np.int64)
    example[kind_of] = np.arange(CODES)
    holds = {id(chars): chars.members[example] for chars in distinct}
    rows = np.array(_states(program, holds, count))
    table, _ = add_table(blob, kind_of)
    return (table, blob.add(halves(rows.reshape(-1))), count), States(kind_of, rows)


def _states(program: _Program, holds: dict[int, NDArray[np.bool_]], count: int) -> list[list[int]]:
    """Rows of the table; the last column is the end of the text, row 0 the state in which nothing is left."""
    first: list[int] = []
    program.reach(program.start, first)
    known: dict[tuple[int, ...], int] = {(): 0, _cut(program, first): 1}
    todo = list(known)
    rows: list[list[int]] = []
    while len(rows) < len(todo):
        row = []
        for kind in range(count):
            accepts, items = _follow(program, todo[len(rows)], holds, kind if kind + 1 < count else None)
            key = _cut(program, items)
            if key not in known:
                if len(known) >= _MOST_STATES:
                    raise refuse("a regular expression has too many states")
                known[key] = len(known)
                todo.append(key)
            row.append(known[key] | (_ACCEPTS if accepts else 0))
        rows.append(row)
    return rows


def _cut(program: _Program, items: list[int]) -> tuple[int, ...]:
    """A state: whatever follows an accepting place can never win."""
    for place, at in enumerate(items):
        if program.places[at].accepts:
            return tuple(items[: place + 1])
    return tuple(items)


def _follow(
    program: _Program, state: tuple[int, ...], holds: dict[int, NDArray[np.bool_]], kind: int | None
) -> tuple[bool, list[int]]:
    """Whether a match ends before a character of a kind (None: the end of the text), and the places after it."""
    behind: list[int] = []
    todo = list(reversed(state))
    seen: set[int] = set()
    while todo:
        at = todo.pop()
        place = program.places[at]
        if at in seen:
            continue
        seen.add(at)
        if place.accepts:
            return True, behind
        if place.ahead is not None:
            if place.ahead.at_end if kind is None else holds[id(place.ahead.chars)][kind]:
                reached: list[int] = []
                program.reach(place.out[0], reached)
                todo.extend(reversed(reached))
        elif place.chars is not None and kind is not None and holds[id(place.chars)][kind]:
            program.reach(place.out[0], behind)
    return False, behind

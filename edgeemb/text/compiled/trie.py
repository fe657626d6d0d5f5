"""Building a trie in level order (layout: runtimes/text/trie.h), a level at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.text.compiled.blob import Blob, halves, triples, words
from edgeemb.text.compiled.refusal import refuse

_GROUP = 8
ROOT = 0xFFFFFFFE
NOWHERE = 0xFFFFFFFF


@dataclass(frozen=True)
class Trie:
    """A set of byte strings.

    :param labels: uint8[nodes], in level order.
    :param parents: int64[nodes]: the parent of each node, -1 for the root.
    :param order: int64[strings]: the places of the strings, as they were given, in the order of the nodes that end them.
    :param ends: int64[strings]: those nodes, rising.
    """

    labels: NDArray[np.uint8]
    parents: NDArray[np.int64]
    order: NDArray[np.int64]
    ends: NDArray[np.int64]

    def node(self, prefix: bytes) -> int:
        """The node for a prefix: `ROOT` for an empty one, `NOWHERE` if no string begins with it."""
        here = -1
        for byte in prefix:
            found = np.flatnonzero((self.parents == here) & (self.labels == byte))
            if not len(found):
                return NOWHERE
            here = int(found[0])
        return ROOT if here < 0 else here

    def add(self, blob: Blob, values: NDArray[np.integer], width: int) -> int:
        """Write the five sections.

        :param blob: where to.
        :param values: number of each string, in the order in which the strings were given.
        :param width: bytes of a number, 2 or 3.
        :return: the index of the first section.
        """
        nodes = len(self.labels)
        inner = np.zeros(nodes, bool)
        inner[self.parents[self.parents >= 0]] = True
        ends = np.zeros(nodes, bool)
        ends[self.ends] = True
        first = np.ones(nodes, bool)
        first[1:] = self.parents[1:] != self.parents[:-1]
        root = np.zeros(256, np.int64)
        top = np.flatnonzero(self.parents == -1)
        root[self.labels[top]] = top + 1
        ordered = np.asarray(values, np.int64)[self.order]
        if len(ordered) and int(ordered.max()) >= 1 << 8 * width:
            raise refuse(f"it has the id {int(ordered.max())}")
        return blob.add(
            self.labels.tobytes(),
            _blocks(inner, ends, first),
            words(np.flatnonzero(first)[::_GROUP]),
            halves(root),
            (halves if width == 2 else triples)(ordered),
        )


def _blocks(inner: NDArray[np.bool_], ends: NDArray[np.bool_], first: NDArray[np.bool_]) -> bytes:
    count = -(-len(inner) // 64)
    blocks = np.zeros(
        count, [("inner", "<u8"), ("ends", "<u8"), ("first", "<u8"), ("inners", "<u4"), ("before", "<u4")]
    )
    for name, bits in (("inner", inner), ("ends", ends), ("first", first)):
        padded = np.zeros(64 * count, bool)
        padded[: len(bits)] = bits
        blocks[name] = np.packbits(padded, bitorder="little").view("<u8")
    for name, bits in (("inners", inner), ("before", ends)):
        totals = np.concatenate([[0], np.cumsum(bits)])
        blocks[name] = totals[: 64 * count : 64]
    return blocks.tobytes()


def build(strings: list[bytes]) -> Trie:
    """A trie.

    :param strings: the strings, none twice and none empty.
    """
    places = np.array(sorted(range(len(strings)), key=strings.__getitem__), np.int64)
    ordered = [strings[place] for place in places]
    lengths = np.array([len(text) for text in ordered], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1] if len(ordered) else np.zeros(0, np.int64)
    flat = np.frombuffer(b"".join(ordered), np.uint8)
    alive = np.arange(len(ordered))
    parent = np.full(len(ordered), -1, np.int64)
    labels: list[NDArray[np.uint8]] = []
    parents: list[NDArray[np.int64]] = []
    ends: list[NDArray[np.int64]] = []
    order: list[NDArray[np.int64]] = []
    nodes = depth = 0
    while len(alive):
        here = flat[starts[alive] + depth]
        new = np.ones(len(alive), bool)
        new[1:] = (here[1:] != here[:-1]) | (parent[1:] != parent[:-1])
        node = nodes + np.cumsum(new) - 1
        labels.append(here[new])
        parents.append(parent[new])
        done = lengths[alive] == depth + 1
        ends.append(node[done])
        order.append(places[alive[done]])
        nodes += int(new.sum())
        parent = node[~done]
        alive = alive[~done]
        depth += 1
    return Trie(
        np.concatenate([*labels, np.zeros(0, np.uint8)]),
        np.concatenate([*parents, np.zeros(0, np.int64)]),
        np.concatenate([*order, np.zeros(0, np.int64)]),
        np.concatenate([*ends, np.zeros(0, np.int64)]),
    )


def add_trie(blob: Blob, numbers: Mapping[bytes, int], width: int) -> int:
    """Write a trie of strings and their numbers.

    :return: the index of its first section.
    """
    return build(list(numbers)).add(blob, np.fromiter(numbers.values(), np.int64, len(numbers)), width)

"""Byte-pair encoding: merges applied in the order of their rank (Sennrich 2016, arXiv 1508.07909).

No merge that crosses the borders of a final token is ever applied, so a token is always built by the same
merges, those that build it from its own characters alone. If their results are kept, text whose tokens were
kept takes the same merges as before: the removed ones were either not applied, or applied to build a token
that went. Other text stops merging earlier.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from edgeemb.text.byte_level import BYTE_OF, decode, is_byte_piece


@dataclass(frozen=True)
class Bpe:
    """A BPE model.

    :param model: the model section of the tokenizer.json.
    :param ids: id of each token.
    :param merges: the pairs, in the order of their rank.
    :param ranks: rank of each pair.
    :param byte_level: whether the characters of tokens stand for bytes.
    """

    model: dict[str, Any]
    ids: dict[str, int]
    merges: list[tuple[str, str]]
    ranks: dict[tuple[str, str], int]
    byte_level: bool

    @property
    def unknown(self) -> str | None:
        """The token for characters that the vocabulary lacks."""
        token: str | None = self.model.get("unk_token")
        return token

    @property
    def _prefix(self) -> str:
        return self.model.get("continuing_subword_prefix") or ""

    @property
    def _suffix(self) -> str:
        return self.model.get("end_of_word_suffix") or ""

    def needed(self) -> set[str]:
        """The unknown token, and the bytes."""
        always = {self.unknown} & self.ids.keys() if self.unknown else set()
        if self.model.get("byte_fallback"):
            always |= set(filter(is_byte_piece, self.ids))
        if self.byte_level:
            always |= BYTE_OF.keys() & self.ids.keys()
        return always

    def alphabet(self) -> set[str]:
        """Single characters, in each form."""
        return {token for token in self.ids if len(self._symbols(token)) == 1}

    def parts(self, token: str) -> set[str]:
        """The characters and merge results that build the token; none for a token that merges never build."""
        builds = self._builds(token)
        used = {*self._symbols(token), *(result for _, _, result in builds)}
        return used if token in used and used <= self.ids.keys() else set()

    def spell(self, token: str, kept: Set[str]) -> list[str]:
        """The parts of its last merge, and in place of those that are not kept, theirs."""
        builds = {result: (left, right) for left, right, result in self._builds(token)}
        todo = [*reversed(builds.get(token, ()))]
        pieces = []
        while todo:
            piece = todo.pop()
            if piece in kept:
                pieces.append(piece)
            elif piece in builds:
                todo.extend(reversed(builds[piece]))
            else:
                return []
        return pieces

    def surface(self, token: str) -> str | None:
        """The token without the marks of its position in a word; None for a fragment of a character."""
        if self.byte_level:
            return decode(token.removesuffix(self._suffix))
        bare = token.removeprefix(self._prefix).removesuffix(self._suffix)
        return (bare or token).replace("▁", " ")

    def shrink(self, kept: Sequence[str]) -> dict[str, Any]:
        """The model section with these tokens, and the merges whose parts and result are among them."""
        places = {token: place for place, token in enumerate(kept)}
        merges = [
            written
            for written, pair in zip(self.model["merges"], self.merges, strict=True)
            if places.keys() >= {*pair, self._merged(*pair)}
        ]
        return {**self.model, "vocab": places, "merges": merges}

    def _merged(self, left: str, right: str) -> str:
        return left + right[len(self._prefix) :]

    def _builds(self, token: str) -> list[tuple[str, str, str]]:
        # The merges that the token's characters go through: left, right and result of each.
        symbols = self._symbols(token)
        builds = []
        while len(symbols) > 1:
            pairs = list(pairwise(symbols))
            at = min(range(len(pairs)), key=lambda i: self.ranks.get(pairs[i], len(self.merges)))
            if pairs[at] not in self.ranks:
                break
            symbols[at : at + 2] = [self._merged(*pairs[at])]
            builds.append((*pairs[at], symbols[at]))
        return builds

    def _symbols(self, token: str) -> list[str]:
        start = 0
        symbols = []
        inner = (
            len(token) - len(self._suffix) if self._suffix and token.endswith(self._suffix) else len(token)
        )
        if self._prefix and token.startswith(self._prefix) and inner > len(self._prefix):
            start = len(self._prefix)
        inner = len(token) if inner == 0 else inner
        for at in range(start, inner):
            prefix = self._prefix if at else ""
            symbols.append(prefix + token[at] + (token[inner:] if at == inner - 1 else ""))
        return symbols


def read(model: dict[str, Any], byte_level: bool) -> Bpe:
    """Read the model section of a tokenizer.json.

    :param model: the section; a merge is ``"a b"`` or ``["a", "b"]``.
    :param byte_level: whether the characters of tokens stand for bytes.
    """
    pairs = [merge.split(" ", 1) if isinstance(merge, str) else merge for merge in model["merges"]]
    merges = [(left, right) for left, right in pairs]
    return Bpe(
        model, dict(model["vocab"]), merges, {pair: rank for rank, pair in enumerate(merges)}, byte_level
    )

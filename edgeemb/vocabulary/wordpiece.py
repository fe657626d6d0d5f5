"""WordPiece: greedy longest match, word by word.

The longest match at a place stays the longest match while it is in the vocabulary, so dropping other tokens
changes nothing for a word whose pieces were kept. A word that loses a piece is still spelled as long as each
character is a token of its own, as the start of a word and as a continuation: those stay, and so does a token
with a character that has no token of its own.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WordPiece:
    """A WordPiece model.

    :param model: the model section of the tokenizer.json.
    :param ids: id of each token.
    :param prefix: what a continuation begins with, usually ``##``.
    :param unknown: the token for words that cannot be spelled.
    """

    model: dict[str, Any]
    ids: dict[str, int]
    prefix: str
    unknown: str | None

    def needed(self) -> set[str]:
        """The unknown token."""
        return {self.unknown} & self.ids.keys() if self.unknown else set()

    def alphabet(self) -> set[str]:
        """Single characters in both forms, and tokens that single characters cannot replace."""
        return {
            token
            for token in self.ids
            if len(self._characters(token)) == 1 or not self.ids.keys() >= set(self._characters(token))
        }

    def parts(self, token: str) -> set[str]:
        """The token's characters, in the forms that spell it."""
        return set(self._characters(token)) & self.ids.keys() if token in self.ids else set()

    def spell(self, token: str, kept: Set[str]) -> list[str]:
        """The longest other kept tokens, from the left."""
        text = self.surface(token)
        prefix = self.prefix if text != token else ""
        pieces: list[str] = []
        start = 0
        while start < len(text):
            matches = ((end, prefix + text[start:end]) for end in range(len(text), start, -1))
            found = next(((end, piece) for end, piece in matches if piece != token and piece in kept), None)
            if found is None:
                return []
            start, prefix = found[0], self.prefix
            pieces.append(found[1])
        return pieces

    def surface(self, token: str) -> str:
        """The token without the mark of a continuation."""
        return token.removeprefix(self.prefix) or token

    def shrink(self, kept: Sequence[str]) -> dict[str, Any]:
        """The model section with these tokens."""
        return {**self.model, "vocab": {token: place for place, token in enumerate(kept)}}

    def _characters(self, token: str) -> list[str]:
        if self.prefix and token.startswith(self.prefix) and token != self.prefix:
            return [self.prefix + character for character in token[len(self.prefix) :]]
        return [character if at == 0 else self.prefix + character for at, character in enumerate(token)]


def read(model: dict[str, Any], byte_level: bool) -> WordPiece:
    """Read the model section of a tokenizer.json.

    :param model: the section.
    :param byte_level: of no effect on this kind.
    """
    return WordPiece(
        model, dict(model["vocab"]), model.get("continuing_subword_prefix", "##"), model.get("unk_token")
    )

"""Unigram: the segmentation with the highest sum of piece scores (Viterbi; Kudo 2018, arXiv 1804.10959).

A best path remains the best when other pieces are removed: its score is unchanged and no other can gain.
That also needs the score of unknown characters to be unchanged, which the tokenizers library derives from the
lowest score in the vocabulary: one piece with that score stays. A character is unknown if no piece is that
single character: those stay, and so does a piece with a character that no single piece covers, unless unknown
characters are spelled in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from edgeemb.text.byte_level import is_byte_piece


@dataclass(frozen=True)
class Unigram:
    """A Unigram model.

    :param model: the model section of the tokenizer.json.
    :param ids: id of each piece.
    :param scores: score of each piece.
    :param unknown: the piece for unknown characters.
    """

    model: dict[str, Any]
    ids: dict[str, int]
    scores: dict[str, float]
    unknown: str | None

    def needed(self) -> set[str]:
        """The unknown piece, a piece of the lowest score, and the bytes if they spell unknown characters."""
        always = {self.unknown} if self.unknown is not None else set()
        if self.model.get("byte_fallback"):
            always |= set(filter(is_byte_piece, self.ids))
        lowest = min(self.scores.values(), default=0.0)
        holders = [piece for piece, score in self.scores.items() if score == lowest]
        alphabet = self.alphabet() | always
        if holders and not alphabet.intersection(holders):
            always.add(holders[0])
        return always

    def alphabet(self) -> set[str]:
        """Single characters, and pieces that single characters cannot replace."""
        bytes_spell = bool(self.model.get("byte_fallback"))
        return {
            piece
            for piece in self.ids
            if len(piece) == 1 or not (bytes_spell or self.ids.keys() >= set(piece))
        }

    def parts(self, token: str) -> set[str]:
        """The characters of the piece that are pieces themselves."""
        return set(token) & self.ids.keys() if token in self.ids else set()

    def spell(self, token: str, kept: Set[str]) -> list[str]:
        """The best path over other kept pieces."""
        best: list[tuple[float, list[str]] | None] = [(0.0, [])] + [None] * len(token)
        for start in range(len(token)):
            so_far = best[start]
            for end in range(start + 1, len(token) + 1) if so_far else ():
                piece = token[start:end]
                if so_far and piece != token and piece in kept and piece in self.scores:
                    score = so_far[0] + self.scores[piece]
                    known = best[end]
                    if known is None or score > known[0]:
                        best[end] = (score, [*so_far[1], piece])
        last = best[-1]
        return last[1] if last else []

    def surface(self, token: str) -> str:
        """The piece without the mark of a space."""
        return token.replace("▁", " ")

    def shrink(self, kept: Sequence[str]) -> dict[str, Any]:
        """The model section with these pieces."""
        places = {piece: place for place, piece in enumerate(kept)}
        unknown = None if self.unknown is None else places[self.unknown]
        return {**self.model, "unk_id": unknown, "vocab": [[piece, self.scores[piece]] for piece in kept]}


def read(model: dict[str, Any], byte_level: bool) -> Unigram:
    """Read the model section of a tokenizer.json.

    :param model: the section.
    :param byte_level: of no effect on this kind.
    """
    vocab = model["vocab"]
    unknown = model.get("unk_id")
    return Unigram(
        model,
        {piece: at for at, (piece, _) in enumerate(vocab)},
        dict(vocab),
        None if unknown is None else vocab[unknown][0],
    )

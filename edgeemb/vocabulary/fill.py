"""The tokens that a table of N rows does best to hold.

Tokens are dropped until N are left, each time those whose loss costs least. A token's loss is estimated as

    count^0.4 * |row - mean of the rows of the pieces that spell it instead|^2

so that a rare token is kept if nothing replaces it, and a frequent one is dropped if its pieces mean the same (a
plural and its ending). The exponent takes the edge off the words that a corpus happens to repeat. Pieces
inherit the count of the tokens they replace. Without rows to compare, every distance is 1, and frequency
alone decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgeemb.vocabulary.kind import Kind, with_parts

# Exponent of counts, between 0 (all tokens alike) and 1 (other texts use words exactly as often as this
# corpus).
_DAMPING = 0.4

# Costs are recomputed after each round; smaller rounds take longer and hardly improve the choice.
_ROUND = 0.05
_ROUND_LEAST = 10


class Rows:
    """The table's rows, or none, as distances between a token and what replaces it.

    :param ids: id of each token.
    :param table: float32[V, D], or None.
    """

    def __init__(self, ids: Mapping[str, int], table: NDArray[np.float32] | None) -> None:
        self._ids = ids
        self._table = table

    def distance(self, token: str, pieces: list[str]) -> float:
        """Squared distance between a token's row and the mean of some others.

        :param token: the token.
        :param pieces: the tokens in its place; none is infinitely far.
        """
        if not pieces:
            return float("inf")
        if self._table is None:
            return 1.0
        gap = self._table[self._ids[token]] - self._table[[self._ids[piece] for piece in pieces]].mean(axis=0)
        return float(gap @ gap)


def fill(
    kind: Kind,
    counts: Mapping[str, float],
    ids: Mapping[str, int],
    fixed: set[str],
    rows: int,
    distances: Rows,
) -> set[str]:
    """Choose the tokens.

    :param kind: the tokenizer's model.
    :param counts: how often each token occurs; tokens that do not occur are not kept.
    :param ids: id of each token; of two that cost the same, the one with the higher id goes.
    :param fixed: tokens that stay, with all their parts.
    :param rows: how many tokens to keep at most; not fewer than the fixed ones.
    :param distances: what replacing a token costs.
    :return: the fixed tokens and the best others.
    """
    kept = fixed | with_parts(kind, counts)
    total = dict(counts)
    users = Counter(part for token in kept for part in kind.parts(token) if part != token)
    pieces: dict[str, list[str]] = {}
    gaps: dict[str, float] = {}
    while len(kept) > rows:
        free = [token for token in kept - fixed if not users[token]]
        for token in free:
            if token not in pieces or not kept.issuperset(pieces[token]):
                pieces[token] = kind.spell(token, kept)
                gaps[token] = distances.distance(token, pieces[token])
        free.sort(key=lambda token: (total.get(token, 0) ** _DAMPING * gaps[token], -ids[token]))
        for token in free[: min(len(kept) - rows, max(_ROUND_LEAST, int(len(kept) * _ROUND)))]:
            kept.remove(token)
            for part in kind.parts(token) - {token}:
                users[part] -= 1
            for piece in pieces[token]:
                total[piece] = total.get(piece, 0) + total.get(token, 0)
    return kept

"""What pruning did to a tokenizer, measured on the corpora of the selections."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.text.corpus import Counts


@dataclass(frozen=True)
class Usage:
    """How well a tokenizer and its pruned version serve the corpora, not counting tokens that frame a text.

    :param words: words in the corpora, divided by white space.
    :param coverage: share of the tokens in the corpora that were kept, 0 to 1.
    :param unknown_before: share of unknown tokens before pruning, 0 to 1.
    :param unknown_after: share of unknown tokens after pruning, 0 to 1.
    :param fertility_before: tokens a word before pruning.
    :param fertility_after: tokens a word after pruning.
    """

    words: int
    coverage: float
    unknown_before: float
    unknown_after: float
    fertility_before: float
    fertility_after: float


@dataclass(frozen=True)
class Report:
    """What pruning did.

    :param selections: the selections, in canonical text.
    :param rows_before: tokens before, and so rows of the table that can be looked up.
    :param rows_after: tokens after.
    :param always: how many of those no selection could have dropped: special and added tokens, characters.
    :param usage: measured on the corpora; None if no selection names a corpus.
    """

    selections: tuple[str, ...]
    rows_before: int
    rows_after: int
    always: int
    usage: Usage | None

    def to_json(self) -> dict[str, object]:
        """The report as JSON values; shares and fertilities with six digits."""
        result = asdict(self)
        if self.usage is not None:
            result["usage"] = {key: round(value, 6) for key, value in asdict(self.usage).items()}
        return {**result, "selections": list(self.selections)}


def measure(
    before: Counts,
    after: Counts,
    kept: NDArray[np.int64],
    unknown_before: int | None,
    unknown_after: int | None,
) -> Usage:
    """Compare the counts of both tokenizers over the same text.

    :param before: counts of the original.
    :param after: counts of the pruned one.
    :param kept: int64[V'], old id of each new one.
    :param unknown_before: old id of the unknown token, if there is one.
    :param unknown_after: its new id.
    """
    return Usage(
        words=before.words,
        coverage=int(before.ids[kept].sum()) / max(before.tokens, 1),
        unknown_before=_share(before, unknown_before),
        unknown_after=_share(after, unknown_after),
        fertility_before=before.tokens / max(before.words, 1),
        fertility_after=after.tokens / max(after.words, 1),
    )


def _share(counts: Counts, token: int | None) -> float:
    return 0.0 if token is None else int(counts.ids[token]) / max(counts.tokens, 1)

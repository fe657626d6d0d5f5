"""The planner behind ``--goal``: the word table and the matrix products share one budget, or reach one quality together.

What a table costs and what layers in 4 bits cost are found apart: rounding errors of different parts of a model are all but independent, so that what
they take from a cosine adds up. Of all pairs of a measured table and a number of layers, the best by that sum is measured with both in place; where
that is less than was to be expected, the next choice counts on as much less.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeemb.body.plan import BodyPlan
from edgeemb.body.prepare import search_body
from edgeemb.body.spec import BodyRequest
from edgeemb.errors import SpecError
from edgeemb.models.base import LoadedModel
from edgeemb.models.shrinking.vocabulary import word_frequency
from edgeemb.planner.planning import Plan
from edgeemb.planner.sample import Sample
from edgeemb.planner.search import Candidate, Search
from edgeemb.progress import Progress, silent
from edgeemb.tables import encode
from edgeemb.tables.goal import Goal
from edgeemb.tables.head import why_no_head
from edgeemb.tables.spec import Spec

#: Choices that are measured with both parts in place, for a cosine.
_TRIES = 4
#: Within a budget, tables that take less than this part of what the smallest body leaves are not looked at.
_FLOOR = 0.2


@dataclass(frozen=True)
class Share:
    """A choice for both.

    :param table: the table, and what it was chosen from.
    :param body: the layers; None where the body was not planned.
    :param bytes: what the table and the planned layers take.
    """

    table: Plan
    body: BodyPlan | None
    bytes: int


@dataclass(frozen=True)
class _Pair:
    """A table and a number of layers in 4 bits, their bytes, and what they are expected to take from the cosine together."""

    table: Candidate
    count: int
    bytes: int
    loss: float


class WholeSearch:
    """What tables and bodies to choose from cost.

    :param model: a loaded model.
    :param goal: what to reach; ``budget`` counts the model's file.
    :param table: how the word table is to be stored, where only the body is planned; None to choose that too.
    :param body: which layer gets which spec, where the others are planned; None for a body that is not planned.
    :param corpus: text for the sample of sentences and the token frequencies; None for the packaged sentences.
    :param calibrate: calibration texts of the body; None for the packaged sentences.
    :param seed: equal seeds give equal plans.
    :param progress: called with (fits done, fits in all).
    :raises SpecError: if the model's tables cannot be replaced, or no layer can have 4 bits.
    :raises ModelError: if no table is known as the word table.
    :raises InputError: if a text cannot be used.
    """

    def __init__(
        self,
        model: LoadedModel,
        goal: Goal,
        *,
        table: Spec | None,
        body: BodyRequest | None,
        corpus: Path | None = None,
        calibrate: Path | None = None,
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        self._goal = goal
        self._seed, self._model = seed, model
        info = model.word_table
        self._alias = info.alias
        self._weight = model.table_weight(info.alias)
        self._frequency = word_frequency(model, corpus)
        sample = Sample(model, info.alias, corpus, seed)
        self._sentences = len(sample)
        self._body = None if body is None else search_body(model, body, corpus=calibrate, seed=seed)
        self._search = Search(
            self._weight, self._frequency, sample, None, None, seed, progress, self._table_sizes()
        )
        if table is None:
            self._search.explore()
            self._search.measure()
        else:
            self._search.fit(table)

    def choose(self, rest: int) -> Share:
        """The best pair of a table and a body.

        :param rest: bytes of everything else in the model's file.
        :raises SpecError: if none reaches the goal; the message has the nearest.
        """
        if self._goal.budget is not None:
            return self._share(self._within(self._goal.budget - rest, rest))
        return self._share(self._above(self._goal.cosine or 0.0))

    def _table_sizes(self) -> tuple[int, int] | None:
        """The fewest and the most bytes that a budget leaves for the table."""
        if self._goal.budget is None:
            return None
        most = max(1, self._goal.budget - (0 if self._body is None else self._body.stored[-1]))
        return int(_FLOOR * most), most

    def cosine(self, share: Share) -> float:
        """The mean cosine of a choice, with both in place.

        :param share: what `choose` gave.
        """
        count = 0 if share.body is None else len(share.body.four)
        return self._measured(share.table.choice, count)

    def _pairs(self) -> list[_Pair]:
        stored = [0] if self._body is None else self._body.stored
        expected = [1.0] if self._body is None else self._body.expected
        return [
            _Pair(table, count, table.bytes + size, (1 - table.cosine) + (1 - cosine))
            for table in self._search.candidates()
            for count, (size, cosine) in enumerate(zip(stored, expected, strict=True))
        ]

    def _best(
        self, order: Callable[[_Pair], tuple[float, float]], size: float = math.inf, loss: float = math.inf
    ) -> _Pair | None:
        """The first pair in an order, of those within both limits, whose table was measured: the first is measured until it was."""
        while True:
            within = (pair for pair in self._pairs() if pair.bytes <= size and pair.loss <= loss)
            chosen = min(within, key=order, default=None)
            if chosen is None or chosen.table.spec in self._search.measured:
                return chosen
            self._search.fit(chosen.table.spec)

    def _within(self, budget: int, rest: int) -> _Pair:
        chosen = self._best(lambda pair: (pair.loss, pair.bytes), size=budget)
        if chosen is not None:
            return chosen
        least = min(self._pairs(), key=lambda pair: pair.bytes)
        raise SpecError(
            f"goal '{self._goal}': {least.bytes + rest:,} bytes are the fewest, with {self._described(least)}, and {rest:,} of them for "
            "everything else; give a larger budget"
        )

    def _above(self, wanted: float) -> _Pair:
        allowed = 1 - wanted
        for _ in range(_TRIES):
            chosen = self._best(lambda pair: (pair.bytes, pair.loss), loss=allowed)
            if chosen is None:
                break
            loss = 1 - self._measured(chosen.table, chosen.count)
            if loss <= 1 - wanted:
                return chosen
            allowed = min(allowed, chosen.loss) - (loss - (1 - wanted))
        best = self._best(lambda pair: (pair.loss, 0))
        assert best is not None
        nearest = self._measured(best.table, best.count)
        if nearest >= wanted:
            return best
        raise SpecError(
            f"goal '{self._goal}': the cosine is {nearest:.4f} with {self._described(best)}; give a lower one"
        )

    def _described(self, pair: _Pair) -> str:
        body = "" if self._body is None else f" and 4 bits in {pair.count} of {self._body.layers} layers"
        return f"{self._alias} as {pair.table.spec}{body}"

    def _measured(self, candidate: Candidate, count: int) -> float:
        if self._body is None:
            return candidate.cosine
        table = encode(self._weight, candidate.spec, frequency=self._frequency, seed=self._seed)
        shared = self._model.table(self._alias).tied and not why_no_head(table)
        rows = table.reconstruct()
        return self._body.cosine(count, lambda model: model.with_rows(self._alias, rows, shared=shared))

    def _share(self, pair: _Pair) -> Share:
        plan = Plan(
            self._alias,
            str(self._goal),
            self._sentences,
            len(self._search.errors),
            self._search.measured[pair.table.spec],
            self._search.frontier(),
        )
        body = None if self._body is None else self._body.plan(pair.count, f"goal:{self._goal}")
        return Share(plan, body, pair.bytes)

"""The planner behind ``--table auto:...``: which codec, with which settings, for the word table.

``auto:budget=2MB`` asks for the best quality within a size, ``auto:cosine=.99`` for the smallest table of that quality: the mean cosine of
the model's outputs to the original's over a sample of sentences, with nothing but this table replaced.

There are three stages, each more expensive and more precise than the one before. The exact size of a spec is known without a fit. Optuna's
TPE sampler (Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"; for two objectives Ozaki et al. 2022, "Multiobjective
Tree-structured Parzen Estimator") then searches with fits to a few thousand rows, judged by their squared error. Finally, the most
promising specs are fitted to the whole table and measured; each measurement updates the estimates for the remaining specs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeemb.errors import SpecError
from edgeemb.models.base import LoadedModel
from edgeemb.models.shrinking.vocabulary import word_frequency
from edgeemb.planner.sample import Sample
from edgeemb.planner.search import Candidate, Search
from edgeemb.progress import Progress, silent
from edgeemb.tables.goal import HINT, Goal
from edgeemb.tables.request import read_tables


@dataclass(frozen=True)
class Plan:
    """What a search found.

    :param table: alias of the table.
    :param goal: as text, such as ``budget=2000000``.
    :param sentences: size of the sample.
    :param tried: specs that were fitted to a part of the rows.
    :param choice: the table to use.
    :param frontier: measured tables that no other beats in bytes and cosine both, the smallest first.
    """

    table: str
    goal: str
    sentences: int
    tried: int
    choice: Candidate
    frontier: tuple[Candidate, ...]

    def to_json(self) -> dict[str, Any]:
        """The plan as recorded in a manifest."""
        return {
            **vars(self),
            "choice": self.choice.to_json(),
            "frontier": [candidate.to_json() for candidate in self.frontier],
        }


def plan(
    model: LoadedModel,
    goal: Goal | str,
    *,
    table: str | None = None,
    corpus: Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Plan:
    """Choose codec and settings for a table of a model.

    :param model: a loaded model.
    :param goal: what to reach, as `edgeemb.tables.goal` reads it or as text: ``auto:budget=2MB``, or ``NAME=auto:budget=2MB``.
    :param table: name of the table; None for the word table, or the one that the text names.
    :param corpus: text that gives both the sample of sentences and the token frequencies; None for the packaged sentences.
    :param seed: equal seeds give equal plans.
    :param progress: called with (fits done, fits in all).
    :raises SpecError: if nothing reaches the goal (the closest is named), or the model's tables cannot be replaced.
    :raises ModelError: if there is no such table, or none that is known as the word table.
    :raises InputError: if the corpus cannot be used.
    """
    if isinstance(goal, str):
        request = read_tables(goal)
        if request.goal is None:
            raise SpecError(f"'{goal}' is not a goal: {HINT}")
        goal, table = request.goal, table or request.planned
    info = model.word_table if table is None else model.table(table)
    frequency = word_frequency(model, corpus) if info.role == "word" else None
    sample = Sample(model, info.alias, corpus, seed)
    search = Search(
        model.table_weight(info.alias), frequency, sample, goal.budget, goal.cosine, seed, progress
    )
    search.explore()
    search.measure()
    return Plan(info.alias, str(goal), len(sample), len(search.errors), search.choice(), search.frontier())

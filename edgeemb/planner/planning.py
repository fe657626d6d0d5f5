"""The planner behind ``--table auto:...``: which codec, with which settings, for the word table.

``auto:budget=2MB`` asks for the best quality in so many bytes, ``auto:cosine=.99`` for the fewest bytes of that quality: the mean cosine of
the model's outputs to the original's over a sample of sentences, with nothing but this table replaced.

Three sieves, each dearer and finer than the one before. The exact bytes of a spec are known without a fit. Optuna's TPE sampler (Bergstra et
al. 2011, "Algorithms for Hyper-Parameter Optimization"; for two objectives Ozaki et al. 2022, "Multiobjective Tree-structured Parzen
Estimator") then searches with fits to a few thousand rows, judged by their squared error. The most promising specs at last are fitted whole
and measured; each such measurement corrects what is expected of the specs that are left.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeemb.errors import SpecError
from edgeemb.models.base import LoadedModel
from edgeemb.models.vocabulary import word_frequency
from edgeemb.planner.sample import Sample
from edgeemb.planner.search import Candidate, Search
from edgeemb.progress import Progress, silent

_AUTO = re.compile(r"(?:([\w.\-/]+)=)?auto(?::(.*))?")
_BYTES = re.compile(r"([0-9]*\.?[0-9]+)(B|bytes|kB|KB|MB|GB|KiB|MiB|GiB)?")
_UNITS = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_HINT = "write auto:budget=2MB or auto:cosine=.99"


@dataclass(frozen=True)
class Goal:
    """What a plan is to reach: one of the two is set.

    :param budget: bytes that the table may take.
    :param cosine: mean cosine to the original, in (0, 1].
    :param table: alias of the table; None for the word table.
    """

    budget: int | None = None
    cosine: float | None = None
    table: str | None = None

    def __str__(self) -> str:
        return f"budget={self.budget}" if self.budget is not None else f"cosine={self.cosine}"


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
        """The plan as it stands in a manifest."""
        return {**asdict(self), "frontier": [asdict(candidate) for candidate in self.frontier]}


def take_goal(
    wanted: str | Sequence[str] | Mapping[str, str],
) -> tuple[Goal | None, str | Sequence[str] | Mapping[str, str]]:
    """Part ``auto:...`` from the specs.

    :param wanted: one spec, a list of specs and ``name=spec`` entries, or a mapping from table to spec.
    :return: the goal, None where nothing is ``auto``, and what remains of the specs.
    :raises SpecError: if a goal does not parse, there are two of them, or one stands beside a bare spec.
    """
    if isinstance(wanted, Mapping):
        goals = [goal for name, text in wanted.items() if (goal := parse_goal(f"{name}={text}"))]
        rest: Any = {name: text for name, text in wanted.items() if parse_goal(f"{name}={text}") is None}
    else:
        entries = [wanted] if isinstance(wanted, str) else list(wanted)
        goals = [goal for text in entries if (goal := parse_goal(text))]
        rest = [text for text in entries if parse_goal(text) is None]
    if not goals:
        return None, wanted
    if len(goals) > 1:
        raise SpecError("auto stands for two tables: one search plans one table, name specs for the others")
    bare = [text for text in rest if not re.match(r"[\w.\-/]+=", text)]
    if goals[0].table is None and bare and not isinstance(rest, dict):
        raise SpecError(f"auto and '{bare[0]}' are both for the word table: write NAME=SPEC for one of them")
    return goals[0], rest


def parse_goal(text: str) -> Goal | None:
    """Read ``auto:budget=2MB``, ``auto:cosine=.99`` or one of them behind ``name=``.

    :param text: one `table` value.
    :return: the goal, or None if it is not an ``auto`` spec.
    :raises SpecError: if it is one and does not parse.
    """
    match = _AUTO.fullmatch(text.strip())
    if match is None:
        return None
    key, _, value = (match[2] or "").partition("=")
    if key == "budget":
        size = _BYTES.fullmatch(value.strip())
        budget = int(float(size[1]) * _UNITS.get(size[2] or "", 1)) if size is not None else 0
        if budget < 1:
            raise SpecError(f"table spec '{text}': '{value}' is not a size; write for example budget=2MB")
        return Goal(budget=budget, table=match[1])
    if key == "cosine":
        try:
            cosine = float(value)
        except ValueError:
            cosine = math.nan
        if not 0 < cosine <= 1:
            raise SpecError(f"table spec '{text}': a cosine lies above 0 and up to 1; write cosine=.99")
        return Goal(cosine=cosine, table=match[1])
    raise SpecError(f"table spec '{text}': auto needs a budget or a cosine; {_HINT}")


def plan(
    model: LoadedModel,
    goal: Goal | str,
    *,
    corpus: Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Plan:
    """Choose codec and settings for a model's word table.

    :param model: a loaded model.
    :param goal: what to reach, for example ``auto:budget=2MB``.
    :param corpus: text that gives both the sample of sentences and the token frequencies; None for the packaged sentences.
    :param seed: equal seeds give equal plans.
    :param progress: called with (fits done, fits in all).
    :raises SpecError: if nothing reaches the goal (the closest is named), or the model's tables cannot be replaced.
    :raises ModelError: if there is no such table, or none that is known as the word table.
    :raises InputError: if the corpus cannot be used.
    """
    parsed = parse_goal(goal) if isinstance(goal, str) else goal
    if parsed is None:
        raise SpecError(f"'{goal}' is not a goal: {_HINT}")
    table = model.word_table if parsed.table is None else model.table(parsed.table)
    frequency = word_frequency(model, corpus) if table.role == "word" else None
    sample = Sample(model, table.alias, corpus, seed)
    search = Search(
        model.table_weight(table.alias), frequency, sample, parsed.budget, parsed.cosine, seed, progress
    )
    search.explore()
    search.measure()
    return Plan(table.alias, str(parsed), len(sample), len(search.errors), search.choice(), search.frontier())

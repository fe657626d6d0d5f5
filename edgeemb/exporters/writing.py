"""The middle of an export: fit the tables, prepare the body and write the model, once or until the file is as large as it may be."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeemb.body.plan import BodyPlan
from edgeemb.body.prepare import prepare
from edgeemb.body.spec import BodyRequest
from edgeemb.bundle.manifest import BodyEntry, VectorsEntry
from edgeemb.errors import SpecError
from edgeemb.exporters.choice import Choice
from edgeemb.exporters.writers import Request, Written, writer_for
from edgeemb.models.base import LoadedModel
from edgeemb.models.shrinking.tables import Chosen, fit_tables
from edgeemb.planner.planning import Plan
from edgeemb.planner.whole import Share, WholeSearch
from edgeemb.progress import Steps
from edgeemb.tables import Table
from edgeemb.tables.goal import Goal
from edgeemb.tables.top import HeadSpec

#: How often a model is written for a budget: once to see what everything else takes, and again with the choice that fits.
_WRITES = 4


@dataclass(frozen=True)
class Made:
    """What was written.

    :param tables: the compressed tables in it, by alias.
    :param written: what the writer says.
    :param recipe: how the body was made; None where it stayed as it came.
    """

    tables: Mapping[str, Table]
    written: Written
    recipe: BodyEntry | None


@dataclass(frozen=True)
class Writing:
    """All that a model is written from.

    :param model: the model.
    :param choice: what for.
    :param chosen: specs of its tables.
    :param bodies: specs of its layers.
    :param vectors: how vectors are stored; None where they stay as the model gives them.
    :param head: what its output layer gives, where it is not all logits.
    :param lengths: sequence lengths for runtimes with fixed shapes.
    :param tables_apart: put the tables into a separate file.
    :param corpus: text whose token frequencies weight the fit.
    :param calibrate: calibration texts of the body.
    :param seed: seed of what is random.
    :param steps: told what is being done.
    """

    model: LoadedModel
    choice: Choice
    chosen: Chosen
    bodies: BodyRequest
    vectors: VectorsEntry | None
    head: HeadSpec | None
    lengths: tuple[int, ...]
    tables_apart: bool
    corpus: Path | None
    calibrate: Path | None
    seed: int
    steps: Steps

    def write(self, folder: Path, plan: Plan | None = None, layers: BodyPlan | None = None) -> Made:
        """Fit, prepare and write.

        :param folder: where to.
        :param plan: the table that was planned.
        :param layers: the layers that were planned.
        """
        specs, named = dict(self.chosen.specs), self.chosen.named
        if plan is not None:
            specs[plan.table] = plan.choice.spec
            named |= {plan.table}
        tables = fit_tables(
            self.model,
            specs,
            corpus=self.corpus,
            seed=self.seed,
            progress=lambda done, total: self.steps("fit", done, total),
        )
        self.steps("body", 0, 0)
        prepared = prepare(
            self.model, self.bodies, self.choice.body, corpus=self.calibrate, seed=self.seed, planned=layers
        )
        self.steps("write", 0, 0)
        request = Request(
            prepared.model,
            tables,
            self.choice.body,
            self.choice.ops,
            self.lengths,
            self.choice.target,
            self.tables_apart,
            named=named,
            meant=self.chosen.meant,
            kept=self.chosen.kept,
            grids=prepared.grids,
            vectors=self.vectors,
            head=self.head,
        )
        written = writer_for(self.choice.runtime)(request, folder)
        tables = {alias: table for alias, table in tables.items() if alias not in written.left}
        return Made(tables, written, prepared.entry)

    def write_for(self, goal: Goal, folder: Path, *, table_asked: bool) -> tuple[Made, Share]:
        """Choose how the word table and the body are stored, and write the model.

        :param goal: what to reach; ``budget`` counts the model's files.
        :param folder: where to; empty.
        :param table_asked: whether a spec was given for the word table, so that the body alone is chosen.
        :raises SpecError: if nothing reaches the goal.
        """
        if self.model.runtimes:
            raise SpecError(
                f"{self.model.name} is a finished model, whose layers have no names: leave `goal` out, and plan its table by auto"
            )
        search = WholeSearch(
            self.model,
            goal,
            table=self.chosen.specs.get(self.model.word_table.alias) if table_asked else None,
            body=self.bodies if self.bodies.goal is not None else None,
            corpus=self.corpus,
            calibrate=self.calibrate,
            seed=self.seed,
            progress=lambda done, total: self.steps("plan", done, total),
        )
        share, rest = search.choose(0), 0
        for again in range(_WRITES):
            made = self.write(folder, share.table, share.body)
            size = model_bytes(folder, made)
            if goal.budget is None or (again and size <= goal.budget):
                return made, share
            rest = max(rest, size - share.bytes)
            share, last = search.choose(rest), share
            if share.table.choice == last.table.choice and share.body == last.body:
                return made, share
            shutil.rmtree(folder)
            folder.mkdir()
        raise SpecError(
            f"goal '{goal}': the file still has {size:,} bytes after {_WRITES} choices; give a larger budget"
        )


def model_bytes(folder: Path, made: Made) -> int:
    """Bytes of the tables and the body in a model's files.

    :param folder: what holds them, and nothing else yet.
    :param made: what was written.
    """
    if made.written.sizes:
        return made.written.sizes["tables"] + made.written.sizes["body"]
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

"""The search behind the planner: partial fits guided by optuna, then measurements of the most promising tables."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import EdgeembError, SpecError
from edgeemb.planner.sample import Sample
from edgeemb.planner.space import Family, families
from edgeemb.progress import Progress
from edgeemb.quiet import quiet
from edgeemb.tables import encode, find_codec
from edgeemb.tables.codec import Shape, falling_order
from edgeemb.tables.registry import shape_nbytes
from edgeemb.tables.spec import Spec

#: Different specs that are fitted to a part of the rows.
TRIALS = 40
#: Specs that are fitted whole and measured, at most.
MEASURED = 8
#: Rows of the partial fits.
PART_ROWS = 4096

# Measurements that go towards the goal; the rest draws the frontier.
_TOWARDS_GOAL = 6
# Suggestions of the sampler per different spec: it repeats itself when little is left.
_PATIENCE = 6
# Within a budget, what takes less than this part of it is not looked at.
_FLOOR = 0.3
# Share of the weight that is spread evenly over the rows, so that words outside the sample count too.
_EVEN = 0.3
# Loss (1 - cosine) per squared error before anything is measured: it only decides where measuring begins.
_SLOPE = 0.15
# What a codec that has not been measured yet is expected to do better than the others.
_HOPE = 0.8
# Shared rows that a partial fit keeps at least.
_LEAST_ROWS = 16
# A mean of cosines of equal vectors may miss 1 by rounding.
_ROUNDING = 1e-9
_TINY = 1e-9


@dataclass(frozen=True)
class Candidate:
    """A table that was fitted and measured.

    :param spec: how it is stored.
    :param bytes: what it takes.
    :param cosine: mean cosine of the model's outputs to the original's, over the sample, of the output that suffers most (scores by their
        relative difference); cut to six digits.
    """

    spec: Spec
    bytes: int
    cosine: float

    def to_json(self) -> dict[str, Any]:
        """The table as recorded in a manifest."""
        return {**vars(self), "spec": str(self.spec)}


class Search:
    """What is known so far: squared errors of partial fits, and measured tables.

    :param weight: float32[V, D].
    :param frequency: float64[V] or None, as `edgeemb.tables.encode` takes it.
    :param sample: measures tables.
    :param budget: bytes allowed, or None.
    :param cosine: quality wanted where there is no budget; None for no goal, but tables of all sizes.
    :param seed: seed of the sampler and of every fit.
    :param progress: called with (fits done, fits in all).
    :param sizes: the fewest and the most bytes that are looked at, where there is no budget.
    """

    def __init__(
        self,
        weight: NDArray[np.float32],
        frequency: NDArray[np.float64] | None,
        sample: Sample,
        budget: int | None,
        cosine: float | None,
        seed: int,
        progress: Progress,
        sizes: tuple[int, int] | None = None,
    ) -> None:
        self.errors: dict[Spec, float] = {}
        self.measured: dict[Spec, Candidate] = {}
        self._weight, self._frequency, self._sample = weight, frequency, sample
        self._budget, self._cosine, self._seed, self._progress = budget, cosine, seed, progress
        rows, dim = weight.shape
        falling = falling_order(frequency)
        order = np.arange(rows) if falling is None else falling
        self._ranks = np.empty(rows, np.int64)
        self._ranks[order] = np.arange(rows)
        self._families = families(rows, dim)
        self._sizes = _sizes(
            (spec for family in self._families for _, spec in family.members()),
            Shape(rows, dim, frequency, falling),
        )
        self._largest = max(self._sizes, key=lambda spec: self._sizes[spec])
        self._allowed = self._between(sizes) if sizes is not None else self._within()
        self._part, self._part_weights = self._choose_part()

    def explore(self) -> None:
        """Search by partial fits for a small size and a small error together.

        :raises SpecError: if no spec is within the budget.
        """
        if not self._allowed:
            smallest = min(self._sizes, key=lambda spec: self._sizes[spec])
            self.fit(smallest)
            self._refuse(self.measured[smallest])
        with quiet():
            self._explore()

    def _explore(self) -> None:
        try:
            import optuna  # it takes a while to import
        except ModuleNotFoundError:
            raise EdgeembError(
                "the planner needs the package optuna: pip install 'edgeemb[planner]'"
            ) from None

        sampler = optuna.samplers.TPESampler(
            seed=self._seed,
            n_startup_trials=len(self._families) + 4,
            multivariate=True,
            group=True,
            constraints_func=lambda trial: trial.user_attrs["over"],
        )
        study = optuna.create_study(directions=("minimize", "minimize"), sampler=sampler)
        offered = {
            family.name: family
            for family in self._families
            if any(spec in self._allowed for _, spec in family.members())
        }
        for family in offered.values():
            study.enqueue_trial(self._first(family))
        wanted = min(TRIALS, len(self._allowed))
        for _ in range(_PATIENCE * TRIALS):
            if len(self.errors) >= wanted:
                break
            trial = study.ask()
            family = offered[trial.suggest_categorical("family", list(offered))]
            spec = family.spec(
                {
                    axis: trial.suggest_categorical(f"{family.name}.{axis}", values)
                    for axis, values in family.axes.items()
                }
            )
            allowed = spec in self._allowed
            if allowed and spec not in self.errors:
                self.errors[spec] = self._error(spec)
                self._progress(len(self.errors), wanted + MEASURED)
            trial.set_user_attr("over", [-1.0 if allowed else 1.0])
            size = self._sizes.get(spec, self._sizes[self._largest])
            error = min(self.errors.get(spec, 1.0), 1.0)
            study.tell(trial, (math.log(size), math.log(error + _TINY)))

    def measure(self) -> None:
        """Fit the most promising specs to the whole table, one after another, then some that show what fewer or more bytes would give."""
        start = len(self.errors)
        while len(self.measured) < MEASURED:
            towards = self._towards_goal() if len(self.measured) < _TOWARDS_GOAL else None
            spec = towards or self._beside()
            if spec is None:
                break
            self.fit(spec)
            self._progress(start + len(self.measured), start + MEASURED)
        if self._cosine is not None and not self._enough():
            self.fit(self._largest)

    def choice(self) -> Candidate:
        """The best measured table.

        :raises SpecError: if none reaches the goal.
        """
        best = max(self.measured.values(), key=lambda item: (item.cosine, -item.bytes))
        if self._cosine is None:
            return best
        if not self._enough():
            self._refuse(best)
        return min(self._enough(), key=lambda item: (item.bytes, -item.cosine))

    def candidates(self) -> list[Candidate]:
        """Every measured table, and the others that were fitted to a part of the rows, with the cosine that is expected of them."""
        expected = self._expected()
        return [
            *self.measured.values(),
            *(Candidate(spec, self._sizes[spec], 1 - loss) for spec, loss in expected.items()),
        ]

    def frontier(self) -> tuple[Candidate, ...]:
        """Measured tables that no other one beats, the smallest first."""
        front: list[Candidate] = []
        for item in sorted(self.measured.values(), key=lambda item: (item.bytes, -item.cosine)):
            if not front or item.cosine > front[-1].cosine:
                front.append(item)
        return tuple(front)

    def _between(self, sizes: tuple[int, int]) -> set[Spec]:
        low, high = sizes
        between = {spec for spec, size in self._sizes.items() if low <= size <= high}
        return between or {min(self._sizes, key=lambda spec: self._sizes[spec])}

    def _within(self) -> set[Spec]:
        if self._budget is None:
            return set(self._sizes)
        budget = self._budget
        floor = _FLOOR * min(budget, self._sizes[self._largest])
        near = {spec for spec, size in self._sizes.items() if floor <= size <= budget}
        return near or {spec for spec, size in self._sizes.items() if size <= budget}

    def _first(self, family: Family) -> dict[str, str]:
        """Where the search begins in a family: the largest table within a budget, or else the middle one."""
        members = sorted(
            ((values, spec) for values, spec in family.members() if spec in self._allowed),
            key=lambda member: self._sizes[member[1]],
        )
        values = members[-1 if self._budget is not None else len(members) // 2][0]
        return {"family": family.name, **{f"{family.name}.{axis}": value for axis, value in values.items()}}

    def _choose_part(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows of the partial fits, and the weight of each row's error: those of the sample's ids, and some of all others."""
        random = np.random.default_rng(self._seed)
        rows = len(self._weight)
        counts = np.zeros(rows)
        counts[self._sample.ids] = self._sample.counts
        if self._frequency is not None:
            counts = self._frequency
        used = random.permutation(self._sample.ids)[: PART_ROWS // 2]
        others = random.permutation(np.setdiff1d(np.arange(rows), used))[: PART_ROWS - len(used)]
        part = np.sort(np.concatenate([used, others]))
        even = np.full(len(part), _EVEN / len(part))
        return part, even + (1 - _EVEN) * counts[part] / counts[part].sum()

    def _error(self, spec: Spec) -> float:
        """Weighted mean of the rows' relative squared errors after a partial fit; infinite if there is none."""
        points = self._weight[self._part]
        frequency = None if self._frequency is None else self._frequency[self._part]
        try:
            table = encode(points, self._partial(spec), frequency=frequency, seed=self._seed)
        except SpecError:
            return math.inf
        apart = table.reconstruct() - points
        square = np.einsum("vd,vd->v", points, points).astype(np.float64)
        error = np.einsum("vd,vd->v", apart, apart) / np.maximum(square, 1e-30)
        return float(self._part_weights @ np.where(square > 0, error, 0.0))

    def _partial(self, spec: Spec) -> Spec:
        """The spec with its numbers of rows in proportion to the partial fit."""
        part, rows = len(self._part), len(self._weight)
        if part == rows:
            return spec
        ranks = self._ranks[self._part]
        counts = find_codec(spec.codec).row_options
        options = tuple(
            (key, str(max(_LEAST_ROWS, int(value) * part // rows)) if key in counts else value)
            for key, value in spec.options
        )
        bands = tuple(
            (
                None if count is None else min(max(1, int((ranks < count).sum())), part - 1),
                self._partial(band),
            )
            for count, band in spec.bands
        )
        return replace(spec, options=options, bands=bands)

    def fit(self, spec: Spec) -> None:
        """Fit a spec to the whole table, and measure it.

        :param spec: the spec.
        """
        table = encode(self._weight, spec, frequency=self._frequency, seed=self._seed)
        # Six digits, cut off: what is rounded up would seem to reach a goal that it misses.
        cosine = math.floor((self._sample.agreement(table) + _ROUNDING) * 1e6) / 1e6
        self.measured[spec] = Candidate(spec, table.nbytes, cosine)

    def _enough(self) -> list[Candidate]:
        least = math.inf if self._cosine is None else self._cosine - _ROUNDING
        return [item for item in self.measured.values() if item.cosine >= least]

    def _expected(self) -> dict[Spec, float]:
        """Estimated loss of the specs that are not measured yet: their partial error times the loss per such error so far."""
        slopes: dict[str, list[float]] = {}
        for spec, item in self.measured.items():
            error = self.errors.get(spec, 0.0)
            if error > _TINY:
                slopes.setdefault(spec.codec, []).append(math.log(max(1 - item.cosine, _TINY) / error))
        every = [slope for found in slopes.values() for slope in found] or [math.log(_SLOPE / _HOPE)]
        unknown = float(np.mean(every)) + math.log(_HOPE)
        return {
            spec: error * math.exp(float(np.mean(slopes[spec.codec])) if spec.codec in slopes else unknown)
            for spec, error in self.errors.items()
            if spec not in self.measured and math.isfinite(error)
        }

    def _towards_goal(self) -> Spec | None:
        """The spec to measure next, or None if nothing promises to beat what is known, or there is no goal."""
        if self._budget is None and self._cosine is None:
            return None
        expected = self._expected()
        if not expected:
            return None
        most = min(expected, key=lambda spec: (expected[spec], self._sizes[spec]))
        if self._cosine is None:
            known = min((1 - item.cosine for item in self.measured.values()), default=math.inf)
            return most if expected[most] < known else None
        limit = min((item.bytes for item in self._enough()), default=math.inf)
        fitting = [
            spec
            for spec in expected
            if expected[spec] <= 1 - self._cosine + _TINY and self._sizes[spec] < limit
        ]
        if fitting:
            return min(fitting, key=lambda spec: (self._sizes[spec], expected[spec]))
        return most if math.isinf(limit) else None

    def _beside(self) -> Spec | None:
        """The spec on the estimated frontier whose size is farthest from all measured ones."""
        expected = self._expected()
        front: list[Spec] = []
        for spec in sorted(expected, key=lambda spec: (self._sizes[spec], expected[spec])):
            if not front or expected[spec] < expected[front[-1]]:
                front.append(spec)
        known = [math.log(item.bytes) for item in self.measured.values()]
        return max(
            front,
            key=lambda spec: min((abs(math.log(self._sizes[spec]) - size) for size in known), default=0.0),
            default=None,
        )

    def _refuse(self, closest: Candidate) -> NoReturn:
        goal = f"{self._budget} bytes" if self._budget is not None else f"a cosine of {self._cosine}"
        rows, dim = self._weight.shape
        raise SpecError(
            f"no codec meets {goal} for this table of {rows} x {dim}: the closest is {closest.spec} "
            f"with {closest.bytes} bytes and cosine {closest.cosine:.4f}; relax the goal"
        )


def _sizes(specs: Iterable[Spec], shape: Shape) -> dict[Spec, int]:
    """Bytes of the specs that fit the table."""
    sizes: dict[Spec, int] = {}
    for spec in specs:
        try:
            sizes[spec] = shape_nbytes(spec, shape)
        except SpecError:
            continue
    return sizes

"""``--body auto:...``: which layers have 4 bits and which 8, for a size or a quality.

Each layer alone is put on its grid of 4 bits, and the cosine of the model's vectors to those of the model in float is measured. GPTQ fits the grids to
every other batch of the calibration inputs, and the cosine is that of the others: on what it was fitted to, a grid looks far better than it is.
Layers go to 4 bits in the order of what that costs for each byte saved: rounding errors of different layers are all but independent, so that what they
cost adds up (sensitivity by single layers, as in HAWQ, Dong and others 2019, arXiv 1905.03696, measured instead of derived). How many of them go is found
by measuring all together. Weights alone are rounded here, activations are not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgeemb.body.grid import Grid, near_grid
from edgeemb.body.layers import Feeds, linear_layers
from edgeemb.body.plan import BodyPlan
from edgeemb.body.rounding import gptq_grid, second_moments
from edgeemb.errors import SpecError
from edgeemb.metrics import cosine
from edgeemb.models.base import LoadedModel
from edgeemb.models.torch.model import Model
from edgeemb.tables.goal import Goal


def plan_body(
    model: Model, names: Collection[str], block: int, goal: Goal, feeds: Sequence[Feeds]
) -> BodyPlan:
    """Choose the layers that get 4 bits.

    :param model: the model, whose matrices are as they were afterwards.
    :param names: the linear layers to choose from.
    :param block: inputs that share a scale at 4 bits.
    :param goal: ``budget`` counts the bytes of the matrices and scales of these layers.
    :param feeds: calibration inputs; with a single batch, grids are judged by what they were fitted to.
    :raises SpecError: if nothing reaches the goal; the message has the nearest.
    """
    with BodySearch(model, names, block, feeds) as search:
        count = _within(search, goal) if goal.budget is not None else _above(search, goal)
        return search.plan(count, f"auto:{goal}")


class BodySearch:
    """What layers in 4 bits cost, each alone. It changes the model's matrices until it is left as a context.

    :param model: the model.
    :param names: the linear layers to choose from.
    :param block: inputs that share a scale at 4 bits.
    :param feeds: calibration inputs; with a single batch, grids are judged by what they were fitted to.
    :raises SpecError: if no layer can have 4 bits.
    """

    def __init__(self, model: Model, names: Collection[str], block: int, feeds: Sequence[Feeds]) -> None:
        every = {name: layer for name, layer in linear_layers(model.module).items() if name in set(names)}
        self._four = {
            name: gptq_grid(_matrix(every[name]), 4, block, second)
            for name, second in second_moments(model, every, feeds[::2])
        }
        if not self._four:
            raise SpecError(f"body auto: no layer of {model.name} can have 4 bits, use int8")
        self._model = model
        self._layers = {name: every[name] for name in self._four}
        self._feeds = feeds[1::2] or feeds
        self._eight = {
            name: near_grid(_matrix(layer), 8, layer.in_features) for name, layer in self._layers.items()
        }
        self._now: dict[str, Grid] = {}
        self._before = {name: layer.weight.detach().clone() for name, layer in self._layers.items()}
        self._wanted = self._vectors(model)
        self._whole = sum(map(stored_bytes, self._eight.values()))
        saved = {
            name: stored_bytes(self._eight[name]) - stored_bytes(self._four[name]) for name in self._four
        }
        best = self._cosine_of(())
        costs = {name: best - self._cosine_of((name,)) for name in self._four}
        self._order = sorted(self._four, key=lambda name: costs[name] / saved[name])
        #: Bytes of the matrices with as many layers in 4 bits as the place says, from none to all.
        self.stored = [self._whole]
        #: The mean cosine that is to be expected then, if what the layers cost adds up.
        self.expected = [best]
        for name in self._order:
            self.stored.append(self.stored[-1] - saved[name])
            self.expected.append(self.expected[-1] - costs[name])

    def __enter__(self) -> BodySearch:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the layers the weights that they came with."""
        for name, layer in self._layers.items():
            layer.weight.copy_(self._before[name])

    @property
    def layers(self) -> int:
        """How many layers there are to choose from."""
        return len(self._order)

    def cosine(self, count: int, changed: Callable[[Model], LoadedModel] | None = None) -> float:
        """The mean cosine with some layers in 4 bits, the others in 8.

        :param count: how many, those that cost least for a byte.
        :param changed: makes of the model what is measured in its place, such as one with other rows in its table.
        """
        return self._cosine_of(self._order[:count], changed)

    def plan(self, count: int, goal: str) -> BodyPlan:
        """A choice.

        :param count: layers in 4 bits.
        :param goal: what it reaches.
        """
        return BodyPlan(goal, tuple(self._order[:count]), self.layers, self.stored[count], self.cosine(count))

    def _cosine_of(
        self, four: Collection[str], changed: Callable[[Model], LoadedModel] | None = None
    ) -> float:
        for name, layer in self._layers.items():
            grid = (self._four if name in four else self._eight)[name]
            if self._now.get(name) is not grid:
                layer.weight.copy_(torch.from_numpy(grid.values()))
                self._now[name] = grid
        model = self._model if changed is None else changed(self._model)
        return float(cosine(self._vectors(model), self._wanted).mean())

    def _vectors(self, model: LoadedModel) -> NDArray[np.float32]:
        """The first output over all inputs, row by row."""
        found = [model.reference(given)[0] for given in self._feeds]
        return np.concatenate([array.reshape(-1, array.shape[-1]) for array in found]).astype(np.float32)


def _within(search: BodySearch, goal: Goal) -> int:
    budget = goal.budget or 0
    for count, stored in enumerate(search.stored):
        if stored <= budget:
            return count
    raise SpecError(
        f"body 'auto:{goal}': {search.stored[-1]:,} bytes are the fewest, with 4 bits in all {search.layers} layers; give a larger budget"
    )


def _above(search: BodySearch, goal: Goal) -> int:
    wanted = goal.cosine or 0.0
    if search.expected[0] < wanted:
        raise SpecError(
            f"body 'auto:{goal}': the cosine is {search.expected[0]:.4f} with 8 bits in all {search.layers} layers; give a lower one"
        )
    enough, over = 0, search.layers + 1
    while over - enough > 1:
        middle = (enough + over) // 2
        if search.cosine(middle) >= wanted:
            enough = middle
        else:
            over = middle
    return enough


def stored_bytes(grid: Grid) -> int:
    """Bytes of a matrix on its grid: its codes, and a scale of 4 bytes for each output at 8 bits, of 2 for each block at 4."""
    scale = 4 if grid.bits == 8 else 2
    return grid.codes.size * grid.bits // 8 + grid.scales.size * scale


def _matrix(layer: nn.Linear) -> NDArray[np.float32]:
    matrix: NDArray[np.float32] = layer.weight.detach().numpy()
    return matrix

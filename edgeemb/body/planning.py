"""``--body auto:...``: which layers have 4 bits and which 8, for a size or a quality.

Each layer alone is put on its grid of 4 bits, and the cosine of the model's vectors to those of the model in float is measured. GPTQ fits the grids to
every other batch of the calibration inputs, and the cosine is that of the others: on what it was fitted to, a grid looks far better than it is.
Layers go to 4 bits in the order of what that costs for each byte saved: rounding errors of different layers are all but independent, so that what they
cost adds up (sensitivity by single layers, as in HAWQ, Dong and others 2019, arXiv 1905.03696, measured instead of derived). How many of them go is found
by measuring all together. Weights alone are rounded here, activations are not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgeemb.body.grid import Grid, near_grid
from edgeemb.body.layers import Feeds, linear_layers
from edgeemb.body.rounding import gptq_grid, second_moments
from edgeemb.errors import SpecError
from edgeemb.metrics import cosine
from edgeemb.models.torch_model import Model
from edgeemb.tables.goal import Goal


@dataclass(frozen=True)
class BodyPlan:
    """What a plan found.

    :param four: names of the layers that get 4 bits.
    :param layers: how many there were to choose from.
    :param stored: bytes of their matrices.
    :param cosine: mean cosine of the model's vectors to those of the model in float, on inputs that no grid was fitted to.
    """

    four: tuple[str, ...]
    layers: int
    stored: int
    cosine: float


def plan_body(
    model: Model, names: Collection[str], block: int, goal: Goal, feeds: Sequence[Feeds]
) -> BodyPlan:
    """Choose the layers that get 4 bits.

    :param model: the model, whose matrices stay as they are.
    :param names: the linear layers to choose from.
    :param block: inputs that share a scale at 4 bits.
    :param goal: ``budget`` counts the bytes of the matrices and scales of these layers.
    :param feeds: calibration inputs; with a single batch, grids are judged by what they were fitted to.
    :raises SpecError: if nothing reaches the goal; the message has the nearest.
    """
    every = {name: layer for name, layer in linear_layers(model.module).items() if name in set(names)}
    four = {
        name: gptq_grid(_matrix(every[name]), 4, block, second)
        for name, second in second_moments(model, every, feeds[::2])
    }
    if not four:
        raise SpecError(f"body 'auto:{goal}': no layer of {model.name} can have 4 bits, use int8")
    choice = _Choice(model, {name: every[name] for name in four}, four, feeds[1::2] or feeds)
    try:
        return choice.reach(goal)
    finally:
        choice.restore()


class _Choice:
    """Measures what layers in 4 bits cost; the model is changed meanwhile.

    :param model: the model.
    :param layers: to choose from, by name.
    :param four: their grids of 4 bits.
    :param feeds: inputs to judge by.
    """

    def __init__(
        self, model: Model, layers: Mapping[str, nn.Linear], four: Mapping[str, Grid], feeds: Sequence[Feeds]
    ) -> None:
        self._model = model
        self._layers = layers
        self._feeds = feeds
        self._four = four
        self._eight = {
            name: near_grid(_matrix(layer), 8, layer.in_features) for name, layer in layers.items()
        }
        self._now: dict[str, Grid] = {}
        self._before = {name: layer.weight.detach().clone() for name, layer in layers.items()}
        self._wanted = self._vectors()
        self._whole = sum(map(stored_bytes, self._eight.values()))
        self._saved = {name: stored_bytes(self._eight[name]) - stored_bytes(four[name]) for name in four}

    def reach(self, goal: Goal) -> BodyPlan:
        """The plan; see `plan_body`."""
        best = self._measure(())
        costs = {name: (best - self._measure((name,))) / self._saved[name] for name in self._four}
        order = sorted(self._four, key=lambda name: costs[name])
        count = self._within(order, goal) if goal.budget is not None else self._above(order, best, goal)
        chosen = tuple(order[:count])
        return BodyPlan(chosen, len(order), self._bytes(chosen), self._measure(chosen))

    def restore(self) -> None:
        """Give the layers the weights that they came with."""
        for name, layer in self._layers.items():
            layer.weight.copy_(self._before[name])

    def _within(self, order: Sequence[str], goal: Goal) -> int:
        budget = goal.budget or 0
        for count in range(len(order) + 1):
            if self._bytes(order[:count]) <= budget:
                return count
        raise SpecError(
            f"body 'auto:{goal}': {self._bytes(order):,} bytes are the fewest, with 4 bits in all {len(order)} layers; give a larger budget"
        )

    def _above(self, order: Sequence[str], best: float, goal: Goal) -> int:
        wanted = goal.cosine or 0.0
        if best < wanted:
            raise SpecError(
                f"body 'auto:{goal}': the cosine is {best:.4f} with 8 bits in all {len(order)} layers; give a lower one"
            )
        enough, over = 0, len(order) + 1
        while over - enough > 1:
            middle = (enough + over) // 2
            if self._measure(order[:middle]) >= wanted:
                enough = middle
            else:
                over = middle
        return enough

    def _bytes(self, four: Collection[str]) -> int:
        return self._whole - sum(self._saved[name] for name in four)

    def _measure(self, four: Collection[str]) -> float:
        """The mean cosine with some layers in 4 bits, the others in 8."""
        for name, layer in self._layers.items():
            grid = (self._four if name in four else self._eight)[name]
            if self._now.get(name) is not grid:
                layer.weight.copy_(torch.from_numpy(grid.values()))
                self._now[name] = grid
        return float(cosine(self._vectors(), self._wanted).mean())

    def _vectors(self) -> NDArray[np.float32]:
        """The first output over all inputs, row by row."""
        found = [self._model.reference(given)[0] for given in self._feeds]
        return np.concatenate([array.reshape(-1, array.shape[-1]) for array in found]).astype(np.float32)


def stored_bytes(grid: Grid) -> int:
    """Bytes of a matrix on its grid: its codes, and a scale of 4 bytes for each output at 8 bits, of 2 for each block at 4."""
    scale = 4 if grid.bits == 8 else 2
    return grid.codes.size * grid.bits // 8 + grid.scales.size * scale


def _matrix(layer: nn.Linear) -> NDArray[np.float32]:
    matrix: NDArray[np.float32] = layer.weight.detach().numpy()
    return matrix

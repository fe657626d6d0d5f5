"""Rounding to a grid: each weight to the nearest code, or so that the errors of a row cancel on real inputs (GPTQ).

GPTQ (Frantar and others 2022, arXiv 2210.17323) rounds the inputs of a layer one after another. With H = X^T X / n over calibration inputs X, and U the
upper Cholesky factor of H^-1, the error of column j, e = (w[j] - rounded w[j]) / U[j, j], is taken off the columns that are not rounded yet: w[k] -= e U[j, k].
Columns go by falling H[j, j], so that those that matter least take up the errors; the scales are set before, so the layout does not depend on the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeemb.body.grid import (
    LARGEST4,
    LARGEST8,
    LEAST4,
    Grid,
    grid_scales,
    spread,
    trained_grid,
)
from edgeemb.body.layers import Feeds, watched
from edgeemb.body.smoothing import ScaledLinear
from edgeemb.models.torch.model import Model

#: Added to the diagonal of H, as a fraction of its mean; ten times as much each time that H has no inverse.
_DAMPING = 0.1
#: Columns whose errors are passed on together.
_COLUMNS = 128
#: Bytes of the matrices H that are gathered in one pass over the calibration inputs.
_PASS_BYTES = 1 << 29


def gptq_grid(matrix: NDArray[np.float32], bits: int, block: int, second: Tensor) -> Grid:
    """A matrix on a grid by GPTQ. One that was trained on that grid stays as it is.

    :param matrix: float32[outputs, inputs].
    :param bits: 8 or 4.
    :param block: inputs that share a scale.
    :param second: H, float32[inputs, inputs].
    """
    scales = grid_scales(matrix, bits, block, second.diagonal().numpy())
    return trained_grid(matrix, bits, block) or _gptq(matrix, scales, bits, block, second)


def _gptq(
    matrix: NDArray[np.float32], scales: NDArray[np.float32], bits: int, block: int, second: Tensor
) -> Grid:
    inputs = matrix.shape[1]
    least, largest = (-LARGEST8, LARGEST8) if bits == 8 else (LEAST4, LARGEST4)
    order = torch.argsort(second.diagonal(), descending=True, stable=True)
    upper = _inverse_factor(second[order][:, order])
    weight = torch.from_numpy(matrix)[:, order].clone()
    steps = torch.from_numpy(spread(scales, block, inputs))[:, order]
    codes = torch.zeros_like(weight)
    for start in range(0, inputs, _COLUMNS):
        end = min(start + _COLUMNS, inputs)
        errors = torch.zeros(len(weight), end - start)
        for column in range(start, end):
            codes[:, column] = torch.round(weight[:, column] / steps[:, column]).clamp(least, largest)
            error = (weight[:, column] - codes[:, column] * steps[:, column]) / upper[column, column]
            weight[:, column + 1 : end] -= error[:, None] * upper[column, column + 1 : end]
            errors[:, column - start] = error
        weight[:, end:] -= errors @ upper[start:end, end:]
    return Grid(codes[:, torch.argsort(order)].to(torch.int8).numpy(), scales, bits, block)


def _inverse_factor(second: Tensor) -> Tensor:
    """The upper Cholesky factor of the inverse of H, whose diagonal is raised as far as needed."""
    mean = float(second.diagonal().mean()) or 1.0
    damping = _DAMPING
    while True:
        raised = second + damping * mean * torch.eye(len(second))
        factor, failed = torch.linalg.cholesky_ex(raised)
        if not failed:
            upper, failed = torch.linalg.cholesky_ex(torch.cholesky_inverse(factor), upper=True)
            if not failed:
                result: Tensor = upper
                return result
        damping *= 10


def second_moments(
    model: Model, layers: Mapping[str, nn.Linear], feeds: Sequence[Feeds]
) -> Iterator[tuple[str, Tensor]]:
    """H = X^T X / n of each layer that runs over a sample, X being the inputs that its weight is multiplied by.

    :param model: the model that the layers are part of.
    :param layers: by name.
    :param feeds: the sample.
    """
    for some in _passes(layers):
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}

        def see(
            name: str, rows: Tensor, sums: dict[str, Tensor] = sums, counts: dict[str, int] = counts
        ) -> None:
            layer = layers[name]
            flat = rows.detach().reshape(-1, rows.shape[-1])
            flat = flat * layer.factors if isinstance(layer, ScaledLinear) else flat
            product = flat.T @ flat
            sums[name] = sums[name] + product if name in sums else product
            counts[name] = counts.get(name, 0) + len(flat)

        with watched(some, see):
            for given in feeds:
                model.reference(given)
        yield from ((name, total / max(counts[name], 1)) for name, total in sums.items())


def _passes(layers: Mapping[str, nn.Linear]) -> Iterator[dict[str, nn.Linear]]:
    """The layers in groups whose matrices fit in memory."""
    group: dict[str, nn.Linear] = {}
    size = 0
    for name, layer in layers.items():
        needed = 4 * layer.in_features**2
        if group and size + needed > _PASS_BYTES:
            yield group
            group, size = {}, 0
        group[name] = layer
        size += needed
    if group:
        yield group

"""Precision of everything but the tables, as XNNPACK or our own ops compute it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torchao.quantization import IntxUnpackedToInt8Tensor
from torchao.quantization.quantize_.workflows.intx.intx_unpacked_to_int8_tensor import (
    IntxUnpackedToInt8TensorActivationQuantization,
)

from edgeemb.body.grid import BLOCK, Grid, by_output, near_grid, positive
from edgeemb.body.grids import Grids
from edgeemb.exporters.executorch.linear import use_panels


def quantize_body(module: nn.Module, body: str, grids: Grids, *, native: bool = False) -> list[str]:
    """Quantise the linear layers of a module in place.

    Weights are int8 with a scale per output channel, or int4 in blocks; activations become 8 bits at run time, with a scale and a zero point per
    token, in XNNPACK (https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-quantization.html)
    as in our op.

    :param module: the module.
    :param body: a key of `edgeemb.exporters.executorch.policy.BODIES`, for layers of which `grids` says nothing.
    :param grids: the grids that were chosen before.
    :param native: whether our own op multiplies by matrices that it can store.
    :return: remarks for the user.
    """
    uneven = []
    for name, layer in module.named_modules():
        if not isinstance(layer, nn.Linear):
            continue
        matrix = layer.weight.detach().numpy()
        if grids.known(matrix):
            grid = grids.of(matrix)
        elif body == "fp32":
            grid = None
        else:
            bits, block = (8, matrix.shape[1]) if body == "int8" else (4, BLOCK)
            grid = near_grid(matrix, bits, block)
        if grid is None:
            continue
        if not grid.whole_blocks:
            uneven.append(name)
            grid = by_output(grid)
        if native and use_panels(layer, grid):
            continue
        layer.weight = nn.Parameter(_stored(positive(grid)), requires_grad=False)
    if not uneven:
        return []
    others = f" and {len(uneven) - 1} more are" if len(uneven) > 1 else " is"
    return [f"layer {uneven[0]}{others} stored in int8: blocks do not divide their inputs evenly"]


def _stored(grid: Grid) -> Tensor:
    """The matrix as torchao holds one for XNNPACK."""
    scales = torch.from_numpy(np.ascontiguousarray(grid.scales))
    stored: Tensor = IntxUnpackedToInt8Tensor(
        qdata=torch.from_numpy(np.ascontiguousarray(grid.codes)),
        scale=scales,
        zero_point=torch.zeros_like(scales, dtype=torch.int8),
        target_dtype=getattr(torch, f"int{grid.bits}"),
        block_size=(1, grid.block),
        dtype=torch.float32,
        activation_quantization=IntxUnpackedToInt8TensorActivationQuantization.INT8_ASYM_PER_TOKEN,
    )
    return stored

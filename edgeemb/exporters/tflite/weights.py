"""Weights of FULLY_CONNECTED in 8 or 4 bits: float activations go in, which the runtime quantises row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgeemb.body.grid import Grid, by_output, near_grid, positive
from edgeemb.body.grids import Grids
from edgeemb.body.panels import fits_panels
from edgeemb.exporters.tflite.graph import Constants
from edgeemb.exporters.tflite.linear import Panels
from edgeemb.models.tflite.flatbuffer import opcode_name


def quantize_weights(model: Any, bits: int, block: int, grids: Grids, *, native: bool = False) -> list[str]:
    """Store the weights of each FULLY_CONNECTED on their grid; weights that something else reads too stay there in float.

    :param model: the ``ModelT`` to change.
    :param bits: 8 or 4, for weights of which `grids` says nothing; 0 leaves these in float.
    :param block: inputs of these that share a scale; 0 for all of an output.
    :param grids: grids that were chosen before.
    :param native: whether our own op multiplies by matrices that it can store.
    :return: remarks for the user.
    """
    constants = Constants(model)
    panels = Panels(constants)
    found: dict[int, _Stored | None] = {}
    uneven: set[int] = set()
    for subgraph in model.subgraphs:
        placed: dict[int, int] = {}
        for operator in list(subgraph.operators):
            if opcode_name(model.operatorCodes[operator.opcodeIndex]) != "FULLY_CONNECTED":
                continue
            place = int(operator.inputs[1])
            tensor = subgraph.tensors[place]
            matrix = _matrix(model, tensor)
            if matrix is None:
                continue
            if tensor.buffer not in found:
                found[tensor.buffer] = _stored(matrix, bits, block, grids)
            stored = found[tensor.buffer]
            if stored is None:
                continue
            if stored.uneven:
                uneven.add(tensor.buffer)
            if native and fits_panels(stored.chosen):
                at = next(number for number, other in enumerate(subgraph.operators) if other is operator)
                if panels.replace(subgraph, at, stored.chosen, tensor.buffer):
                    continue
            if place not in placed:
                placed[place] = stored.add(constants, subgraph, tensor)
            inputs = list(operator.inputs)
            inputs[1] = placed[place]
            operator.inputs = inputs
    if not uneven:
        return []
    count = "1 matrix is" if len(uneven) == 1 else f"{len(uneven)} matrices are"
    return [f"{count} stored in int8: blocks do not divide their inputs evenly"]


class _Stored:
    """A matrix as the format stores it.

    :param chosen: with whole blocks.
    :param uneven: whether another grid was asked for.
    """

    def __init__(self, chosen: Grid, uneven: bool) -> None:
        self.chosen = chosen
        self.grid = grid = positive(chosen)
        self.uneven = uneven
        codes = np.ascontiguousarray(grid.codes)
        flat = codes.reshape(-1).view(np.uint8)
        #: Two neighbouring codes of 4 bits share a byte, the first in the low half: [1, -2, 3, 4] is 0xe1 0x43.
        self.codes = codes if grid.bits == 8 else (flat[0::2] & 15) | (flat[1::2] & 15) << 4
        self.scales = grid.scales.astype(np.float16)

    def add(self, constants: Constants, subgraph: Any, like: Any) -> int:
        """Add the tensor to a subgraph; gives its index."""
        grid = self.grid
        tensor = schema.TensorT()
        tensor.shape, tensor.hasRank, tensor.name = like.shape, True, like.name
        tensor.type = schema.TensorType.INT8 if grid.bits == 8 else schema.TensorType.INT4
        tensor.buffer = constants.buffer(self.codes)
        tensor.quantization = quantization = schema.QuantizationParametersT()
        quantization.quantizedDimension = 0
        if grid.scales.shape[1] == 1:
            quantization.scale = np.ascontiguousarray(grid.scales[:, 0])
            quantization.zeroPoint = np.zeros(len(grid.scales), np.int64)
        else:
            details = schema.BlockwiseQuantizationT()
            details.scales, details.zeroPoints, details.blockSize = len(subgraph.tensors), -1, grid.block
            scales = schema.TensorT()
            scales.shape, scales.hasRank = list(self.scales.shape), True
            scales.name = (like.name or b"") + b"_scales"
            scales.type, scales.buffer = schema.TensorType.FLOAT16, constants.buffer(self.scales)
            subgraph.tensors.append(scales)
            quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
            quantization.details = details
        subgraph.tensors.append(tensor)
        return len(subgraph.tensors) - 1


def _matrix(model: Any, tensor: Any) -> NDArray[np.float32] | None:
    """A constant float32 matrix; None for any other tensor."""
    data = model.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT32 or data is None or len(tensor.shape) != 2:
        return None
    values = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.float32)
    return values.reshape([int(size) for size in tensor.shape]) if values.size else None


def _stored(matrix: NDArray[np.float32], bits: int, block: int, grids: Grids) -> _Stored | None:
    if grids.known(matrix) or not bits:
        grid = grids.of(matrix)
    else:
        grid = near_grid(matrix, bits, block or matrix.shape[1])
    if grid is None:
        return None
    if not grid.whole_blocks:
        return _Stored(by_output(grid), uneven=True)
    return _Stored(grid, uneven=False)

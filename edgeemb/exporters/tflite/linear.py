"""Products of the body as our own op: `edgeemb.QuantizedLinear8` and `edgeemb.QuantizedLinear4`, over matrices in panels."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgeemb.body.grid import Grid
from edgeemb.body.panels import layer_panels, to_panels
from edgeemb.exporters.tflite.graph import Constants, Graph
from edgeemb.exporters.tflite.lowering import CUSTOM_VERSION, custom_options
from edgeemb.exporters.tflite.policy import LINEAR
from edgeemb.models.tflite.flatbuffer import opcode_name
from edgeemb.models.tflite.tables import shape_of

#: Activations of the op: those of a FULLY_CONNECTED's options, and an operator that may follow, by its `approximate`.
_FUSED = {schema.ActivationFunctionType.NONE: 0, schema.ActivationFunctionType.RELU: 1}
_GELU = {False: 2, True: 3}


class Panels:
    """The arrays of matrices in panels, each stored once in a model.

    :param constants: the constants of the model.
    """

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._layers: dict[int, list[NDArray[Any]]] = {}
        self._biases: dict[tuple[int, int], NDArray[Any]] = {}

    def replace(self, subgraph: Any, at: int, grid: Grid, buffer: int) -> bool:
        """Put our op in the place of a FULLY_CONNECTED, and of the GELU that alone reads its result.

        :param subgraph: the ``SubGraphT`` to change.
        :param at: place of the operator in it.
        :param grid: its matrix, which `edgeemb.body.panels.fits_panels`.
        :param buffer: index of the buffer that the matrix came from.
        :return: whether the op computes what the operator does; if not, nothing has changed.
        """
        operator = subgraph.operators[at]
        bias = self._bias(subgraph, operator, len(grid.codes))
        source, target = (subgraph.tensors[int(place)] for place in (operator.inputs[0], operator.outputs[0]))
        rows, result = shape_of(source), shape_of(target)
        activation = _FUSED.get(operator.builtinOptions.fusedActivationFunction)
        floats = source.type == target.type == schema.TensorType.FLOAT32
        if bias is None or activation is None or not floats or rows[-1:] != [grid.codes.shape[1]]:
            return False
        if result.count(-1) > 1:
            return False
        if buffer not in self._layers:
            self._layers[buffer] = layer_panels(grid)
        graph = Graph(self._constants, subgraph, "linear")
        names = [graph.constant(array, "panels") for array in (*self._layers[buffer], bias)]
        follower = None if activation else _gelu_of(self._constants.model, subgraph, operator)
        if follower is not None:
            activation = _GELU[bool(follower.builtinOptions.approximate)]
        outputs, inputs = grid.codes.shape
        options = custom_options(inputs, outputs, activation, *([grid.block] if grid.bits == 4 else []))
        shape = [*rows[:-1], len(grid.codes)]
        product = graph.op(
            LINEAR[grid.bits],
            [int(operator.inputs[0]), *names],
            shape,
            version=CUSTOM_VERSION,
            custom=options,
        )
        if shape != result:
            graph.reshape(product, result)
        graph.operators[-1].outputs = [int((follower or operator).outputs[0])]
        subgraph.operators[at : at + 1] = graph.operators
        if follower is not None:
            subgraph.operators = [other for other in subgraph.operators if other is not follower]
        return True

    def _bias(self, subgraph: Any, operator: Any, outputs: int) -> NDArray[Any] | None:
        """What an operator adds to each row, in panels; None if that is not a constant."""
        place = int(operator.inputs[2]) if len(operator.inputs) > 2 else -1
        tensor = None if place < 0 else subgraph.tensors[place]
        key = (0 if tensor is None else int(tensor.buffer), outputs)
        if key not in self._biases:
            values = np.zeros(outputs, np.float32)
            if tensor is not None:
                data = self._constants.model.buffers[tensor.buffer].data
                if data is None or tensor.type != schema.TensorType.FLOAT32:
                    return None
                values = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.float32)
            if values.shape != (outputs,):
                return None
            self._biases[key] = to_panels(values)
        return self._biases[key]


def _gelu_of(model: Any, subgraph: Any, operator: Any) -> Any | None:
    """The GELU that alone reads an operator's result."""
    result = int(operator.outputs[0])
    readers = [other for other in subgraph.operators if result in {int(place) for place in other.inputs}]
    if len(readers) != 1 or result in {int(place) for place in subgraph.outputs}:
        return None
    code = model.operatorCodes[readers[0].opcodeIndex]
    return readers[0] if opcode_name(code) == "GELU" else None

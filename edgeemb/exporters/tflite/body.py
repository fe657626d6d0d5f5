"""Precision of everything but the tables; and ops that a runtime lacks, written with others.

Only FULLY_CONNECTED is quantised, by our own op or as dynamic quantisation: the weight-only form of a lookup dequantises its whole table, and
static quantisation of every op collapses sentence encoders.
"""

from __future__ import annotations

import logging
import os
from contextlib import redirect_stderr
from typing import Any

import numpy as np

from edgeemb.body.grid import BLOCK
from edgeemb.body.grids import Grids
from edgeemb.errors import ExportError, first_line
from edgeemb.exporters.tflite.graph import Constants, Graph
from edgeemb.exporters.tflite.policy import TfliteRuntime
from edgeemb.exporters.tflite.weights import quantize_weights
from edgeemb.models.tflite.flatbuffer import opcode_name, pack_tflite, parse_tflite


def convert_body(model: Any, body: str, grids: Grids, *, native: bool) -> tuple[Any, list[str]]:
    """Convert the weights of a model's matrix products.

    ``int8`` has one scale per output channel, ``int4`` one for each block of inputs (int8 where a block does not divide them); both quantise
    activations as they come. ``fp16`` stores float16 and computes in float32.

    :param model: a float32 ``ModelT``. It may be changed.
    :param body: ``fp32``, ``fp16``, ``int8`` or ``int4``.
    :param grids: the grids of weights that were chosen before.
    :param native: whether products in 8 and 4 bits become our own op.
    :return: the converted ``ModelT``, and remarks for the user.
    :raises ExportError: if the weights cannot be stored in this precision.
    """
    if body == "fp16":
        return _to_float16(model), []
    bits = {"int8": 8, "int4": 4}.get(body, 0)
    return model, quantize_weights(model, bits, BLOCK if bits == 4 else 0, grids, native=native)


def _to_float16(model: Any) -> Any:
    """By ai-edge-quantizer."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        # Its progress bar cannot be switched off.
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            return parse_tflite(_float16(model), "the quantised model")
    except (ValueError, RuntimeError) as error:
        raise ExportError(
            f"the body cannot be stored as fp16 ({first_line(error)}): use body='fp32'"
        ) from error
    finally:
        logging.disable(before)


def _float16(model: Any) -> bytes:
    from ai_edge_quantizer import algorithm_manager, qtyping
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(pack_tflite(model))
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    operation = qtyping.TFLOperationName.FULLY_CONNECTED
    algorithm = algorithm_manager.AlgorithmName.FLOAT_CASTING
    quantizer.update_quantization_recipe(".*", operation, config, algorithm)
    result = quantizer.quantize(enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def expand_ops(model: Any, constants: Constants, runtime: TfliteRuntime) -> None:
    """Write the ops that a runtime lacks with ops that it has.

    GELU becomes its tanh form, ``x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`` (Hendrycks and Gimpel 2016, arXiv 1606.08415),
    which differs from the exact one by less than 5e-4.

    :param model: the ``ModelT`` to change.
    :param constants: its constants.
    :param runtime: what is to run it.
    """
    for subgraph in model.subgraphs:
        operators = []
        for operator in subgraph.operators:
            if opcode_name(model.operatorCodes[operator.opcodeIndex]) == "GELU" and "GELU" in runtime.expands:
                operators += _gelu(constants, subgraph, operator)
            else:
                operators.append(operator)
        subgraph.operators = operators


def _gelu(constants: Constants, subgraph: Any, operator: Any) -> list[Any]:
    x, shape = (
        int(operator.inputs[0]),
        [int(size) for size in subgraph.tensors[int(operator.inputs[0])].shape],
    )
    graph = Graph(constants, subgraph, "gelu")

    def op(name: str, *inputs: int) -> int:
        options: dict[str, Any] = {} if name == "TANH" else {"fusedActivationFunction": 0}
        return graph.op(name, inputs, shape, **options)

    def number(value: float) -> int:
        return graph.constant(np.array([value], np.float32))

    cubic = op("MUL", op("MUL", op("MUL", x, x), x), number(0.044715))
    inner = op("MUL", op("ADD", x, cubic), number(np.sqrt(2 / np.pi)))
    op("MUL", op("MUL", x, number(0.5)), op("ADD", op("TANH", inner), number(1.0)))
    graph.operators[-1].outputs = operator.outputs
    return graph.operators

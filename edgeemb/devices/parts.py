"""Cost by part of an inference of a C export."""

from __future__ import annotations

from edgeemb.devices.cortex_m.run import Inference
from edgeemb.devices.measurement import Operator
from edgeemb.runtimes.c.parts import part_names


def part_operators(inference: Inference, layers: int) -> tuple[Operator, ...]:
    """The parts of an inference by their cost.

    :param inference: what was counted.
    :param layers: layers of the encoder.
    :return: the parts, most expensive first.
    """
    total = inference.total.instructions
    names = part_names(layers, text=len(inference.parts) > len(part_names(layers)))
    operators = [
        Operator(
            name,
            1,
            part.instructions,
            "instructions",
            100 * part.instructions / total,
            name.startswith("lookup"),
        )
        for name, part in zip(names, inference.parts, strict=True)
    ]
    return tuple(sorted(operators, key=lambda operator: -operator.value))

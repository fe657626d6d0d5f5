"""The parts of an inference of a C export, for which its cost is reported."""

from __future__ import annotations


def part_names(layers: int, *, text: bool = False) -> list[str]:
    """Names of the parts of an inference, in the order of the markers of a generated `model.c`.

    :param layers: layers of the encoder.
    :param text: whether text goes in, which becomes tokens first.
    """
    inner = [f"layer {number} {part}" for number in range(layers) for part in ("attention", "mlp")]
    return [*(["tokenizer"] if text else []), "lookup word", "embedding sum", *inner, "pooling and head"]

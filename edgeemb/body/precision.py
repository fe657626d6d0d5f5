"""The precisions of a model's body: how its matrix products are computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Precision:
    """A precision of the body.

    :param name: its name on the command line.
    :param floor: the lowest mean agreement of the worst output with the original that has the same tables; below it, the export is broken, not
        rounded.
    :param integer: whether its products are sums of int8 codes, those that belong to tables included.
    :param warning: what the user is told of a bundle that has it; empty for nothing.
    :param alpha: how much of the range of activations goes into the weights first (`edgeemb.body.smoothing`); None where that gains nothing.
    """

    name: str
    floor: float
    integer: bool = False
    warning: str = ""
    alpha: float | None = None


#: The body of a finished model, left as it is.
KEEP = "keep"

#: The precisions by name. A writer refuses those that its runtime has not.
PRECISIONS: dict[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision("fp32", 0.999),
        Precision("fp16", 0.99),
        Precision("int8", 0.9, integer=True, alpha=0.6),
        Precision(
            "int8-tensor",
            0.8,
            integer=True,
            alpha=0.6,
            warning="body int8-tensor uses one activation scale for a whole batch, so the vector of a text depends on the other texts in it; "
            "with body int8 it does not",
        ),
        Precision("int4", 0.5, alpha=0.3),
        Precision(KEEP, 0.999),
    )
}

#: Those that a user can ask for of any model.
BODIES = tuple(name for name in PRECISIONS if name != KEEP)

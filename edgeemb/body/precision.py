"""The precisions of a model's body: how its matrix products are computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Precision:
    """A precision of the body.

    :param name: its name on the command line.
    :param integer: whether its products are sums of int8 codes, those that belong to tables included.
    :param warning: what the user is told of a bundle that has it; empty for nothing.
    """

    name: str
    integer: bool = False
    warning: str = ""


#: The body of a finished model, left as it is.
KEEP = "keep"

#: The precisions by name. A writer refuses those that its runtime has not.
PRECISIONS: dict[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision("fp32"),
        Precision("fp16"),
        Precision("int8", integer=True),
        Precision(
            "int8-tensor",
            integer=True,
            warning="body int8-tensor takes one activation scale over a whole batch: the vector of a text depends on the texts beside it; "
            "with body int8 it does not",
        ),
        Precision("int4"),
        Precision(KEEP),
    )
}

#: Those that a user can ask for of any model.
BODIES = tuple(name for name in PRECISIONS if name != KEEP)

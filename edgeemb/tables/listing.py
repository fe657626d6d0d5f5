"""What `edgeemb codecs` lists: every codec, and the size of a table of a given shape with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgeemb.errors import SpecError
from edgeemb.tables.registry import CODECS, nbytes, reads_tokens, suited
from edgeemb.tables.spec import parse_spec


@dataclass(frozen=True)
class Listed:
    """A codec in the list.

    :param codec: its name.
    :param spec: its example, changed to suit the columns where it can be.
    :param bytes: what such a table takes; None where that is not known or the spec does not fit the shape.
    :param note: why there is no size; empty if there is one.
    :param good_for: what to take the codec for.
    :param trained: whether its rows are meant to be trained with the model.
    :param composes: whether ``+`` may follow, to say how its own arrays are stored.
    :param options: names of the options, with their values where only some are possible.
    """

    codec: str
    spec: str
    bytes: int | None
    note: str
    good_for: str
    trained: bool
    composes: bool
    options: dict[str, tuple[str, ...]]

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        return asdict(self)


def list_codecs(rows: int, dim: int) -> list[Listed]:
    """Every codec with its example for a table of a shape.

    :param rows: V.
    :param dim: D.
    :return: in the order of the registry.
    """
    found = []
    for name, codec in CODECS.items():
        spec = suited(parse_spec(codec.example), dim)
        size, note = None, ""
        try:
            size = nbytes(spec, rows, dim)
        except SpecError as error:
            note = str(error).removeprefix(f"table spec '{spec}' for {rows} x {dim}: ")
        if size is None and reads_tokens(spec):
            note = "its size depends on the tokens"
        options = {option.name: option.choices for option in codec.options().values()}
        found.append(
            Listed(name, str(spec), size, note, codec.good_for, codec.trained, codec.composes, options)
        )
    return found

"""The specs that the planner chooses from: what the codecs offer, in families that are searched as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgeemb.tables import CODECS
from edgeemb.tables.space import SearchSpace
from edgeemb.tables.spec import Spec

#: The axis that tells the codecs of a family apart.
CODEC_AXIS = "codec"


@dataclass(frozen=True)
class Family:
    """Codecs with one search space.

    :param codecs: their names.
    :param space: what each of them offers.
    """

    codecs: tuple[str, ...]
    space: SearchSpace

    @property
    def name(self) -> str:
        """What the search calls it."""
        return "/".join(self.codecs)

    @property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """Values by axis, the codec among them."""
        return {CODEC_AXIS: self.codecs, **self.space.axes}

    def spec(self, values: Mapping[str, str]) -> Spec:
        """The spec for a value of each axis.

        :param values: values by axis.
        """
        own = {axis: value for axis, value in values.items() if axis != CODEC_AXIS}
        return self.space.spec(values[CODEC_AXIS], own)

    def members(self) -> list[tuple[dict[str, str], Spec]]:
        """Every combination of values, with its spec."""
        return [
            ({CODEC_AXIS: codec, **values}, spec)
            for codec in self.codecs
            for values, spec in self.space.specs(codec)
        ]


def families(rows: int, dim: int) -> list[Family]:
    """What the search offers for a table: the codecs that have a search space, those with equal ones together.

    :param rows: V.
    :param dim: D.
    """
    found: list[Family] = []
    for codec in CODECS.values():
        space = None if codec.search is None else codec.search(rows, dim)
        if space is None or not all(space.axes.values()):
            continue
        at = next((number for number, family in enumerate(found) if family.space == space), None)
        if at is None:
            found.append(Family((codec.name,), space))
        else:
            found[at] = Family((*found[at].codecs, codec.name), space)
    return found

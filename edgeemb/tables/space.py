"""The specs of a codec that the planner tries, and values that several codecs share there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

from edgeemb.tables.spec import Spec, parse_spec

#: What follows ``+``: how shared rows and coefficients are stored.
STORED = ("fp16", "int8", "int4")


@dataclass(frozen=True)
class SearchSpace:
    """The specs of a codec that the planner tries. Codecs with equal spaces are searched as one family.

    :param template: a spec with names in braces: those of the axes, and ``{codec}`` for the codec's own name.
    :param axes: values by axis.
    """

    template: str
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def spec(self, codec: str, values: Mapping[str, str]) -> Spec:
        """The spec for a value of each axis.

        :param codec: name of the codec.
        :param values: values by axis.
        """
        return parse_spec(self.template.format(codec=codec, **values))

    def specs(self, codec: str) -> list[tuple[dict[str, str], Spec]]:
        """Every combination of values, with its spec.

        :param codec: name of the codec.
        """
        combinations = (dict(zip(self.axes, values, strict=True)) for values in product(*self.axes.values()))
        return [(values, self.spec(codec, values)) for values in combinations]


def numbers(values: Iterable[int]) -> tuple[str, ...]:
    """Values of an axis: the distinct ones from 1 up, in the given order.

    :param values: numbers that may repeat, or be 0.
    """
    return tuple(dict.fromkeys(str(value) for value in values if value >= 1))


def parts(dim: int, widths: Iterable[int]) -> tuple[str, ...]:
    """Numbers of equal parts of a row, for the widths that divide it; one element per part if none does.

    :param dim: D.
    :param widths: elements of a part.
    """
    return tuple(str(dim // width) for width in widths if dim % width == 0) or (str(dim),)


def ranks(dim: int, twelfths: Iterable[int]) -> tuple[str, ...]:
    """Ranks of a basis, as twelfths of the columns.

    :param dim: D.
    :param twelfths: how many.
    """
    return numbers(dim * part // 12 for part in twelfths)


def shared_rows(rows: int) -> tuple[str, ...]:
    """Numbers of rows that all ids share: from half of the table's down to a sixteenth, none below 16.

    :param rows: V.
    """
    return numbers(max(16, rows // part) for part in (2, 4, 8, 16) if rows >= 16)

"""The contract between `edgeemb.tables` and a codec: what a codec declares, what it receives, and what it returns.

A codec is one module with a frozen dataclass, whose fields are the options of its spec, and a `Codec` record that `edgeemb.tables.registry`
lists. Whatever else deals with codecs (help, planner, support page, tests) reads the record.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeemb.progress import Progress, silent
from edgeemb.tables.program import Rows
from edgeemb.tables.space import SearchSpace
from edgeemb.tables.spec import Spec

#: Every sample spec of a codec fits tables of this many rows and more ...
SAMPLE_ROWS = 300
#: ... whose columns are a multiple of this.
SAMPLE_DIM = 32


@dataclass(frozen=True)
class Fit:
    """What a codec is given to fit a table.

    :param weight: float32[V, D], finite.
    :param frequency: float64[V], how often each id occurs, positive; None counts every row alike.
    :param seed: seed of whatever is random in the fit; equal seeds give equal tables.
    :param then: spec after ``+``: how the codec's own arrays are to be stored, or None.
    :param bands: bands of a `mixed` spec, else empty.
    :param progress: told about progress in rows.
    :param part: fits an array of the codec with another spec, as ``+`` and bands ask for.
    :param tokens: bytes of each row's token, as `edgeemb.text.token_bytes` gives them, or None.
    """

    weight: NDArray[np.float32]
    frequency: NDArray[np.float64] | None = None
    seed: int = 0
    then: Spec | None = None
    bands: tuple[tuple[int | None, Spec], ...] = ()
    progress: Progress = silent
    part: Callable[[Fit, Spec], Fitted] | None = None
    tokens: tuple[bytes, ...] | None = None


@dataclass(frozen=True)
class Shape:
    """What the bytes of a table depend on, known before anything is fitted.

    :param rows: V.
    :param dim: D.
    :param frequency: float64[V] as in `Fit`, or None.
    :param order: int64[V], the ids by falling frequency; None where they are in that order already, or no frequencies are known.
    :param then: as in `Fit`.
    :param bands: as in `Fit`.
    :param part: bytes of an array of the codec that is stored with another spec.
    :param tokens: as in `Fit`.
    """

    rows: int
    dim: int
    frequency: NDArray[np.float64] | None = None
    order: NDArray[np.int64] | None = None
    then: Spec | None = None
    bands: tuple[tuple[int | None, Spec], ...] = ()
    part: Callable[[Shape, Spec], int] | None = None
    tokens: tuple[bytes, ...] | None = None

    def resized(
        self,
        rows: int,
        dim: int,
        frequency: NDArray[np.float64] | None = None,
        tokens: tuple[bytes, ...] | None = None,
    ) -> Shape:
        """The shape of another table; its order follows from its frequencies.

        :param rows: V.
        :param dim: D.
        :param frequency: float64[V] or None.
        :param tokens: bytes of each row's token, or None.
        """
        order = self.order if frequency is self.frequency else falling_order(frequency)
        return replace(self, rows=rows, dim=dim, frequency=frequency, order=order, tokens=tokens)


def falling_order(frequency: NDArray[np.float64] | None) -> NDArray[np.int64] | None:
    """Ids by falling frequency, equal ones in order.

    :param frequency: float64[V], or None.
    :return: int64[V]; None where that is 0, 1, 2 ... or nothing is known.
    """
    if frequency is None or (frequency[1:] <= frequency[:-1]).all():
        return None
    return np.argsort(-frequency, kind="stable")


@dataclass(frozen=True)
class Fitted:
    """What a codec returns: the stored arrays by name, and the lookup over them."""

    arrays: dict[str, NDArray[Any]]
    program: Rows


class Coder(Protocol):
    """A codec with its options set: an instance of its dataclass."""

    def encode(self, fit: Fit) -> Fitted:
        """Fit a table.

        :param fit: the table and how to fit it.
        :return: arrays and program; deterministic for a seed.
        :raises SpecError: if the options do not suit the table.
        """
        ...

    def nbytes(self, shape: Shape) -> int:
        """Bytes of the arrays that `encode` would give, exactly.

        :param shape: the table's shape and what else decides.
        :raises SpecError: if the options do not suit the table, in the words of `encode`.
        """
        ...


@dataclass(frozen=True)
class Option:
    """An option of a spec, as declared by the field of a codec's dataclass.

    :param name: its name.
    :param kind: int, float or str.
    :param choices: the values that it takes; empty where any of its kind may do.
    :param default: its value where a spec leaves it out; None where a spec must give it.
    """

    name: str
    kind: type
    choices: tuple[str, ...] = ()
    default: int | float | str | None = None


@dataclass(frozen=True)
class Codec:
    """All that the project knows of a codec.

    :param name: how specs call it.
    :param make: its frozen dataclass; the fields are the options, of type int, float, str or Literal.
    :param example: a spec that suits tables of a few hundred columns, for messages and lists.
    :param good_for: what to take it for, in a few words.
    :param samples: specs for tables of `SAMPLE_ROWS` x `SAMPLE_DIM`, which together show everything that it can store. The first one stands for
        the codec where one is enough.
    :param search: what the planner tries for a table of V rows and D columns; None where it is not to choose this codec.
    :param fixed: options that the name itself implies.
    :param hidden: options of the class that this name does not offer.
    :param composes: whether ``+`` may follow.
    :param reads_tokens: whether the fit needs the bytes of each row's token.
    :param trained: whether its rows are meant to be trained with the model, as a fit to given weights loses much.
    :param row_options: options that count rows of the table, which a fit to some of the rows scales down.
    :param suited: changes the options of a target's default spec so that they suit a table of D columns; None leaves them.
    """

    name: str
    make: Callable[..., Coder]
    example: str
    good_for: str
    samples: tuple[str, ...]
    search: Callable[[int, int], SearchSpace] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    composes: bool = False
    reads_tokens: bool = False
    trained: bool = False
    row_options: tuple[str, ...] = ()
    suited: Callable[[Spec, int], Spec] | None = None

    def options(self) -> dict[str, Option]:
        """The options that a spec may set, by name.

        :raises TypeError: if a field is of a type that no option has.
        """
        kinds = typing.get_type_hints(self.make)
        left = [
            item
            for item in fields(self.make)  # type: ignore[arg-type]
            if item.name not in self.fixed and item.name not in self.hidden
        ]
        return {
            item.name: _option(item.name, kinds[item.name], None if item.default is MISSING else item.default)
            for item in left
        }


def _option(name: str, kind: Any, default: Any) -> Option:
    if kind in (int, float, str):
        return Option(name, kind, (), default)
    choices = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
    types = {type(choice) for choice in choices}
    if len(types) != 1 or not types <= {int, str}:
        raise TypeError(f"option {name} is of type {kind}: use int, float, str, or a Literal of one of them")
    return Option(name, types.pop(), tuple(str(choice) for choice in choices), default)

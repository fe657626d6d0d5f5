"""Codec `mixed`: bands of ids by frequency, each with its own spec.

The idea of adaptive inputs (Baevski & Auli 2019, arXiv 1809.10853) and mixed dimensions (Ginart et al. 2019,
arXiv 1909.11810): frequent ids are worth more bytes. Where frequencies are known and ids are not in that
order, a stored rank per id makes the bands ranges; without frequencies, ids are taken to be in order of
frequency, as the vocabularies of most tokenizers are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape, falling_order
from edgeemb.tables.fitting.parts import fit_part, part_nbytes, prefixed
from edgeemb.tables.program import Clip, Ids, Index, Rows, Select, Take
from edgeemb.tables.space import SearchSpace, numbers, parts, ranks
from edgeemb.tables.spec import Spec


@dataclass(frozen=True)
class Mixed:
    """The arrays of each band under ``band0_``, ``band1_`` and so on.

    Where ids are out of order, also ``ranks: int16[V]`` (int32 where V > 32768).
    """

    def encode(self, fit: Fit) -> Fitted:
        """Sort the ids and fit each band on its own.

        :param fit: the table and how to fit it.
        :raises SpecError: if a band begins beyond the table, or cannot be fitted.
        """
        rows = len(fit.weight)
        ranges = _ranges(fit.bands, rows)
        found = falling_order(fit.frequency)
        order = np.arange(rows) if found is None else found
        arrays: dict[str, NDArray[Any]] = {}
        index: Index = Ids()
        if found is not None:
            ranks = np.empty(rows, _rank_type(rows))
            ranks[order] = np.arange(rows)
            arrays["ranks"] = ranks
            index = Take("ranks", Ids())
        programs: list[Rows] = []
        for number, (low, high) in enumerate(ranges):
            ids = order[low:high]
            used = None if fit.frequency is None else fit.frequency[ids]
            tokens = _tokens_of(fit.tokens, ids, rows)
            try:
                part = fit_part(
                    replace(fit, seed=fit.seed + number, tokens=tokens),
                    fit.weight[ids],
                    fit.bands[number][1],
                    used,
                )
            except SpecError as error:
                raise _in_band(number, (low, high), error) from None
            stored, program = prefixed(part, f"band{number}_", Clip(index, low, high - low))
            arrays |= stored
            programs.append(program)
            fit.progress(high, rows)
        whole = programs.pop()
        for (_, bound), program in zip(reversed(ranges[:-1]), reversed(programs), strict=True):
            whole = Select(index, bound, program, whole)
        return Fitted(arrays, whole)

    def nbytes(self, shape: Shape) -> int:
        """Bytes of all bands, and of the ranks.

        :param shape: the table's shape.
        :raises SpecError: if a band begins beyond the table, or does not suit it.
        """
        ranges = _ranges(shape.bands, shape.rows)
        total = 0 if shape.order is None else shape.rows * np.dtype(_rank_type(shape.rows)).itemsize
        for number, (low, high) in enumerate(ranges):
            ids = slice(low, high) if shape.order is None else shape.order[low:high]
            used = None if shape.frequency is None else shape.frequency[ids]
            band = replace(shape, tokens=_tokens_of(shape.tokens, np.arange(shape.rows)[ids], shape.rows))
            try:
                total += part_nbytes(band, high - low, shape.dim, shape.bands[number][1], used)
            except SpecError as error:
                raise _in_band(number, (low, high), error) from None
        return total


def _ranges(bands: tuple[tuple[int | None, Spec], ...], rows: int) -> list[tuple[int, int]]:
    """The ranks of each band, from the first to one past the last."""
    bounds = [count for count, _ in bands[:-1] if count is not None]
    if bounds[-1] >= rows:
        raise SpecError(
            f"the band bound {bounds[-1]} is not below the table's {rows} rows: use smaller bounds"
        )
    return list(pairwise((0, *bounds, rows)))


def _rank_type(rows: int) -> type[np.int16 | np.int32]:
    return np.int16 if rows <= 1 << 15 else np.int32


def _tokens_of(
    tokens: tuple[bytes, ...] | None, ids: NDArray[np.int64], rows: int
) -> tuple[bytes, ...] | None:
    """Tokens of some ids; none where they are not those of this table."""
    if tokens is None or len(tokens) != rows:
        return None
    return tuple(tokens[token] for token in ids)


def _in_band(number: int, ranks: tuple[int, int], error: SpecError) -> SpecError:
    return SpecError(f"band {number}, ranks {ranks[0]} to {ranks[1] - 1}: {error}")


def _space(rows: int, dim: int) -> SearchSpace:
    widths = parts(dim, (2, 3, 4, 6, 8, 12, 16, 24))
    tails = (
        "int4",
        "int2",
        "binary",
        *(f"pq:m={part}" for part in widths),
        *(f"lowrank:rank={rank}+int4" for rank in ranks(dim, (1, 2, 4))),
    )
    axes = {
        "count": numbers(rows // part for part in (32, 16, 8, 4) if rows // part < rows),
        "head": ("int8", "int4", *(f"pq:m={part}" for part in widths[:2])),
        "tail": tails,
    }
    return SearchSpace("mixed:{count}={head},*={tail}", axes)


CODEC = Codec(
    "mixed",
    Mixed,
    "mixed:2000=int8,*=pq:m=48",
    "more bytes for frequent tokens, fewer for rare ones",
    (
        "mixed:40=int8,*=int4:block=16",
        "mixed:20=int8,100=int4:block=32,*=pq:m=8",
        "mixed:20=int8,*=ngram:n=2,lanes=4,dim=48",
    ),
    _space,
)

"""Codec `mixed`: bands of ids by frequency, each with a spec of its own.

The idea of adaptive inputs (Baevski & Auli 2019, arXiv 1809.10853) and mixed dimensions (Ginart et al. 2019,
arXiv 1909.11810): frequent ids are worth more bytes. Where frequencies are known and ids are not in that
order, a stored rank per id makes the bands ranges; without frequencies, ids are taken to be in order of
frequency, as the vocabularies of most tokenizers are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Fit, Fitted
from edgeemb.tables.fitting.parts import fit_part, prefixed
from edgeemb.tables.program import Clip, Ids, Index, Rows, Select, Take


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
        bounds = [count for count, _ in fit.bands[:-1] if count is not None]
        if bounds[-1] >= rows:
            raise SpecError(
                f"the band bound {bounds[-1]} is not below the table's {rows} rows: use smaller bounds"
            )
        order = np.arange(rows) if fit.frequency is None else np.argsort(-fit.frequency, kind="stable")
        arrays: dict[str, NDArray[Any]] = {}
        index: Index = Ids()
        if (order[1:] < order[:-1]).any():
            ranks = np.empty(rows, np.int16 if rows <= 1 << 15 else np.int32)
            ranks[order] = np.arange(rows)
            arrays["ranks"] = ranks
            index = Take("ranks", Ids())
        programs: list[Rows] = []
        for number, (low, high) in enumerate(zip([0, *bounds], [*bounds, rows], strict=True)):
            ids = order[low:high]
            used = None if fit.frequency is None else fit.frequency[ids]
            tokens = None if fit.tokens is None else tuple(fit.tokens[token] for token in ids)
            try:
                part = fit_part(
                    replace(fit, seed=fit.seed + number, tokens=tokens),
                    fit.weight[ids],
                    fit.bands[number][1],
                    used,
                )
            except SpecError as error:
                raise SpecError(f"band {number}, ranks {low} to {high - 1}: {error}") from None
            stored, program = prefixed(part, f"band{number}_", Clip(index, low, high - low))
            arrays |= stored
            programs.append(program)
            fit.progress(high, rows)
        whole = programs.pop()
        for bound, program in zip(reversed(bounds), reversed(programs), strict=True):
            whole = Select(index, bound, program, whole)
        return Fitted(arrays, whole)

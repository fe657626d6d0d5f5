"""Fitting a compressed table to a weight matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.progress import Progress, silent
from edgeemb.tables.codec import Fit, Fitted
from edgeemb.tables.registry import coder_of
from edgeemb.tables.spec import Spec, parse_spec
from edgeemb.tables.table import Table


def encode(
    weight: NDArray[np.float32],
    spec: Spec | str,
    *,
    frequency: NDArray[np.float64] | None = None,
    tokens: Sequence[bytes] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    name: str = "table",
) -> Table:
    """Fit a compressed table to a weight matrix.

    :param weight: float32[V, D], finite.
    :param spec: how to store it, for example ``int4:block=32``.
    :param frequency: float64[V], how often each id occurs: weights the fit of parameters that rows share. None counts all alike.
    :param tokens: bytes of each row's token, which `ngram` computes its rows from (`edgeemb.text.token_bytes.token_bytes`); or None.
    :param seed: equal seeds give equal tables.
    :param progress: called with (rows done, rows in all).
    :param name: what the table is called in messages.
    :return: the fitted table.
    :raises SpecError: if the spec is unknown or does not fit the shape.
    """
    parsed = parse_spec(spec) if isinstance(spec, str) else spec
    coder = coder_of(parsed)
    if weight.ndim != 2 or 0 in weight.shape:
        raise SpecError(f"{name} has shape {tuple(weight.shape)}: a table needs rows and columns")
    finite = np.isfinite(weight).all(axis=1)
    if not finite.all():
        raise SpecError(
            f"{name} holds NaN or infinite weights (first in row {int(finite.argmin())}): repair the model first"
        )
    if frequency is not None and (frequency.shape != weight.shape[:1] or not (frequency > 0).all()):
        raise SpecError(f"frequencies for {name} must be {weight.shape[0]} positive numbers")
    table = np.ascontiguousarray(weight, np.float32)
    try:
        fitted = coder.encode(
            Fit(
                table,
                frequency,
                seed,
                parsed.then,
                parsed.bands,
                progress,
                _fit_part,
                None if tokens is None else tuple(tokens),
            )
        )
    except SpecError as error:
        raise SpecError(f"table spec '{parsed}' for {name}: {error}") from None
    return Table(parsed, (weight.shape[0], weight.shape[1]), fitted.arrays, fitted.program)


def _fit_part(fit: Fit, spec: Spec) -> Fitted:
    return coder_of(spec).encode(fit)

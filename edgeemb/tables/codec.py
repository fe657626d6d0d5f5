"""The contract between `edgeemb.tables` and a codec: what a codec is given, and what it gives back.

A codec is one file with one frozen dataclass whose fields are the options of its spec and whose `encode` fits a table. Adding one
means adding the file and one line in `edgeemb.tables.CODECS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeemb.progress import Progress, silent
from edgeemb.tables.program import Rows
from edgeemb.tables.spec import Spec


@dataclass(frozen=True)
class Fit:
    """What a codec is given.

    :param weight: float32[V, D], finite.
    :param frequency: float64[V], how often each id occurs, positive; None counts every row alike.
    :param seed: seed of whatever is random in the fit; equal seeds give equal tables.
    :param then: spec behind ``+``: how the codec's own arrays are to be stored, or None.
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
class Fitted:
    """What a codec gives back: the stored arrays by name, and the lookup over them."""

    arrays: dict[str, NDArray[Any]]
    program: Rows


class Codec(Protocol):
    """A codec with its options set."""

    def encode(self, fit: Fit) -> Fitted:
        """Fit the table.

        :param fit: the table and how to fit it.
        :return: arrays and program; deterministic for a seed.
        """
        ...

"""Codec `fp32` and `fp16`: rows stored as floats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.program import Gather, Ids
from edgeemb.tables.space import SearchSpace

_FLOAT16_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Dense:
    """Float rows, ``rows: float32[V, D]`` or ``float16[V, D]``.

    :param bits: 32 or 16.
    """

    bits: int

    def encode(self, fit: Fit) -> Fitted:
        """Store the rows as they are.

        :param fit: the table and how to fit it.
        :raises SpecError: if a weight does not fit float16.
        """
        if self.bits == 16 and np.abs(fit.weight).max(initial=0.0) > _FLOAT16_MAX:
            raise SpecError(f"fp16: a weight is larger than {_FLOAT16_MAX:.0f}; use fp32 or int8")
        dtype = np.float32 if self.bits == 32 else np.float16
        rows = np.ascontiguousarray(fit.weight, dtype)
        fit.progress(len(rows), len(rows))
        return Fitted({"rows": rows}, Gather("rows", Ids()))

    def nbytes(self, shape: Shape) -> int:
        """Bytes of the rows.

        :param shape: the table's shape.
        """
        return shape.rows * shape.dim * self.bits // 8


def _space(rows: int, dim: int) -> SearchSpace:
    return SearchSpace("{codec}")


CODECS = (
    Codec("fp32", Dense, "fp32", "a table that stays exactly as it is", ("fp32",), _space, {"bits": 32}),
    Codec(
        "fp16",
        Dense,
        "fp16",
        "half the bytes, no loss that can be measured",
        ("fp16",),
        _space,
        {"bits": 16},
    ),
)

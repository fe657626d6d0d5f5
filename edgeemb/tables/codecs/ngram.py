"""Codec `ngram`: a row stores only the token's own bytes; the row is a hash of its n-grams.

Dynamic embeddings after EELBERT (Cohn et al. 2023, arXiv 2310.20144; see `edgeemb.tables.ngrams`). By itself, a row is unrelated to the
one it replaces: the model is trained on it. With ``proj=`` a learned matrix turns the hash of `dim` elements into the row; it is fitted to the
table by least squares, each row weighted by its frequency to the power of `_POWER`. This is only a starting point for training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.fitting.parts import as_half
from edgeemb.tables.ngrams import check_sizes, draw_seeds, join_tokens, rows_of_tokens
from edgeemb.tables.program import Add, Gather, Ids, MatMul, Modulo, NgramLookup

_CHUNK_ROWS = 4096
# Between counting every token alike and minimising the error over running text; chosen on MiniLM by the quality before training.
_POWER = 0.75
# Ridge penalty, as a part of the mean squared feature.
_RIDGE = 1e-3


@dataclass(frozen=True)
class Ngram:
    """A hash of ``tokens: uint8[total]``, cut apart by ``starts: int32[V + 1]``, with ``seeds: int16[dim]`` and ``bases: int16[lanes]``.

    With a projection also ``projection: float16[dim, D]`` (float32 with ``proj=fp32``) and ``bias: float16[1, D]``.

    :param n: longest n-gram.
    :param lanes: number of hashes, each with its own base; 1, 2, 4, 8 or 16.
    :param dim: elements of the hash; 0 for those of the table.
    :param proj: ``none``, ``fp16`` or ``fp32``: how the projection is stored; ``auto`` is none if `dim` is the table's, else fp16.
    """

    n: int = 3
    lanes: int = 8
    dim: int = 0
    proj: Literal["auto", "none", "fp16", "fp32"] = "auto"

    def encode(self, fit: Fit) -> Fitted:
        """Keep the tokens' bytes, draw the constants and fit the projection.

        :param fit: the table and how to fit it.
        :raises SpecError: if the tokens' bytes are not known, or the sizes do not suit the table.
        """
        rows, width = fit.weight.shape
        known, dim, proj = self._settled(rows, width, fit.tokens)
        tokens, starts = join_tokens(known)
        seeds, bases = draw_seeds(self.lanes, dim, fit.seed)
        longest = max(int(np.diff(starts).max()), 1)
        arrays: dict[str, NDArray[Any]] = {"tokens": tokens, "starts": starts, "seeds": seeds, "bases": bases}
        hashed = NgramLookup(Ids(), "tokens", "starts", "seeds", "bases", self.n, longest)
        if proj == "none":
            return Fitted(arrays, hashed)
        matrix, bias = _project(fit, arrays, self.n)
        keep = as_half if proj == "fp16" else _as_single
        arrays |= {
            "projection": keep(matrix, "the projection's weights"),
            "bias": keep(bias, "the projection's bias"),
        }
        return Fitted(arrays, Add(MatMul(hashed, "projection"), Gather("bias", Modulo(Ids(), 1))))

    def nbytes(self, shape: Shape) -> int:
        """Bytes of the tokens, the constants and the projection.

        :param shape: the table's shape, with its tokens.
        :raises SpecError: as in `encode`.
        """
        known, dim, proj = self._settled(shape.rows, shape.dim, shape.tokens)
        tokens, starts = join_tokens(known)
        constants = (dim + self.lanes) * 2
        projection = 0 if proj == "none" else (dim + 1) * shape.dim * (2 if proj == "fp16" else 4)
        return tokens.nbytes + starts.nbytes + constants + projection

    def _settled(
        self, rows: int, width: int, tokens: tuple[bytes, ...] | None
    ) -> tuple[tuple[bytes, ...], int, str]:
        """The tokens, the elements of the hash, and how the projection is stored."""
        if tokens is None or len(tokens) != rows:
            raise SpecError(
                "rows are computed from the text of their tokens: use it for the word table of a model with a tokenizer"
            )
        dim = self.dim or width
        proj = ("none" if dim == width else "fp16") if self.proj == "auto" else self.proj
        check_sizes(self.n, self.lanes, dim)
        if proj == "none" and dim != width:
            raise SpecError(f"without a projection dim must be the table's {width}, not {dim}")
        return tokens, dim, proj


def _as_single(array: NDArray[Any], what: str) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, np.float32)


def _project(
    fit: Fit, arrays: dict[str, NDArray[Any]], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted ridge regression of the rows on their hashes.

    :return: the matrix [dim, D] and the bias [1, D].
    """
    rows, dim = len(fit.weight), len(arrays["seeds"])
    weights = np.ones(rows) if fit.frequency is None else fit.frequency**_POWER
    weights = weights / weights.sum()
    moments = np.zeros((dim + 1, dim + 1))
    products = np.zeros((dim + 1, fit.weight.shape[1]))
    for low in range(0, rows, _CHUNK_ROWS):
        index = np.arange(low, min(low + _CHUNK_ROWS, rows))
        hashed = rows_of_tokens(
            arrays["tokens"], arrays["starts"], index, arrays["seeds"], arrays["bases"], n
        )
        features = np.concatenate([hashed, np.ones((len(hashed), 1), np.float32)], axis=1)
        weighted = (features * weights[index, None]).astype(np.float32)
        moments += weighted.T @ features
        products += weighted.T @ fit.weight[index]
        fit.progress(int(index[-1]) + 1, rows)
    moments[np.diag_indices(dim)] += _RIDGE * np.trace(moments[:dim, :dim]) / dim
    solution = np.linalg.solve(moments, products)
    return np.asarray(solution[:dim], np.float64), np.asarray(solution[dim:], np.float64)


CODEC = Codec(
    "ngram",
    Ngram,
    "ngram:n=3,dim=1024",
    "training: rows are computed from the text of their tokens",
    ("ngram:n=3,lanes=4", "ngram:n=2,lanes=4,dim=48"),
    reads_tokens=True,
    trained=True,
)

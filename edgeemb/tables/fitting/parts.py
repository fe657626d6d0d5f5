"""Codecs inside codecs: arrays of one codec stored with another, for ``+`` and for the bands of `mixed`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.progress import silent
from edgeemb.tables.codec import Fit, Fitted, Shape
from edgeemb.tables.program import Ids, Index, Node, Rows, run
from edgeemb.tables.spec import Spec

Floats = NDArray[np.float32]
NodeT = TypeVar("NodeT", bound=Node)
_ARRAY_FIELDS = ("array", "codes", "scales", "codebooks", "tokens", "starts", "seeds", "bases")
_CHUNK_ROWS = 8192
#: Bytes of a float16.
HALF = 2


def row_weights(fit: Fit) -> NDArray[np.float64]:
    """What each row counts in a fit: the square root of its frequency, or one.

    Text follows Zipf's law: weighted by the frequency itself, a few hundred ids would own all shared
    parameters and unseen text would suffer; unweighted, the common ids would. The root lies between the two.

    :param fit: what the codec is given.
    :return: float64[V], positive, with a mean of 1.
    """
    if fit.frequency is None:
        return np.ones(len(fit.weight))
    root = np.sqrt(fit.frequency)
    return np.asarray(root / root.mean(), np.float64)


def as_half(array: NDArray[Any], what: str) -> NDArray[np.float16]:
    """An array as float16.

    :param array: floats of any shape.
    :param what: name of the array for the message.
    :raises SpecError: if a value does not fit.
    """
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(array, np.float16)
    if not np.isfinite(half).all():
        raise SpecError(
            f"{what} do not fit float16: use a codec that keeps the range, such as int8:scale=fp32"
        )
    return half


def rebase(node: NodeT, prefix: str, index: Index) -> NodeT:
    """The same program over renamed arrays and another index.

    :param node: root of the tree.
    :param prefix: put before the name of every array.
    :param index: stands for `Ids` in the new tree.
    """
    if isinstance(node, Ids):
        return cast(NodeT, index)
    changes: dict[str, Any] = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if field.name in _ARRAY_FIELDS and value is not None:
            changes[field.name] = prefix + value
        elif isinstance(value, tuple):
            changes[field.name] = tuple(rebase(child, prefix, index) for child in value)
        elif is_dataclass(value):
            changes[field.name] = rebase(cast(Node, value), prefix, index)
    return cast(NodeT, replace(node, **changes))


def fit_part(fit: Fit, rows: Floats, spec: Spec, frequency: NDArray[np.float64] | None) -> Fitted:
    """Fit rows that a codec stores with another spec.

    :param fit: what the codec was given.
    :param rows: float32[R, d].
    :param spec: how to store them.
    :param frequency: float64[R], how often each of the rows is used, or None.
    """
    if fit.part is None:
        raise SpecError(f"'{spec}' cannot be fitted here: fit with edgeemb.tables.encode")
    part = replace(
        fit,
        weight=np.ascontiguousarray(rows, np.float32),
        frequency=frequency,
        then=spec.then,
        bands=spec.bands,
        progress=silent,
        tokens=_own_tokens(fit.tokens, len(rows)),
    )
    return fit.part(part, spec)


def part_nbytes(shape: Shape, rows: int, dim: int, spec: Spec, frequency: NDArray[np.float64] | None) -> int:
    """Bytes of what `fit_part` would give.

    :param shape: what the codec was given.
    :param rows: R.
    :param dim: d.
    :param spec: how the rows are stored.
    :param frequency: float64[R], how often each of the rows is used, or None.
    """
    if shape.part is None:
        raise SpecError(f"the bytes of '{spec}' are not known here: ask edgeemb.tables.nbytes")
    return shape.part(shape.resized(rows, dim, frequency, _own_tokens(shape.tokens, rows)), spec)


def _own_tokens(tokens: tuple[bytes, ...] | None, rows: int) -> tuple[bytes, ...] | None:
    """Rows that ids share stand for no token."""
    return tokens if tokens is not None and len(tokens) == rows else None


def prefixed(part: Fitted, prefix: str, index: Index) -> tuple[dict[str, NDArray[Any]], Rows]:
    """The arrays and the program of a part, as they appear in the whole.

    :param part: the fitted part.
    :param prefix: put before the name of every array.
    :param index: the part's own index.
    """
    return {prefix + name: array for name, array in part.arrays.items()}, rebase(part.program, prefix, index)


def decoded(part: Fitted, count: int) -> Floats:
    """The rows that a fitted part represents, for refitting what multiplies them.

    :param part: the fitted part.
    :param count: number of its rows, R.
    :return: float32[R, d].
    """
    chunks = [np.arange(low, min(low + _CHUNK_ROWS, count)) for low in range(0, count, _CHUNK_ROWS)]
    return np.concatenate([run(part.program, part.arrays, chunk) for chunk in chunks])

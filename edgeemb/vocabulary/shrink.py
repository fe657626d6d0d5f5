"""Applying a pruning to a model's arrays: its table, and an output layer over the same vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError


def vocabulary_arrays(arrays: Mapping[str, NDArray[Any]], table: str) -> list[str]:
    """Name the arrays with a row for each token: the table, a masked-LM decoder of its shape, and the bias.

    :param arrays: a model's arrays by name.
    :param table: name of its token table, of shape [V, D].
    :raises InputError: if there is no such table.
    """
    if table not in arrays or arrays[table].ndim != 2:
        raise InputError(f"'{table}' is not a table of this model; name one of shape [rows, columns]")
    shape = arrays[table].shape
    return [name for name, array in arrays.items() if array.shape in (shape, shape[:1])]


def shrink_arrays(
    arrays: Mapping[str, NDArray[Any]], kept: NDArray[np.int64], names: Iterable[str]
) -> dict[str, NDArray[Any]]:
    """The arrays with only the rows of kept tokens; arrays that were one object stay one.

    :param arrays: a model's arrays by name.
    :param kept: int64[V'], old id of each new one, as `edgeemb.vocabulary.prune` gives it.
    :param names: which of them have a row for each token, as `vocabulary_arrays` finds them.
    :return: all arrays; those not named are the same objects.
    :raises InputError: if one has fewer rows than the tokenizer has ids.
    """
    result = dict(arrays)
    shrunk: dict[int, NDArray[Any]] = {}
    for name in names:
        array = arrays[name]
        if kept.size and array.shape[0] <= int(kept.max()):
            raise InputError(
                f"'{name}' has {array.shape[0]} rows, but the tokenizer has id {int(kept.max())}; "
                f"use the model's own tokenizer"
            )
        result[name] = shrunk.setdefault(id(array), array[kept])
    return result

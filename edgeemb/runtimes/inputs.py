"""Checking the inputs of a model: once, before any runtime sees them, and with the same messages for all runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeemb.bundle.manifest import Manifest, TensorEntry
from edgeemb.errors import InputError
from edgeemb.tables import check_ids
from edgeemb.text import words

#: Name of the input that says which places hold a token.
MASK = "attention_mask"


def check_feeds(manifest: Manifest, feeds: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    """The inputs of a model as contiguous arrays of its dtypes.

    :param manifest: what the bundle takes.
    :param feeds: an array per input. Integers may come in any integer dtype that holds them, floats in any float or integer dtype.
    :return: an array per input, in the order of the manifest.
    :raises InputError: if an input is missing or not known, has another rank, another size along an axis than the manifest or another
        input says, values that its dtype cannot hold, or an id outside its table.
    """
    names = [info.name for info in manifest.inputs]
    for name in feeds:
        if name not in names:
            raise InputError(f"input '{name}' is not known: the model takes {_wanted(manifest)}")
    sizes: dict[str, tuple[int, str]] = {}
    checked: dict[str, NDArray[Any]] = {}
    for info in manifest.inputs:
        if info.name not in feeds:
            raise InputError(f"input '{info.name}' is missing: the model takes {_wanted(manifest)}")
        value = np.asarray(feeds[info.name])
        _check_shape(info, value, sizes, manifest.bounds)
        if manifest.tokenizer == words.NAME and info is manifest.inputs[0] and value.dtype != np.uint8:
            raise InputError(
                f"token bytes are uint8{_axes(info)}, not {value.dtype}: make them with session.tokenize"
            )
        checked[info.name] = _as_dtype(info, value)
    if manifest.max_length and MASK in checked:
        _check_mask(checked[MASK])
    return checked


def _check_shape(
    info: TensorEntry, value: NDArray[Any], sizes: dict[str, tuple[int, str]], bounds: Mapping[str, int]
) -> None:
    """Refuse another rank or size; `sizes` holds the sizes of named axes so far, each with the input that set it."""
    if value.ndim != len(info.axes):
        raise InputError(
            f"input '{info.name}' has shape {list(value.shape)}: the model takes {info.dtype}{_axes(info)}"
        )
    for place, (size, axis) in enumerate(zip(value.shape, info.axes, strict=True)):
        if size == 0:
            raise InputError(
                f"input '{info.name}' has shape {list(value.shape)}: give at least one along axis {place}"
            )
        if isinstance(axis, int):
            if size != axis:
                raise InputError(
                    f"input '{info.name}' has shape {list(value.shape)}: axis {place} is {axis} long in this model"
                )
            continue
        if axis in bounds and size > bounds[axis]:
            raise InputError(
                f"input '{info.name}' has {size} along the axis '{axis}': the model takes at most {bounds[axis]}"
            )
        known, by = sizes.setdefault(axis, (size, info.name))
        if known != size:
            raise InputError(
                f"input '{info.name}' has {size} along the axis '{axis}', '{by}' has {known}: give both the same"
            )


def _as_dtype(info: TensorEntry, value: NDArray[Any]) -> NDArray[Any]:
    """The values in the input's dtype, if it can hold them as they are."""
    wanted = np.dtype(info.dtype)
    if info.rows is not None:
        value = check_ids(_whole(info, value), info.rows, info.name)
    if value.dtype == wanted:
        return np.ascontiguousarray(value)
    if np.issubdtype(wanted, np.floating):
        if not (np.issubdtype(value.dtype, np.number) and not np.iscomplexobj(value)):
            raise _wrong_dtype(info, value)
        return np.ascontiguousarray(value, wanted)
    if np.issubdtype(wanted, np.integer) and (np.issubdtype(value.dtype, np.integer) or value.dtype == bool):
        limits = np.iinfo(wanted)
        if value.size and not (limits.min <= int(value.min()) and int(value.max()) <= limits.max):
            raise InputError(
                f"input '{info.name}' holds values from {value.min()} to {value.max()}, more than {wanted} can hold"
            )
        return np.ascontiguousarray(value, wanted)
    if wanted.kind == "b" and np.issubdtype(value.dtype, np.integer) and np.isin(value, (0, 1)).all():
        return np.ascontiguousarray(value, wanted)
    raise _wrong_dtype(info, value)


def _whole(info: TensorEntry, value: NDArray[Any]) -> NDArray[Any]:
    """Ids as integers, where a finished model takes them as floats."""
    if not np.issubdtype(np.dtype(info.dtype), np.floating) or np.issubdtype(value.dtype, np.integer):
        return value
    if not np.issubdtype(value.dtype, np.floating) or not np.array_equal(value, np.trunc(value)):
        raise InputError(
            f"ids for the {info.name} are not whole numbers: pass ids, as {info.dtype} or integers"
        )
    return value.astype(np.int64)


def _check_mask(mask: NDArray[Any]) -> None:
    """Refuse masks of anything but 0 and 1, and rows without a token, whose vector would mean nothing."""
    if not np.isin(mask, (0, 1)).all():
        raise InputError(f"input '{MASK}' holds values other than 0 and 1: use 1 for tokens")
    empty = ~(mask != 0).any(axis=tuple(range(1, mask.ndim)))
    if empty.any():
        raise InputError(
            f"row {int(empty.argmax())} of '{MASK}' has no token: remove it, its vector would mean nothing"
        )


def _wrong_dtype(info: TensorEntry, value: NDArray[Any]) -> InputError:
    return InputError(f"input '{info.name}' is {value.dtype}: the model takes {info.dtype}{_axes(info)}")


def _axes(info: TensorEntry) -> str:
    return f"[{', '.join(map(str, info.axes))}]"


def _wanted(manifest: Manifest) -> str:
    return ", ".join(f"{info.name} {info.dtype}{_axes(info)}" for info in manifest.inputs)

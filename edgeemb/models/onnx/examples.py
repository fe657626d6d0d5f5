"""Inputs for a model that takes no text: given by the user, or made up so that the original runs on them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import ModelError
from edgeemb.models.base import TensorInfo
from edgeemb.models.onnx.tables import POSITIONS, TYPES

Feeds = dict[str, NDArray[Any]]

#: Sets of made-up inputs.
COUNT = 4
_LENGTH = 16
_SEED = 3
_LENGTHS = re.compile(r"len(gth)?s?(\b|_|$)", re.I)


def made_up(
    inputs: Sequence[TensorInfo], rows: Mapping[str, int], run: Callable[[Feeds], object]
) -> list[Feeds]:
    """Inputs on which a model runs: axes of one name have one size; two rows in a batch, or one if it takes no more.

    :param inputs: what the model takes.
    :param rows: by name of an input of ids, how many there are.
    :param run: computes the original, and raises `ModelError` where it refuses the inputs.
    :raises ModelError: if it refuses all that is tried, with its first words.
    """
    refusals: list[ModelError] = []
    for sizes in _sizes(inputs):
        random = np.random.default_rng(_SEED)
        feeds = [
            {info.name: _array(info, sizes[info.name], rows.get(info.name), random) for info in inputs}
            for _ in range(COUNT)
        ]
        try:
            run(feeds[0])
        except ModelError as error:
            refusals.append(error)
            continue
        return feeds
    raise ModelError(
        f"{refusals[0]}; the inputs were made up: give some that it runs on as `example_inputs`, or write the bundle `unchecked`"
    ) from refusals[0]


def _sizes(inputs: Sequence[TensorInfo]) -> Iterator[dict[str, tuple[int, ...]]]:
    """Shapes of all inputs, most likely first."""
    seen = []
    for batch in (2, 1):
        for free in ("length", "batch"):
            named: dict[str, int] = {}
            for info in inputs:
                if len(info.axes) > 1 and isinstance(info.axes[0], str):
                    named.setdefault(info.axes[0], batch)
            shapes = {}
            for info in inputs:
                alone = batch if free == "batch" and len(info.axes) == 1 else _LENGTH
                shapes[info.name] = tuple(_size(axis, named, alone) for axis in info.axes)
            if shapes not in seen:
                seen.append(shapes)
                yield shapes


def _size(axis: str | int, named: Mapping[str, int], otherwise: int) -> int:
    """Size of an axis; a name may be a sum, such as ``past_length + 1``."""
    if isinstance(axis, int):
        return axis
    if axis in named:
        return named[axis]
    parts = [part.strip() for part in axis.split("+")]
    if len(parts) > 1:
        return sum(int(part) if part.isdigit() else _size(part, named, _LENGTH) for part in parts if part)
    return otherwise


def _array(
    info: TensorInfo, shape: tuple[int, ...], rows: int | None, random: np.random.Generator
) -> NDArray[Any]:
    if rows is not None:
        return random.integers(0, rows, shape).astype(info.dtype)
    if np.issubdtype(np.dtype(info.dtype), np.floating):
        return random.standard_normal(shape).astype(info.dtype)
    if POSITIONS.fullmatch(info.name):
        return np.broadcast_to(np.arange(shape[-1] if shape else 1), shape).astype(info.dtype)
    if TYPES.fullmatch(info.name):
        return np.zeros(shape, info.dtype)
    return np.full(shape, _LENGTH if _LENGTHS.search(info.name) and len(shape) < 2 else 1).astype(info.dtype)


def given(
    inputs: Sequence[TensorInfo],
    examples: str | Path | Sequence[Any] | Mapping[str, Any],
    where: str,
) -> list[Feeds]:
    """The user's own inputs, checked against what the model takes.

    :param inputs: what the model takes.
    :param examples: arrays by name, or in the order of the inputs, or an ``.npz`` file of them.
    :param where: what to call the model in an error.
    :return: one set of inputs.
    :raises ModelError: if they cannot be read, or do not fit.
    """
    held = read_npz(Path(examples)) if isinstance(examples, (str, Path)) else examples
    names = [info.name for info in inputs]
    if not isinstance(held, Mapping):
        held = dict(zip(names, held, strict=False))
    wrong = sorted(set(held) ^ set(names))
    if wrong:
        raise ModelError(
            f"`example_inputs` of {where}: '{wrong[0]}' is "
            f"{'missing' if wrong[0] in names else 'not an input of it'}; it takes {', '.join(names)}"
        )
    feeds = {}
    sizes: dict[str, int] = {}
    for info in inputs:
        array = np.asarray(held[info.name])
        if array.dtype.kind not in "biuf" or array.ndim != len(info.axes):
            raise ModelError(
                f"`example_inputs` of {where}: '{info.name}' is {array.dtype}{list(array.shape)}, "
                f"it takes {info.dtype}{list(info.axes)}"
            )
        for axis, size in zip(info.axes, array.shape, strict=True):
            if size != (axis if isinstance(axis, int) else sizes.setdefault(axis, size)):
                raise ModelError(
                    f"`example_inputs` of {where}: '{info.name}' has shape {list(array.shape)}, it takes {list(info.axes)}"
                )
        if info.rows is not None and array.size and not 0 <= array.min() <= array.max() < info.rows:
            raise ModelError(f"`example_inputs` of {where}: '{info.name}' holds ids outside [0, {info.rows})")
        feeds[info.name] = np.ascontiguousarray(array.astype(info.dtype))
    return [feeds]


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file; nothing pickled is read.

    :param path: the file.
    :raises ModelError: if it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, BadZipFile, AttributeError, KeyError) as error:
        raise ModelError(
            f"{path} is not an .npz file of arrays ({error}): write it with numpy.savez"
        ) from error

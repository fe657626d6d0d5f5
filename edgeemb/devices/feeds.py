"""Made-up inputs for measurements: the same for every bundle with the same vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest, TensorEntry
from edgeemb.errors import DeviceError
from edgeemb.runtimes.registry import find_runtime
from edgeemb.text import words
from edgeemb.text.feeds import pad_words, text_feeds

_SEED = 20


def make_feeds(manifest: Manifest, length: int) -> dict[str, NDArray[Any]]:
    """Inputs for one inference: ids all over their table, masks and other integers 1, floats random.

    :param manifest: what the bundle takes.
    :param length: sequence length; fills every axis of free size but the first, or, where no input has such
        an axis, the first.
    :return: an array per input.
    """
    if manifest.tokenizer == words.NAME:
        width = int(manifest.inputs[0].axes[-1])
        values, mask = pad_words([words.tokenize(make_text(length), width, length)], width)
        return text_feeds([info.name for info in manifest.inputs], values, mask)
    sequences = any(isinstance(axis, str) for info in manifest.inputs for axis in info.axes[1:])
    return {info.name: _values(info, _shape(info, length, sequences=sequences)) for info in manifest.inputs}


def make_text(length: int) -> str:
    """A text of different words of five letters, which is so many tokens by the tokenizer `words`, special ones included.

    :param length: tokens, from 2 on.
    """
    random = np.random.default_rng(_SEED)
    letters = random.integers(ord("a"), ord("z") + 1, (max(length - 2, 0), 5)).astype(np.uint8)
    return " ".join(word.tobytes().decode("ascii") for word in letters)


def refusal(manifest: Manifest, length: int) -> str:
    """Why a bundle cannot be run at a sequence length; empty if it can.

    :param manifest: what the bundle takes.
    :param length: sequence length in tokens.
    """
    if manifest.lengths and length not in manifest.lengths:
        return f"the bundle takes only the lengths {', '.join(map(str, manifest.lengths))}"
    if manifest.max_length and length > manifest.max_length:
        return f"the bundle takes at most {manifest.max_length} tokens"
    return ""


def check_takes_ids(name: str, manifest: Manifest) -> None:
    """Refuse a C export that takes text, for a runner that gives ids to it.

    :param name: what to call the bundle in the error.
    :param manifest: its manifest.
    :raises DeviceError: if it has no vocabulary.
    """
    if find_runtime(manifest.runtime).is_source and manifest.tokenizer == words.NAME:
        raise DeviceError(
            f"{name} has no vocabulary, and this device gives ids to C exports: profile it on a board, such as mps2-an386, "
            'or export the model with runtime="onnx"'
        )


def _shape(info: TensorEntry, length: int, *, sequences: bool) -> tuple[int, ...]:
    free = [1 if place == 0 and sequences else length for place in range(len(info.axes))]
    return tuple(axis if isinstance(axis, int) else size for axis, size in zip(info.axes, free, strict=True))


def _values(info: TensorEntry, shape: tuple[int, ...]) -> NDArray[Any]:
    random = np.random.default_rng(_SEED)
    if info.rows is not None:
        return random.integers(0, info.rows, shape).astype(info.dtype)
    if np.issubdtype(np.dtype(info.dtype), np.floating):
        return random.standard_normal(shape).astype(info.dtype)
    return np.ones(shape, info.dtype)

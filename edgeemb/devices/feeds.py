"""Made-up inputs for measurements: the same for every bundle with the same vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest, TensorEntry
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError
from edgeemb.runtimes.registry import find_runtime
from edgeemb.text import words
from edgeemb.text.feeds import pad_words, text_feeds

_SEED = 20
#: Sequence lengths that are measured where nothing else is said.
USUAL_LENGTHS = (16, 128)


def make_feeds(manifest: Manifest, length: int) -> dict[str, NDArray[Any]]:
    """Inputs for one inference: ids spread over their table, ones for masks and other integers, random floats.

    :param manifest: what the bundle takes.
    :param length: sequence length; fills every axis of free size but that of the batch.
    :return: an array per input.
    """
    if manifest.tokenizer == words.NAME:
        width = int(manifest.inputs[0].axes[-1])
        values, mask = pad_words([words.tokenize(make_text(length), width, length)], width)
        return text_feeds([info.name for info in manifest.inputs], values, mask)
    sequences = any(isinstance(axis, str) for info in manifest.inputs for axis in info.axes[1:])
    return {info.name: _values(info, _shape(info, length, sequences=sequences)) for info in manifest.inputs}


def make_text(length: int) -> str:
    """A text of distinct five-letter words that has this many tokens with the tokenizer `words`, special ones included.

    :param length: tokens, from 2 on.
    """
    random = np.random.default_rng(_SEED)
    letters = random.integers(ord("a"), ord("z") + 1, (max(length - 2, 0), 5)).astype(np.uint8)
    return " ".join(word.tobytes().decode("ascii") for word in letters)


def own_lengths(manifest: Manifest) -> tuple[int, ...]:
    """The only sequence lengths that a bundle takes; empty if it takes any.

    :param manifest: what the bundle takes.
    """
    if manifest.lengths:
        return tuple(manifest.lengths)
    sequences = [info.axes[1] for info in manifest.inputs if len(info.axes) > 1]
    fixed = {axis for axis in sequences if isinstance(axis, int)}
    return (max(fixed),) if fixed and all(isinstance(axis, int) for axis in sequences) else ()


def settled(plan: ProfilePlan, manifests: Sequence[Manifest]) -> ProfilePlan:
    """A plan whose missing lengths are filled in: those that the bundles were made for, or the usual ones.

    :param plan: what is to be measured.
    :param manifests: of the bundles that are measured.
    """
    if plan.lengths:
        return plan
    known = [own_lengths(manifest) for manifest in manifests]
    lengths = sorted({length for own in known for length in own}) if all(known) else USUAL_LENGTHS
    return replace(plan, lengths=tuple(lengths))


def refusal(manifest: Manifest, length: int) -> str:
    """Why a bundle cannot be run at a sequence length; empty if it can.

    :param manifest: what the bundle takes.
    :param length: sequence length in tokens.
    """
    own = own_lengths(manifest)
    if own and length not in own:
        return f"the bundle takes only the length{'s' * (len(own) > 1)} {', '.join(map(str, own))}"
    most = manifest.max_length or manifest.bounds.get("length", 0)
    if most and length > most:
        return f"the bundle takes at most {most} tokens"
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
    free = [
        1 if axis == "batch" or (place == 0 and sequences) else length for place, axis in enumerate(info.axes)
    ]
    return tuple(axis if isinstance(axis, int) else size for axis, size in zip(info.axes, free, strict=True))


def _values(info: TensorEntry, shape: tuple[int, ...]) -> NDArray[Any]:
    random = np.random.default_rng(_SEED)
    if info.rows is not None:
        return random.integers(0, info.rows, shape).astype(info.dtype)
    if np.issubdtype(np.dtype(info.dtype), np.floating):
        return random.standard_normal(shape).astype(info.dtype)
    return np.ones(shape, info.dtype)

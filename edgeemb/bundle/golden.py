"""The golden vectors of a bundle, and how close a device comes to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeemb.bundle.manifest import GOLDEN
from edgeemb.errors import BundleError
from edgeemb.files import read_json
from edgeemb.metrics import cosine

MAX_BYTES = 64 * 2**20


def read_golden(folder: Path) -> list[tuple[Any, list[float]]]:
    """Inputs and the results that the export recorded for them: ids of texts, or raw inputs by name if there is no vocabulary.

    :param folder: the bundle.
    :return: pairs of input and flat output; none for a bundle without.
    :raises BundleError: if the file cannot be read.
    """
    path = folder / GOLDEN
    values = read_json(path, MAX_BYTES, BundleError) if path.is_file() else {}
    try:
        if "first_values" in values:
            # An output that is too long for the file is not compared.
            return []
        if "inputs" in values:
            if any(np.asarray(value).dtype.kind not in "iufb" for value in values["inputs"].values()):
                raise ValueError("an input is not an array of numbers")
            return [(values["inputs"], np.asarray(values["output"], np.float64).reshape(-1).tolist())]
        if "tokens" in values:
            return list(zip(map(_token_bytes, values["tokens"]), values["output"], strict=True))
        return list(zip(values.get("ids", []), values.get("output", []), strict=True))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} holds no golden vectors ({error}): export the bundle again") from None


def read_golden_texts(folder: Path) -> list[tuple[bytes, list[float]]]:
    """The golden texts of a bundle as UTF-8, and the results that the export recorded for them.

    :param folder: the bundle.
    :raises BundleError: if the file cannot be read.
    """
    path = folder / GOLDEN
    values = read_json(path, MAX_BYTES, BundleError)
    try:
        return list(zip((text.encode() for text in values["sentences"]), values["output"], strict=True))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} holds no golden texts ({error}): export the bundle again") from None


def _token_bytes(tokens: Sequence[str]) -> dict[str, Any]:
    """Inputs of a model without a vocabulary from its tokens in hexadecimal, each as wide as the model takes them."""
    return {
        "token_bytes": [[list(bytes.fromhex(token)) for token in tokens]],
        "attention_mask": [[1] * len(tokens)],
    }


def agreement(expected: Sequence[Sequence[float]], got: Sequence[Sequence[float]]) -> str:
    """A sentence on how close results are to the golden ones.

    :param expected: the golden results.
    :param got: what the device gave.
    :raises BundleError: if they have different sizes.
    """
    if not expected:
        return "The bundle has no golden vectors to check the results against."
    pairs = [
        (np.asarray(a, np.float32), np.asarray(b, np.float32)) for a, b in zip(expected, got, strict=True)
    ]
    if any(want.shape != found.shape for want, found in pairs):
        raise BundleError("the results and the golden vectors differ in size: export the bundle again")
    same = sum(want.tobytes() == found.tobytes() for want, found in pairs)
    if same == len(pairs):
        return f"{same} of {same} golden sentences gave the host's result to the bit."
    least = min(float(cosine(want[None], found[None])[0]) for want, found in pairs)
    return (
        f"Golden sentences against the host: cosine {least:.6f} or more over {len(pairs)}, {same} to the bit."
    )

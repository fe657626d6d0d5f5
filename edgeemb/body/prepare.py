"""What is done to a body before a writer gets it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeemb.body.grid import BLOCK, trained_grid
from edgeemb.body.precision import PRECISIONS
from edgeemb.bundle.manifest import BodyEntry, BodyStep
from edgeemb.models.base import LoadedModel


@dataclass(frozen=True)
class Prepared:
    """A model whose body is ready to be written.

    :param model: the model, or a changed copy.
    :param entry: what the manifest says of the body; None where it stays as it came.
    """

    model: LoadedModel
    entry: BodyEntry | None = None


def prepare(model: LoadedModel, body: str, corpus: Path | None, seed: int) -> Prepared:
    """Prepare the body of a model for a precision. A finished model stays as it is.

    :param model: the model, which is left as it is.
    :param body: a key of `PRECISIONS`.
    :param corpus: calibration texts; None for the packaged sentences.
    :param seed: seed of the choice of lines.
    :raises InputError: if the calibration texts cannot be used.
    """
    alpha = PRECISIONS[body].alpha
    if model.runtimes or alpha is None:
        return Prepared(model)
    # They import torch, which whoever exports a model that is not finished has.
    from edgeemb.body.layers import linear_layers
    from edgeemb.body.smoothing import smooth
    from edgeemb.models.lines import sample_feeds

    whole = model.torch_model()
    layers = linear_layers(whole.module)
    open_layers = [
        name for name, layer in layers.items() if not _trained(layer.weight.detach().numpy(), body)
    ]
    if not open_layers:
        return Prepared(model, BodyEntry(body))
    feeds = sample_feeds(model, corpus, seed)
    smoothed = smooth(whole, dict.fromkeys(open_layers, alpha), feeds)
    if smoothed.reason:
        return Prepared(model, BodyEntry(body, [BodyStep("not smoothed", smoothed.reason)]))
    done = len(smoothed.folded) + len(smoothed.scaled)
    ways = [(len(smoothed.folded), "within normalisations"), (len(smoothed.scaled), "by a multiplication")]
    details = f"{done} of {len(layers)} matrix products, alpha {alpha:g}: " + ", ".join(
        f"{count} {way}" for count, way in ways if count
    )
    texts = "the packaged sentences" if corpus is None else corpus.name
    return Prepared(
        smoothed.model, BodyEntry(body, [BodyStep("smoothed", f"{details}; calibrated on {texts}")])
    )


def _trained(matrix: NDArray[np.float32], body: str) -> bool:
    """Whether a matrix was trained for the grid of a precision: it stays on it."""
    bits = 4 if body == "int4" else 8
    return trained_grid(matrix, bits, BLOCK if bits == 4 else matrix.shape[1]) is not None

"""Making the vectors of a model smaller: texts that a spec is fitted on, and the model with the projection in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import VectorsEntry
from edgeemb.errors import InputError, SpecError
from edgeemb.models.base import LoadedModel
from edgeemb.models.lines import LINE_TOKENS, ids_of, line_feeds, sample_lines, word_feeds
from edgeemb.tasks.registry import EMBEDDING
from edgeemb.text.sentences import sentences
from edgeemb.vectors.fit import Fitted, check_vectors, enough_texts, fit_vectors, learns
from edgeemb.vectors.reduction import ENOUGH
from edgeemb.vectors.registry import codes_of
from edgeemb.vectors.spec import VectorSpec

#: Parts of a sentence that count as texts, as fractions of its words.
_PARTS = (2, 3, 4)


@dataclass(frozen=True)
class SmallVectors:
    """A model whose vectors were made smaller.

    :param model: the model, which gives floats of length 1.
    :param entry: what the manifest says of the vectors.
    """

    model: LoadedModel
    entry: VectorsEntry


def make_small(model: LoadedModel, spec: VectorSpec, corpus: Path | None, seed: int) -> SmallVectors:
    """Fit a spec to a model, and make the projection a part of it.

    :param model: the model, which is left as it is.
    :param spec: which dimensions are kept, and how they are stored.
    :param corpus: texts to fit it on, one a line; None for the packaged sentences.
    :param seed: seed of the choice of lines, and of a rotation.
    :raises SpecError: if the model gives no vector per text, or vectors that the spec cannot have.
    :raises InputError: if the texts cannot be used, or are too few.
    """
    check_vectors(spec, _width(model, spec))
    many = learns(spec)
    texts = sample_texts(corpus, seed, many=many, most=enough_texts(spec))
    fitted = fit_vectors(spec, vectors_of(model, texts), seed)
    what = "the packaged sentences" if corpus is None else corpus.name
    pieces = ", their parts and pairs" if many and corpus is None else ""
    return SmallVectors(
        model.with_projection(fitted.projection),
        _entry(fitted, _digest(fitted, texts if many else [], seed), f"{len(texts)} texts: {what}{pieces}"),
    )


def vectors_of(model: LoadedModel, texts: list[str]) -> NDArray[np.float32]:
    """A model's own vectors, in any order.

    :param model: a model of vectors.
    :param texts: the texts; those without a token are left out.
    :return: float32[N, D].
    :raises InputError: if no text has a token.
    """
    if model.words is not None:
        feeds = word_feeds(model, texts)
    else:
        feeds = line_feeds(model, ids_of(model, texts, LINE_TOKENS))
    if not feeds:
        raise InputError("no calibration text has a token: give a text file with one text a line")
    return np.concatenate([np.asarray(model.reference(given)[0], np.float32) for given in feeds])


def _width(model: LoadedModel, spec: VectorSpec) -> int:
    """Dimensions of a model's vectors."""
    axes = model.outputs[0].axes
    if model.kind != EMBEDDING.name or not model.takes_text or len(axes) != 2 or not isinstance(axes[1], int):
        gives = (
            f"is for {model.task.title}" if model.task is not None else "says nothing of what its outputs are"
        )
        raise SpecError(
            f"vectors '{spec}' are for models that give one vector per text, and {model.name} {gives}: leave `vectors` out"
        )
    return axes[1]


def sample_texts(corpus: Path | None, seed: int, *, many: bool, most: int = ENOUGH) -> list[str]:
    """Different texts that a spec is fitted on.

    :param corpus: texts, one a line; None for the packaged sentences.
    :param seed: seed of the choice of lines.
    :param many: whether parts and pairs of the packaged sentences are texts too.
    :param most: texts of a corpus at most.
    """
    if corpus is not None:
        found = sample_lines(corpus, most, seed)
    else:
        found = [*sentences(), *_parts_and_pairs(sentences())] if many else sentences()
    return list(dict.fromkeys(found))


def _parts_and_pairs(texts: list[str]) -> Iterator[str]:
    """Texts of other lengths: runs of words, half of them from the run before, and each sentence with some of those after it."""
    for place, text in enumerate(texts):
        words = text.split()
        for size in (len(words) // part for part in _PARTS):
            if size >= 2:
                for low in range(0, len(words) - size + 1, max(1, size // 2)):
                    yield " ".join(words[low : low + size])
        for step in range(1, 6):
            yield f"{text} {texts[(place + step * step) % len(texts)]}"


def _digest(fitted: Fitted, texts: list[str], seed: int) -> str:
    """Stands for what a projection came from; empty for none. Of the matrix itself the last bits differ between machines."""
    if fitted.projection.matrix is None:
        return ""
    spec = fitted.spec
    rotation = codes_of(spec).rotation
    origin = repr((spec.reduction, spec.size, rotation, seed, *texts))
    return hashlib.sha256(origin.encode()).hexdigest()[:16]


def _entry(fitted: Fitted, digest: str, calibration: str) -> VectorsEntry:
    codes, dim = codes_of(fitted.spec), fitted.projection.dim
    return VectorsEntry(
        spec=str(fitted.spec),
        dim=dim,
        dtype=codes.dtype,
        width=codes.width(dim),
        measure=codes.measure,
        scales=list(fitted.scales),
        fitted=digest,
        calibration=calibration,
        agreement=round(fitted.agreement, 6),
    )

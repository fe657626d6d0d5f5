"""Quality of embeddings where texts are grouped: clusters that agree with labels, and pairs that belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeemb.errors import EdgeembError, InputError
from edgeemb.metrics import cosine
from edgeemb.progress import Progress, silent
from edgeemb.report.encoding import Encoder, embed
from edgeemb.text.pairs import read_labelled, read_pairs
from edgeemb.vectors.codes import unit

#: Clusterings from different beginnings, of which scikit-learn keeps the best.
_BEGINNINGS = 10


@dataclass(frozen=True)
class ClustersResult:
    """Clustering by k-means, with as many clusters as there are labels.

    :param v_measure: agreement of clusters and labels (Rosenberg and Hirschberg 2007), times 100.
    :param texts: how many texts.
    :param labels: how many labels.
    """

    v_measure: float
    texts: int
    labels: int

    def to_json(self) -> dict[str, float | int]:
        """The result as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class DuplicatesResult:
    """Telling pairs that belong together from pairs that do not, by their cosine.

    :param average_precision: mean precision over all thresholds, times 100.
    :param pairs: how many pairs.
    :param positive: how many of them belong together.
    """

    average_precision: float
    pairs: int
    positive: int

    def to_json(self) -> dict[str, float | int]:
        """The result as JSON values."""
        return asdict(self)


def evaluate_clusters(
    session: Encoder, path: Path, *, seed: int = 0, progress: Progress = silent
) -> ClustersResult:
    """How well clusters of embeddings agree with labels.

    :param session: what embeds the texts.
    :param path: lines of ``text<TAB>label`` (`edgeemb.text.pairs.read_labelled`).
    :param seed: seed of where the clusters begin.
    :param progress: called with (texts done, texts in all).
    :raises InputError: if the file is unusable, or has only one label.
    :raises EdgeembError: if scikit-learn is not installed.
    """
    cluster = _scikit("cluster", "KMeans")
    agreement = _scikit("metrics", "v_measure_score")
    labelled = read_labelled(path)
    known = sorted(set(labelled.labels))
    if len(known) < 2:
        raise InputError(f"{path} has the one label '{known[0]}': clusters need at least two")
    vectors = unit(embed(session, labelled.texts, progress=progress))
    found = cluster(len(known), n_init=_BEGINNINGS, random_state=seed).fit_predict(vectors)
    return ClustersResult(100 * float(agreement(labelled.labels, found)), len(labelled.texts), len(known))


def evaluate_duplicates(session: Encoder, path: Path, *, progress: Progress = silent) -> DuplicatesResult:
    """Average precision of the cosine on pairs of texts that belong together or do not.

    :param session: what embeds the texts.
    :param path: lines of ``1 or 0<TAB>sentence<TAB>sentence`` (`edgeemb.text.pairs.read_pairs`).
    :param progress: called with (texts done, texts in all).
    :raises InputError: if the file is unusable, has other scores, or only one of the two.
    :raises EdgeembError: if scikit-learn is not installed.
    """
    precision = _scikit("metrics", "average_precision_score")
    pairs = read_pairs(path)
    if set(pairs.scores) != {0.0, 1.0}:
        raise InputError(
            f"{path}: expected pairs with the score 1, which belong together, and pairs with the score 0, some of each"
        )
    vectors = embed(session, [*pairs.first, *pairs.second], progress=progress)
    count = len(pairs.scores)
    similarity = cosine(vectors[:count], vectors[count:])
    truth = np.asarray(pairs.scores, np.int64)
    return DuplicatesResult(100 * float(precision(truth, similarity)), count, int(truth.sum()))


def _scikit(module: str, name: str) -> Callable[..., Any]:
    try:
        from importlib import import_module

        found: Callable[..., Any] = getattr(import_module(f"sklearn.{module}"), name)
    except ImportError as error:
        raise EdgeembError("this measure needs scikit-learn: pip install 'edgeemb[evaluate]'") from error
    return found

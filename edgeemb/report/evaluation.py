"""Quality of embeddings: Spearman correlation on sentence pairs, accuracy of a linear classifier, searches and groups."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeemb.errors import EdgeembError, InputError, SpecError
from edgeemb.metrics import cosine, spearman
from edgeemb.progress import Progress, Steps, no_steps, silent
from edgeemb.report.encoding import Encoder, embed
from edgeemb.report.grouping import (
    ClustersResult,
    DuplicatesResult,
    evaluate_clusters,
    evaluate_duplicates,
)
from edgeemb.report.retrieval import CANDIDATES, RetrievalResult, evaluate_retrieval
from edgeemb.runtimes import open_bundle
from edgeemb.text.pairs import read_labelled, read_pairs
from edgeemb.text.retrieval import read_retrieval

#: Inverse strength of the classifier's L2 penalty.
CLASSIFIER_C = 10.0

CLASSIFIER_ROUNDS = 1000


@dataclass(frozen=True)
class StsResult:
    """Semantic textual similarity.

    :param spearman: rank correlation of cosine similarity and score, times 100.
    :param pairs: how many pairs.
    """

    spearman: float
    pairs: int

    def to_json(self) -> dict[str, float | int]:
        """The result as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class ClassesResult:
    """Classification by logistic regression on frozen embeddings.

    :param accuracy: test texts with the right label, in percent.
    :param train: how many texts were fitted.
    :param test: how many texts were classified.
    :param labels: how many labels there are.
    """

    accuracy: float
    train: int
    test: int
    labels: int

    def to_json(self) -> dict[str, float | int]:
        """The result as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Quality:
    """What an evaluation found.

    :param sts: the result on sentence pairs, or None.
    :param classes: the result of the classifier, or None.
    :param retrieval: the results of searches, or None.
    :param clusters: the agreement of clusters with labels, or None.
    :param duplicates: the result on pairs that belong together or do not, or None.
    """

    sts: StsResult | None = None
    classes: ClassesResult | None = None
    retrieval: RetrievalResult | None = None
    clusters: ClustersResult | None = None
    duplicates: DuplicatesResult | None = None

    def to_json(self) -> dict[str, Any]:
        """The results that there are, as JSON values."""
        return {name: result for name, result in asdict(self).items() if result is not None}


def evaluate(
    bundle: str | Path | Encoder,
    *,
    sts: str | Path | None = None,
    train: str | Path | None = None,
    test: str | Path | None = None,
    retrieval: tuple[str | Path, str | Path, str | Path] | None = None,
    rescore: int = CANDIDATES,
    clusters: str | Path | None = None,
    duplicates: str | Path | None = None,
    ops: str = "auto",
    allow_code: bool = False,
    progress: Steps = no_steps,
) -> Quality:
    """Measure the quality of embeddings on your data.

    :param bundle: a bundle, an open session, or anything else with an ``encode`` like a session's.
    :param sts: scored sentence pairs to evaluate on: score, sentence, sentence; separated by tabs.
    :param train: labelled texts to train a classifier on: text, label; separated by a tab.
    :param test: labelled texts to test the classifier on.
    :param retrieval: files to measure a search on: documents (id, text), queries (id, text) and judgements (query, document, relevance);
        separated by tabs.
    :param rescore: how many of the best documents, by their codes, are compared again by more exact vectors.
    :param clusters: labelled texts whose clusters are compared with the labels: text, label.
    :param duplicates: sentence pairs that belong together (1) or do not (0): 1 or 0, sentence, sentence.
    :param ops: lookups that a bundle is opened with: ``auto``, ``builtin`` or ``custom``.
    :param allow_code: compile and run source code that a bundle holds, as C exports do; allow it if you trust its author.
    :param progress: told what is being done.
    :return: the figures of what there is data for.
    :raises SpecError: if no data is given, or only one of `train` and `test`.
    :raises InputError: if the data cannot be used.
    :raises BundleError: if the bundle cannot be opened.
    """
    if (train is None) != (test is None):
        raise SpecError("`train` and `test` belong together: give both")
    if all(data is None for data in (sts, train, retrieval, clusters, duplicates)):
        raise SpecError(
            "no data to evaluate on: give `sts`, `train` and `test`, `retrieval`, `clusters` or `duplicates`"
        )
    if rescore < 1:
        raise SpecError(f"rescore={rescore} is out of range: use 1 or more")
    # Unusable data shows at once, not after minutes of encoding.
    searched = None if retrieval is None else read_retrieval(*map(Path, retrieval))
    opened: AbstractContextManager[Encoder] = (
        open_bundle(bundle, ops=ops, allow_code=allow_code)
        if isinstance(bundle, str | Path)
        else nullcontext(bundle)
    )
    result = Quality()

    def told(step: str) -> Progress:
        return lambda done, total: progress(step, done, total)

    with opened as session:
        if sts is not None:
            result = replace(result, sts=evaluate_sts(session, Path(sts), progress=told("sts")))
        if train is not None and test is not None:
            classes = evaluate_classes(session, Path(train), Path(test), progress=told("classes"))
            result = replace(result, classes=classes)
        if searched is not None:
            searches = evaluate_retrieval(session, searched, rescore=rescore, progress=told("retrieval"))
            result = replace(result, retrieval=searches)
        if clusters is not None:
            grouped = evaluate_clusters(session, Path(clusters), progress=told("classes"))
            result = replace(result, clusters=grouped)
        if duplicates is not None:
            told_apart = evaluate_duplicates(session, Path(duplicates), progress=told("sts"))
            result = replace(result, duplicates=told_apart)
    return result


def evaluate_sts(
    session: Encoder, path: Path, *, batch_size: int = 32, progress: Progress = silent
) -> StsResult:
    """Spearman correlation between cosine similarity and the scores of a file of pairs.

    :param session: what embeds the sentences.
    :param path: lines of ``score<TAB>sentence<TAB>sentence`` (`edgeemb.text.pairs.read_pairs`).
    :param batch_size: sentences a batch.
    :param progress: called with (sentences done, sentences in all).
    :raises InputError: if the file is unusable, or the correlation is undefined.
    """
    pairs = read_pairs(path)
    if len(set(pairs.scores)) < 2:
        raise InputError(
            f"{path}: all {len(pairs.scores)} pairs have the same score: a rank correlation needs different ones"
        )
    vectors = embed(session, [*pairs.first, *pairs.second], batch_size=batch_size, progress=progress)
    count = len(pairs.scores)
    similarity = cosine(vectors[:count], vectors[count:])
    if similarity.min() == similarity.max():
        raise InputError(
            f"{path}: the model finds all {count} pairs equally similar, a rank correlation is undefined"
        )
    return StsResult(100 * spearman(similarity, np.asarray(pairs.scores)), count)


def evaluate_classes(
    session: Encoder, train: Path, test: Path, *, batch_size: int = 32, progress: Progress = silent
) -> ClassesResult:
    """Accuracy of scikit-learn's logistic regression (C = 10) on frozen embeddings.

    :param session: what embeds the texts.
    :param train: lines of ``text<TAB>label`` to fit (`edgeemb.text.pairs.read_labelled`).
    :param test: lines of ``text<TAB>label`` to classify.
    :param batch_size: texts a batch.
    :param progress: called with (texts done, texts in all).
    :raises InputError: if a file is unusable, has only one label, or the test file has other labels.
    :raises EdgeembError: if scikit-learn is not installed.
    """
    classifier = _classifier()
    fitted, unseen = read_labelled(train), read_labelled(test)
    known = sorted(set(fitted.labels))
    if len(known) < 2:
        raise InputError(f"{train} has the one label '{known[0]}': a classifier needs at least two")
    strange = sorted(set(unseen.labels) - set(known))
    if strange:
        listed = ", ".join(strange[:5]) + (f" and {len(strange) - 5} more" if len(strange) > 5 else "")
        raise InputError(f"{test} has labels that {train} does not have: {listed}")
    vectors = embed(session, [*fitted.texts, *unseen.texts], batch_size=batch_size, progress=progress)
    count = len(fitted.texts)
    classifier.fit(vectors[:count], list(fitted.labels))
    accuracy = float(classifier.score(vectors[count:], list(unseen.labels)))
    return ClassesResult(100 * accuracy, count, len(unseen.texts), len(known))


def _classifier() -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise EdgeembError("accuracy needs scikit-learn: pip install 'edgeemb[evaluate]'") from error
    return LogisticRegression(C=CLASSIFIER_C, max_iter=CLASSIFIER_ROUNDS)

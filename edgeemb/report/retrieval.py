"""Quality of a search over a bundle's vectors, as they are stored and by more exact ones.

A search over codes is measured in each way that an app may search: codes with codes, float queries with codes, and with the best candidates of
the codes compared again by more exact vectors of these few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import EdgeembError, InputError
from edgeemb.progress import Progress, silent
from edgeemb.report.encoding import DOCUMENT_PROMPTS, QUERY_PROMPTS, Encoder, embed, first_prompt
from edgeemb.report.scoring import is_scored, score_all
from edgeemb.runtimes.session import Session
from edgeemb.text.retrieval import Retrieval
from edgeemb.vectors.codes import Floats, cosines
from edgeemb.vectors.form import VectorForm
from edgeemb.vectors.registry import codes_of, parse_vectors

#: Candidates that are compared again.
CANDIDATES = 100
#: Documents of a ranking that count.
_DEPTH = 1000
#: Queries that are compared with all documents at once.
_QUERIES = 64
#: More exact vectors that candidates may be compared by.
_EXACT = ("int8", "float32")
_MEASURES = {
    "ndcg_10": "ndcg_cut_10",
    "recall_10": "recall_10",
    "recall_100": "recall_100",
    "mrr": "recip_rank",
}


@dataclass(frozen=True)
class SearchResult:
    """One way to search.

    :param name: what is compared.
    :param bytes: bytes that are stored for each document, on average where they differ.
    :param ndcg_10: normalised discounted cumulative gain of the first 10 documents, times 100.
    :param recall_10: part of the relevant documents among the first 10, in percent.
    :param recall_100: among the first 100.
    :param mrr: mean of 1 / the rank of the first relevant document, times 100.
    """

    name: str
    bytes: int
    ndcg_10: float
    recall_10: float
    recall_100: float
    mrr: float


@dataclass(frozen=True)
class RetrievalResult:
    """Searches over one set of documents.

    :param documents: how many there are.
    :param queries: how many queries with a judgement.
    :param searches: the ways to search.
    """

    documents: int
    queries: int
    searches: tuple[SearchResult, ...]

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)


def evaluate_retrieval(
    session: Encoder, data: Retrieval, *, rescore: int = CANDIDATES, progress: Progress = silent
) -> RetrievalResult:
    """Measure searches with the measures of trec_eval, as pytrec_eval computes them.

    :param session: what embeds the texts. Where a bundle has prompts for queries and documents, they are put in front.
    :param data: documents, queries and judgements.
    :param rescore: how many of the best candidates are compared again, where vectors are stored as codes.
    :param progress: called with (texts done, texts in all).
    :raises InputError: if the bundle gives nothing that a search compares, or an embedding is not finite.
    :raises EdgeembError: if pytrec_eval is not installed.
    """
    texts = list(data.documents.values())
    if isinstance(session, Session) and is_scored(session):
        found = score_all(session, list(data.queries.values()), texts, progress)
        search = SearchResult(found.name, found.bytes, **_Judge(data).figures(_best(found.scores)))
        return RetrievalResult(len(texts), len(data.queries), (search,))
    total = len(texts) + len(data.queries)
    documents = embed(
        _Floats(session, DOCUMENT_PROMPTS), texts, progress=lambda done, _: progress(done, total)
    )
    queries = embed(
        _Floats(session, QUERY_PROMPTS),
        list(data.queries.values()),
        progress=lambda done, _: progress(len(texts) + done, total),
    )
    form = session.vectors if isinstance(session, Session) else None
    return RetrievalResult(
        len(texts), len(data.queries), searches_of(form, data, queries, documents, rescore)
    )


def searches_of(
    form: VectorForm | None,
    data: Retrieval,
    queries: Floats,
    documents: Floats,
    rescore: int = CANDIDATES,
) -> tuple[SearchResult, ...]:
    """Every way to search vectors of a form.

    :param form: how they are stored; None for floats.
    :param data: the judgements.
    :param queries: float32[queries, D], in the order of `data`.
    :param documents: float32[documents, D], in the order of `data`.
    :param rescore: how many of the best candidates are compared again.
    :raises EdgeembError: if pytrec_eval is not installed.
    """
    judge = _Judge(data)
    return tuple(
        SearchResult(name, size, **judge.figures(ranking))
        for name, size, ranking in _rankings(form, queries, documents, rescore)
    )


class _Floats:
    """Encodes texts as floats, also where they are stored as codes.

    :param session: what embeds the texts.
    :param prompts: names of prompts, of which the first that the bundle has is put in front.
    """

    def __init__(self, session: Encoder, prompts: Sequence[str]) -> None:
        if isinstance(session, Session) and session.vectors is None:
            raise InputError(f"{session.path} gives no one vector per text, which a search needs")
        self.session = session
        self.prompts = prompts

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Embed texts as float32[n, D]."""
        if not isinstance(self.session, Session):
            return self.session.encode(texts, batch_size=batch_size)
        prompt = first_prompt(self.session, self.prompts)
        return self.session.encode(texts, batch_size, prompt=prompt, as_floats=True)


class _Judge:
    """Figures of rankings.

    :param data: the judgements.
    :raises EdgeembError: if pytrec_eval is not installed.
    """

    def __init__(self, data: Retrieval) -> None:
        try:
            import pytrec_eval
        except ImportError:
            raise EdgeembError(
                "a search is measured by pytrec_eval: pip install 'edgeemb[evaluate]'"
            ) from None
        self.documents, self.queries = list(data.documents), list(data.queries)
        given = {query: dict(found) for query, found in data.judgements.items()}
        self.evaluator = pytrec_eval.RelevanceEvaluator(given, {"ndcg_cut.10", "recall.10,100", "recip_rank"})

    def figures(self, ranking: NDArray[np.int64]) -> dict[str, float]:
        """Means over the queries, times 100.

        :param ranking: int64[queries, depth], the best documents first.
        """
        depth = ranking.shape[1]
        run = {
            query: {self.documents[place]: float(depth - rank) for rank, place in enumerate(row)}
            for query, row in zip(self.queries, ranking, strict=True)
        }
        found = self.evaluator.evaluate(run)
        return {
            name: 100 * float(np.mean([figures[measure] for figures in found.values()]))
            for name, measure in _MEASURES.items()
        }


def _rankings(
    form: VectorForm | None, queries: Floats, documents: Floats, rescore: int
) -> Iterator[tuple[str, int, NDArray[np.int64]]]:
    """Each way to search: its name, the bytes of a document, and the best documents of each query."""
    if form is None or form.codes == "float32":
        name = "float32" if form is None else form.spec
        yield name, 4 * documents.shape[1], _ranked(queries, documents, cosines)
        return
    asked, store = form.pack(queries), form.pack(documents)
    first = _ranked(asked, store, form.similarity)
    yield form.spec, form.nbytes, first
    yield f"{form.spec}, float queries", form.nbytes, _ranked(queries, store, form.similarity)
    for name in _EXACT:
        codes = codes_of(parse_vectors(name))
        size = codes.width(form.dim) * np.dtype(codes.dtype).itemsize
        if size > form.nbytes:
            scales = codes.fit(documents)
            exact = codes.unpack(codes.pack(documents, scales), form.dim, scales)
            ranking = _ranked_again(first, queries, exact, rescore)
            yield f"{form.spec}, then {rescore} by {name}", form.nbytes + size, ranking


def _ranked(queries: NDArray[Any], documents: NDArray[Any], compare: Any) -> NDArray[np.int64]:
    """The best documents of each query."""
    parts = [
        _best(compare(queries[low : low + _QUERIES], documents)) for low in range(0, len(queries), _QUERIES)
    ]
    return np.concatenate(parts)


def _best(scores: Floats) -> NDArray[np.int64]:
    """The documents with the highest scores of each query; of equal ones the first."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :_DEPTH]


def _ranked_again(
    ranking: NDArray[np.int64], queries: Floats, documents: Floats, count: int
) -> NDArray[np.int64]:
    """A ranking whose first documents are put in the order of their exact vectors."""
    again = ranking.copy()
    for row, query in zip(again, queries, strict=True):
        first = row[:count]
        row[:count] = first[np.argsort(-cosines(query[None], documents[first])[0], kind="stable")]
    return again

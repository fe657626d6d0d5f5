"""Reading what a search is measured on: documents, queries, and which documents answer which query.

Fields are separated by one tab each and never quoted, as in `edgeemb.text.pairs`; every error names the file and the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeemb.errors import InputError
from edgeemb.text.corpus import numbered_lines

_HEADERS = frozenset({"_id", "id", "doc_id", "docid", "query_id", "query-id", "qid"})
_JUDGED = "query<TAB>document<TAB>relevance"


@dataclass(frozen=True)
class Retrieval:
    """What a search is measured on.

    :param documents: texts by id.
    :param queries: texts by id, of queries that have a judgement.
    :param judgements: by query id the relevance of documents by their ids; 0 or less for those that do not answer it.
    """

    documents: Mapping[str, str]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]


def read_retrieval(corpus: Path, queries: Path, qrels: Path) -> Retrieval:
    """Read a set for retrieval.

    :param corpus: lines of ``id<TAB>text``, or ``id<TAB>title<TAB>text``.
    :param queries: lines of ``id<TAB>text``.
    :param qrels: lines of ``query<TAB>document<TAB>relevance``, or of TREC's four columns, with ids of the other files.
    :raises InputError: if a file cannot be used, an id is there twice, or a judgement names an id that is not there.
    """
    documents, asked = _read_texts(corpus), _read_texts(queries)
    judgements: dict[str, dict[str, int]] = {}
    for number, line in numbered_lines(qrels):
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) not in (3, 4):
            raise InputError(f"{qrels} line {number}: {len(fields)} columns, expected {_JUDGED}")
        query, document, relevance = fields[0].strip(), fields[-2].strip(), _whole(fields[-1])
        if relevance is None and not judgements and query.lower() in _HEADERS:
            continue
        if relevance is None:
            raise InputError(
                f"{qrels} line {number}: '{fields[-1][:40]}' is not a whole number, expected {_JUDGED}"
            )
        if query not in asked:
            raise InputError(
                f"{qrels} line {number} names the query '{query[:40]}', which {queries} does not have"
            )
        if document not in documents:
            raise InputError(
                f"{qrels} line {number} names the document '{document[:40]}', which {corpus} does not have"
            )
        judgements.setdefault(query, {})[document] = relevance
    if not any(relevance > 0 for found in judgements.values() for relevance in found.values()):
        raise InputError(f"{qrels} names no document that answers a query: expected lines of {_JUDGED}")
    return Retrieval(documents, {query: asked[query] for query in judgements}, judgements)


def _read_texts(path: Path) -> dict[str, str]:
    """Texts by id; a title is put in front of its text."""
    found: dict[str, str] = {}
    for number, line in numbered_lines(path):
        name, _, rest = line.partition("\t")
        text = " ".join(part.strip() for part in rest.split("\t") if part.strip())
        if not found and name.strip().lower() in _HEADERS:
            continue
        if not name.strip() or not text:
            raise InputError(
                f"{path} line {number}: the {'text' if name.strip() else 'id'} is empty, expected id<TAB>text"
            )
        if name.strip() in found:
            raise InputError(f"{path} line {number}: the id '{name.strip()[:40]}' is there a second time")
        found[name.strip()] = text
    if not found:
        raise InputError(f"{path} has no texts: expected lines of id<TAB>text")
    return found


def _whole(text: str) -> int | None:
    try:
        value = int(text)
    except ValueError:
        return None
    return value if abs(value) < 1 << 31 else None

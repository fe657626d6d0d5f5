"""Reading documents, queries and judgements."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeemb.errors import InputError
from edgeemb.text.retrieval import Retrieval, read_retrieval

DOCUMENTS = "1\tA title\tand a text\n2\tonly a text\n"
QUERIES = "a\tfirst\nb\tsecond\nc\tnever judged\n"
QRELS = "a\t1\t1\nb\t2\t2\nb\t1\t0\n"


def read(folder: Path, documents: str = DOCUMENTS, queries: str = QUERIES, qrels: str = QRELS) -> Retrieval:
    paths = [folder / name for name in ("corpus.tsv", "queries.tsv", "qrels.tsv")]
    for path, text in zip(paths, (documents, queries, qrels), strict=True):
        path.write_text(text)
    return read_retrieval(*paths)


def test_titles_are_put_in_front_and_queries_without_judgement_left_out(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.documents == {"1": "A title and a text", "2": "only a text"}
    assert found.queries == {"a": "first", "b": "second"}
    assert found.judgements == {"a": {"1": 1}, "b": {"2": 2, "1": 0}}


def test_headers_and_the_columns_of_trec_are_read(tmp_path: Path) -> None:
    for qrels in (f"query-id\tcorpus-id\tscore\n{QRELS}", "a 0 1 1\nb 0 2 2\nb 0 1 0\n"):
        found = read(tmp_path, f"_id\ttitle\ttext\n{DOCUMENTS}", f"_id\ttext\n{QUERIES}", qrels)
        assert found == read(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"qrels": "a\t3\t1\n"},
            r"qrels.tsv line 1 names the document '3', which .*corpus.tsv does not have",
        ),
        (
            {"qrels": "a\t1\t1\nz\t1\t1\n"},
            r"qrels.tsv line 2 names the query 'z', which .*queries.tsv does not",
        ),
        ({"qrels": "a\t1\n"}, "qrels.tsv line 1: 2 columns, expected query<TAB>document<TAB>relevance"),
        ({"qrels": "a\t1\tyes\n"}, "qrels.tsv line 1: 'yes' is not a whole number"),
        ({"qrels": "a\t1\t0\n"}, "qrels.tsv names no document that answers a query"),
        ({"documents": "1\t\n"}, "corpus.tsv line 1: the text is empty, expected id<TAB>text"),
        ({"documents": "\ta text\n"}, "corpus.tsv line 1: the id is empty"),
        ({"documents": "1\tone\n1\ttwo\n"}, "corpus.tsv line 2: the id '1' is there a second time"),
        ({"queries": "\n"}, "queries.tsv has no texts"),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_the_line(
    files: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, **files)

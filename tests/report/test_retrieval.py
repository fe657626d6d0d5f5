"""Quality of searches, over vectors as they are stored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import edgeemb
from edgeemb.cli.app import main
from edgeemb.errors import InputError, SpecError
from edgeemb.models.loading import load_torch
from edgeemb.models.shrinking.vectors import make_small
from edgeemb.models.torch.model import Model
from edgeemb.report.retrieval import evaluate_retrieval
from edgeemb.text.retrieval import Retrieval, read_retrieval
from edgeemb.vectors.codes import cosines
from edgeemb.vectors.registry import parse_vectors
from tests.fixtures.models.families import save_task
from tests.fixtures.models.torch_session import torch_session
from tests.report.test_evaluation import BagOfWords, write

DOCUMENTS = {
    "fish": "a small red fish swims",
    "cat": "the cat sat on a mat",
    "dog": "a dog ran over the hill",
    "tree": "the old tree fell",
}


def data(**answers: dict[str, int]) -> Retrieval:
    """Queries that are the keys, and what answers them."""
    return Retrieval(DOCUMENTS, {query: query.replace("_", " ") for query in answers}, answers)


def test_a_search_that_finds_everything_first_has_the_best_figures() -> None:
    found = evaluate_retrieval(BagOfWords(), data(red_fish={"fish": 1}, the_old_tree={"tree": 2}))
    (search,) = found.searches
    assert (found.documents, found.queries) == (4, 2)
    assert (search.name, search.bytes) == ("float32", 256)
    assert (search.ndcg_10, search.recall_10, search.recall_100, search.mrr) == (100, 100, 100, 100)


def test_the_figures_are_those_of_their_definitions() -> None:
    # What is judged to be the answer comes second.
    vectors = BagOfWords().encode(["the cat", *DOCUMENTS.values()])
    order = np.argsort(-cosines(vectors[:1], vectors[1:])[0], kind="stable")
    second = list(DOCUMENTS)[int(order[1])]
    (search,) = evaluate_retrieval(BagOfWords(), data(the_cat={second: 1})).searches
    assert search.mrr == pytest.approx(50)
    assert search.ndcg_10 == pytest.approx(100 / np.log2(3))
    assert search.recall_10 == 100


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("dim=8", {"dim=8": 32}),
        ("int8", {"int8": 16, "int8, float queries": 16, "int8, then 2 by float32": 80}),
        (
            "binary",
            {
                "binary": 2,
                "binary, float queries": 2,
                "binary, then 2 by int8": 18,
                "binary, then 2 by float32": 66,
            },
        ),
    ],
)
def test_every_way_to_search_stored_vectors_is_measured(
    spec: str, names: dict[str, int], tiny: Model, tmp_path: Path
) -> None:
    small = make_small(tiny, parse_vectors(spec), None, 0)
    assert isinstance(small.model, Model)
    judged = data(the_cat={"cat": 1}, a_dog_ran={"dog": 1, "fish": 1})
    with torch_session(small.model, tmp_path, small.entry) as session:
        found = evaluate_retrieval(session, judged, rescore=2)
    assert {search.name: search.bytes for search in found.searches} == names
    with torch_session(tiny, tmp_path) as session:
        (whole,) = evaluate_retrieval(session, judged).searches
    if spec == "int8":
        assert [search.ndcg_10 for search in found.searches] == pytest.approx([whole.ndcg_10] * 3)


def test_all_candidates_compared_again_by_floats_are_a_search_by_floats(tiny: Model, tmp_path: Path) -> None:
    small = make_small(tiny, parse_vectors("binary"), None, 0)
    assert isinstance(small.model, Model)
    judged = data(the_cat={"cat": 1}, a_dog_ran={"dog": 1, "fish": 1}, the_tree={"tree": 1})
    with torch_session(small.model, tmp_path, small.entry) as session:
        last = evaluate_retrieval(session, judged, rescore=4).searches[-1]
    with torch_session(tiny, tmp_path) as session:
        (whole,) = evaluate_retrieval(session, judged).searches
    assert (last.ndcg_10, last.mrr) == pytest.approx((whole.ndcg_10, whole.mrr))


def test_vectors_per_token_and_sparse_weights_are_searched_as_their_models_compare_them(
    tmp_path: Path,
) -> None:
    judged = data(the_cat={"cat": 1}, a_dog_ran={"dog": 1, "fish": 1}, the_tree={"tree": 1})
    texts = list(DOCUMENTS.values())
    for kind, name in (("multi-vector", "float32 per token, MaxSim"), ("sparse-embedding", "sparse weights")):
        model = load_torch(save_task(tmp_path / kind, kind))
        with torch_session(model, tmp_path / kind) as session:
            (search,) = evaluate_retrieval(session, judged).searches
            assert search.name.startswith(name)
            if kind == "multi-vector":
                vectors = session.encode_tokens(texts)
                assert search.bytes == round(sum(each.nbytes for each in vectors) / len(texts))
                scores = [
                    [one.score for one in sorted(session.rank(query, texts), key=lambda one: one.index)]
                    for query in judged.queries.values()
                ]
            else:
                weights = session.encode(texts)
                assert search.bytes == round(8 * np.count_nonzero(weights) / len(texts))
                scores = (session.encode(list(judged.queries.values())) @ weights.T).tolist()
        ranks = [
            min(
                1 + sum(other > row[place] for other in row)
                for place, document in enumerate(DOCUMENTS)
                if judged.judgements[query].get(document, 0) > 0
            )
            for query, row in zip(judged.queries, scores, strict=True)
        ]
        assert search.mrr == pytest.approx(100 * np.mean([1 / rank for rank in ranks]))


def test_a_bundle_without_vectors_is_refused(tiny: Model, tmp_path: Path) -> None:
    with (
        torch_session(replace(tiny, kind="module"), tmp_path) as session,
        pytest.raises(InputError, match="gives no one vector per text, which a search needs"),
    ):
        evaluate_retrieval(session, data(the_cat={"cat": 1}))


def test_the_face_reads_the_files_and_checks_what_it_is_given(tmp_path: Path) -> None:
    corpus = write(tmp_path, "".join(f"{name}\t{text}\n" for name, text in DOCUMENTS.items()), "corpus.tsv")
    queries, qrels = (
        write(tmp_path, "q\tred fish\n", "queries.tsv"),
        write(tmp_path, "q\tfish\t1\n", "qrels.tsv"),
    )
    quality = edgeemb.evaluate(BagOfWords(), retrieval=(corpus, queries, qrels))
    assert quality.retrieval is not None and quality.retrieval.searches[0].mrr == 100
    assert json.loads(json.dumps(quality.to_json()))["retrieval"]["documents"] == 4
    assert read_retrieval(corpus, queries, qrels).documents == DOCUMENTS
    with pytest.raises(SpecError, match="rescore=0 is out of range"):
        edgeemb.evaluate(BagOfWords(), retrieval=(corpus, queries, qrels), rescore=0)
    with pytest.raises(SpecError, match="give `sts`, `train` and `test`, `retrieval`, `clusters` or"):
        edgeemb.evaluate(BagOfWords())


def test_the_command_names_an_unknown_document(tmp_path: Path) -> None:
    names = [
        write(tmp_path, "1\ta text\n", "corpus.tsv"),
        write(tmp_path, "q\ta question\n", "queries.tsv"),
        write(tmp_path, "q\t2\t1\n", "qrels.tsv"),
    ]
    done = CliRunner().invoke(main, ["evaluate", str(tmp_path), "--retrieval", *map(str, names)])
    assert done.exit_code == 1
    assert "qrels.tsv line 1 names the document '2', which" in " ".join(done.output.split())

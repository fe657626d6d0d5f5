"""Quality of embeddings where texts are grouped."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import edgeemb
from edgeemb.cli.app import main
from edgeemb.cli.show.printing import print_quality
from edgeemb.errors import InputError
from edgeemb.report.grouping import evaluate_clusters, evaluate_duplicates
from tests.report.test_evaluation import BagOfWords, write

GROUPS = "a red cat sat\tcat\na red cat ran\tcat\nthe old tree fell\ttree\nthe old tree grew\ttree\n"
PAIRS = "1\ta red cat\tred cat\n0\ta red cat\tthe old tree\n1\tthe old tree\told tree\n0\tnobody\ta red cat\n"


def test_clusters_of_alike_texts_agree_with_their_labels(tmp_path: Path) -> None:
    found = evaluate_clusters(BagOfWords(), write(tmp_path, GROUPS))
    assert (found.v_measure, found.texts, found.labels) == (pytest.approx(100), 4, 2)
    mixed = GROUPS.replace("ran\tcat", "ran\ttree").replace("grew\ttree", "grew\tcat")
    assert evaluate_clusters(BagOfWords(), write(tmp_path, mixed)).v_measure < 1


def test_pairs_that_belong_together_are_told_from_others(tmp_path: Path) -> None:
    found = evaluate_duplicates(BagOfWords(), write(tmp_path, PAIRS))
    assert (found.average_precision, found.pairs, found.positive) == (pytest.approx(100), 4, 2)
    turned = PAIRS.replace("1\t", "x\t").replace("0\t", "1\t").replace("x\t", "0\t")
    assert evaluate_duplicates(BagOfWords(), write(tmp_path, turned)).average_precision == pytest.approx(50)


@pytest.mark.parametrize(
    ("text", "words"),
    [("2\ta\tb\n0\tc\td\n", "expected pairs with the score 1"), ("1\ta\tb\n", "some of each")],
)
def test_scores_that_are_not_one_or_zero_are_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        evaluate_duplicates(BagOfWords(), write(tmp_path, text))


def test_one_label_makes_no_clusters(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has the one label 'cat': clusters need at least two"):
        evaluate_clusters(BagOfWords(), write(tmp_path, "a cat\tcat\n"))


def test_the_face_measures_both_and_the_command_shows_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quality = edgeemb.evaluate(
        BagOfWords(), clusters=write(tmp_path, GROUPS), duplicates=write(tmp_path, PAIRS, "pairs.tsv")
    )
    assert set(quality.to_json()) == {"clusters", "duplicates"}
    print_quality(Console(width=200), quality)
    shown = capsys.readouterr().out
    assert "V-measure 100.00 over 4 texts with 2 labels" in shown
    assert "average precision 100.00 (2 of 4 pairs)" in shown
    assert "--clusters" in CliRunner().invoke(main, ["evaluate", "--help"]).output

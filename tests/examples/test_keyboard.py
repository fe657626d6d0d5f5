"""The sample of a keyboard suggests the words that the masked language model holds most probable at the cursor."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeemb
from edgeemb.runtimes import describe
from tests.fixtures.models.families import save_family
from tests.fixtures.samples import imported, started

(sample,) = imported("keyboard", "suggest")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random masked language model that lost words of its vocabulary."""
    folder = tmp_path_factory.mktemp("keyboard")
    save_family(folder / "model", "BERT", "ForMaskedLM")
    (folder / "texts.txt").write_text("the cat sat on the mat and sang\n", "utf-8")
    keep = [f"keep:{folder / 'texts.txt'}"]
    return edgeemb.export(folder / "model", folder / "bundle", table="int8", body="fp32", vocab=keep)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("the train is ", ("the train is ", "", "")),
        ("the train is la", ("the train is ", "la", "")),
        ("the | is late", ("the ", "", " is late")),
        ("a,Öl| now", ("a,", "Öl", " now")),
        ("", ("", "", "")),
    ],
)
def test_the_cursor_divides_a_text(text: str, parts: tuple[str, str, str]) -> None:
    assert sample.split(text) == parts


def test_the_most_probable_words_are_suggested(bundle: Path) -> None:
    with edgeemb.open(bundle) as session:
        ((everything,),) = session.fill(["the [MASK] on the mat"], top=1000)
        words = [(one.token, one.score) for one in everything if one.token.isalpha()]
        assert sample.suggest(session, "the | on the mat", 1000) == words
        begun = sample.suggest(session, "the S| on the mat", 1000)
        assert begun == [(word, score) for word, score in words if word.startswith("s")]
        assert {"sat", "s"} <= {word for word, _ in begun}
        assert "ran" not in dict(words)  # its row and its column are gone
        rows = describe(bundle).tables["word"].rows
        assert session.manifest.outputs[0].axes[-1] == rows


def test_the_program_prints_words_and_answers_bad_input_in_one_line(
    bundle: Path, minilm_bundle: Path
) -> None:
    done = started("keyboard/suggest.py", bundle, "the cat s", "--count", 2)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1][0] for line in done.stdout.splitlines()] == ["s", "s"]
    done = started("keyboard/suggest.py", minilm_bundle, "the cat s")
    assert done.returncode == 1 and "masked language model" in done.stderr and done.stderr.count("\n") == 1

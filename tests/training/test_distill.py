"""`edgeemb distill`: students of several kinds, and the classifiers that they become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import edgeemb
from edgeemb.cli.app import main
from edgeemb.errors import InputError, SpecError, TrainingError
from edgeemb.models.torch.model import Model
from edgeemb.runtimes import describe
from edgeemb.training.loop.task import Report
from tests.fixtures.training import NOUNS, QUICK, distill


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Texts about one of two animals, and others to test with."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = [
        f"the {animal} saw a {second} {first}\t{animal}"
        for animal in ("cat", "dog")
        for first in ("then", "now", "so", "here", "soon", "once", "again", "later")
        for second in NOUNS[2:]
        if second != animal
    ]
    (folder / "train.tsv").write_text("\n".join(rows[::2]) + "\n", "utf-8")
    (folder / "test.tsv").write_text("\n".join(rows[1::2]) + "\n", "utf-8")
    return folder / "train.tsv", folder / "test.tsv"


@pytest.mark.parametrize(
    ("options", "width"),
    [
        pytest.param({"layers": 1, "init": "first", "table": "fp32"}, 16, marks=pytest.mark.slow),
        ({"layers": 1, "init": "first", "table": "ngram:n=3,lanes=4,dim=48"}, 16),
        ({"layers": 1, "hidden": 24, "heads": 2, "table": "int8"}, 24),
        pytest.param({"layers": 1, "hidden": 32, "heads": 2, "table": "fp16"}, 32, marks=pytest.mark.slow),
        pytest.param({"layers": 1, "hidden": 48, "heads": 2, "tokens": "words"}, 48, marks=pytest.mark.slow),
        (
            {
                "layers": 1,
                "hidden": 16,
                "heads": 2,
                "tokens": "words",
                "table": "ngram:n=2,lanes=4,dim=24",
            },
            16,
        ),
    ],
)
def test_it_makes_a_student_that_learns_and_is_exported(
    options: dict[str, Any], width: int, tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    quick = QUICK | {"steps": 40, "lr": 3e-3}
    result = distill(tiny, tmp_path / "out", corpus=[corpus], max_length=20, **quick, **options)
    assert result.best > result.start
    bundle = edgeemb.export(result.path, tmp_path / "bundle", body="fp32", ops="builtin")
    assert describe(bundle).parity["cosine_min"] > 0.999
    with edgeemb.open(bundle) as session:
        assert session.encode(["the cat ran away"]).shape == (1, width)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": 48, "heads": 2, "tokens": "words", "body": "int8"},
        pytest.param({"hidden": 16, "heads": 2, "table": "int4"}, marks=pytest.mark.slow),
        pytest.param({"init": "first", "table": "fp32"}, marks=pytest.mark.slow),
    ],
)
def test_it_makes_a_classifier_from_labelled_texts(
    options: dict[str, Any], labelled: tuple[Path, Path], tiny: Model, tmp_path: Path
) -> None:
    train, test = labelled
    settings = QUICK | {"steps": 4, "lr": 3e-3}
    result = distill(
        tiny,
        tmp_path / "out",
        train=train,
        test=test,
        layers=1,
        max_length=20,
        class_steps=100,
        class_lr=3e-3,
        **settings,
        **options,
    )
    assert result.accuracy is not None and result.accuracy > 85
    model = edgeemb.load(result.path)
    assert model.kind == "classification" and model.labels == ("cat", "dog")
    bundle = edgeemb.export(model, tmp_path / "bundle", body=options.get("body", "fp32"), ops="builtin")
    with edgeemb.open(bundle) as session:
        logits = session.encode(["the cat saw a hill now", "the dog saw a hill so"])
    np.testing.assert_array_equal(logits.argmax(axis=1), [0, 1])


def test_it_refuses_labels_that_only_the_test_has(
    labelled: tuple[Path, Path], tiny: Model, tmp_path: Path
) -> None:
    (tmp_path / "test.tsv").write_text("a cat\tcat\na cow\tcow\n", "utf-8")
    with pytest.raises(InputError, match=r"test\.tsv: the label 'cow' is in no training text"):
        distill(tiny, tmp_path / "out", train=labelled[0], test=tmp_path / "test.tsv", **QUICK)
    (tmp_path / "train.tsv").write_text("a cat\tcat\nthe cat\tcat\n", "utf-8")
    with pytest.raises(InputError, match="a classifier needs two or more"):
        distill(tiny, tmp_path / "out", train=tmp_path / "train.tsv", **QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "layers=0"),
        ({"layers": 9, "init": "first"}, "the teacher has 2"),
        ({"hidden": 8, "init": "first"}, 'init="fresh"'),
        ({"hidden": 10, "heads": 4}, "not a multiple"),
        ({"init": "last"}, 'init="last"'),
        ({"tokens": "letters"}, 'tokens="letters"'),
        ({"tokens": "words", "init": "first"}, 'use init="fresh"'),
        ({"tokens": "words", "hidden": 48, "table": "int8"}, "rows are computed"),
        ({"table": "word=int8"}, "one spec without a name"),
        ({"hidden": 8, "losses": edgeemb.Losses(cosine=1)}, "loss cosine the weight 0"),
        (
            {"hidden": 8, "losses": edgeemb.Losses(cosine=0, tokens=1)},
            "losses tokens and layers the weight 0",
        ),
    ],
)
def test_it_refuses_students_that_cannot_be(
    options: dict[str, Any], message: str, tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        distill(tiny, tmp_path / "out", corpus=[corpus], **QUICK, **options)
    assert not (tmp_path / "out").exists()


def test_it_goes_on_from_an_interruption_of_the_classifier(
    labelled: tuple[Path, Path], tiny: Model, tmp_path: Path
) -> None:
    import os
    import signal

    options: dict[str, Any] = {
        "train": labelled[0],
        "test": labelled[1],
        "layers": 1,
        "hidden": 48,
        "tokens": "words",
    }
    options |= {"class_steps": 12, "max_length": 20, **QUICK, "steps": 4}
    whole = distill(tiny, tmp_path / "whole", **options)
    seen: list[int] = []

    def interrupt(report: Report) -> None:
        seen.append(report.step)
        if len(seen) == 4 + 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingError, match="interrupted at step 6 of 12"):
        distill(tiny, tmp_path / "parts", watch=interrupt, **options)
    parts = distill(tiny, tmp_path / "parts", resume=True, **options)
    assert (parts.best, parts.best_step, parts.accuracy) == (whole.best, whole.best_step, whole.accuracy)


def test_the_command_makes_a_classifier_and_prints_json(labelled: tuple[Path, Path], tmp_path: Path) -> None:
    from tests.fixtures.models import save_sentence

    teacher = save_sentence(tmp_path / "teacher")
    words = ["distill", str(teacher), "-o", str(tmp_path / "out"), "--layers", "1", "--hidden", "48"]
    words += ["--heads", "2", "--tokens", "words", "--table", "ngram:n=3,lanes=8", "--steps", "2"]
    words += ["--batch", "8", "--train", str(labelled[0]), "--test", str(labelled[1]), "--class-steps", "4"]
    result = CliRunner().invoke(main, [*words, "--max-length", "20", "--json"])
    assert result.exit_code == 0, result.output
    assert 0 <= json.loads(result.stdout)["accuracy"] <= 100

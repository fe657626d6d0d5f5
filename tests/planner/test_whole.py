"""`--goal`: one budget, or one quality, for the word table and the body together."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeemb
from edgeemb.body.spec import BodyRequest
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import SpecError
from edgeemb.models.torch.model import Model
from edgeemb.planner.whole import Share, WholeSearch
from edgeemb.tables.goal import read_goal
from tests.fixtures.models import load_wide


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_wide(tmp_path_factory.mktemp("wide") / "model")


def chosen(model: Model, goal: str, rest: int = 0) -> tuple[Share, float]:
    """What a search chooses, and its cosine."""
    search = WholeSearch(model, read_goal(goal), table=None, body=BodyRequest())
    share = search.choose(rest)
    return share, search.cosine(share)


@pytest.mark.slow
def test_more_bytes_give_more_of_both(wide: Model) -> None:
    found = []
    for budget in (45_000, 64_000):
        share, cosine = chosen(wide, f"budget={budget}", 1000)
        assert share.body is not None
        assert share.bytes + 1000 <= budget
        assert share.bytes == share.table.choice.bytes + share.body.stored
        found.append((share.bytes, share.table.choice.bytes, -len(share.body.four), cosine))
    for less, more in zip(*found, strict=True):
        assert less < more


def test_a_cosine_is_reached_by_both_together(wide: Model) -> None:
    share, cosine = chosen(wide, "cosine=.9")
    assert share.body is not None
    assert cosine >= 0.9
    assert share.body.four
    assert share.table.choice.spec.codec not in ("fp32", "fp16")


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (
            "budget=9kB",
            r"[\d,]+ bytes are the fewest, with word as \S+ and 4 bits in 12 of 12 layers, and 500",
        ),
        pytest.param(
            "cosine=1",
            r"the cosine is 0\.\d+ with word as \S+ and 4 bits in 0 of 12 layers; give a lower one",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_no_choice_reaches_names_the_nearest(goal: str, message: str, wide: Model) -> None:
    with pytest.raises(SpecError, match=message):
        chosen(wide, goal, 500)


@pytest.mark.slow
def test_an_export_stays_within_its_budget(wide: Model, tmp_path: Path) -> None:
    bundle = edgeemb.export(wide, tmp_path / "b", goal="budget=85kB", table="int8", ops="builtin")
    manifest = read_manifest(bundle)
    assert 65_000 < manifest.sizes["tables"] + manifest.sizes["body"] <= 85_000
    assert manifest.tables["word"].spec == "int8"
    assert manifest.recipe is not None
    assert manifest.recipe.steps[0].name == "goal:budget=85000"
    assert 0 < len(manifest.recipe.layers) < 12
    assert manifest.plan is not None
    assert manifest.plan["choice"]["spec"] == "int8"


@pytest.mark.parametrize(
    ("goal", "table", "body", "message"),
    [
        ("budget=1MB", "auto:budget=1MB", (), "leave auto out, or goal"),
        ("budget=1MB", (), "auto:cosine=.9", "leave auto out, or goal"),
        ("budget=1MB", "int4", "int8", "nothing to choose"),
        ("budget=much", (), (), "'much' is not a size"),
        ("14MB", (), (), r"a budget or a cosine; write budget=14MB or cosine=\.99"),
    ],
)
def test_a_goal_that_cannot_be_meant_is_refused_before_the_model_is_loaded(
    goal: str, table: str, body: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        edgeemb.export(tmp_path / "no-such-model", tmp_path / "b", goal=goal, table=table, body=body)

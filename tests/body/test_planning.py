"""`--body auto:...`: which layers get 4 bits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.body.layers import linear_layers
from edgeemb.body.prepare import Prepared, prepare
from edgeemb.body.spec import read_bodies
from edgeemb.errors import SpecError
from edgeemb.exporters.options import ExportOptions
from edgeemb.models.torch.model import Model
from tests.fixtures.models import load_wide
from tests.fixtures.training import write_corpus


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_wide(tmp_path_factory.mktemp("wide") / "model")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.txt", 16)


def planned(model: Model, corpus: Path, *bodies: str) -> Prepared:
    """The model prepared for bodies."""
    return prepare(model, read_bodies(list(bodies)), "int8", corpus=corpus)


def plan_of(done: Prepared) -> tuple[int, int, float]:
    """What the manifest says: layers in 4 bits, bytes, and the cosine."""
    assert done.entry is not None
    found = re.fullmatch(
        r"(\d+) of 12 matrix products in 4 bits, ([\d,]+) bytes in all, cosine ([.\d]+) of the rounded weights",
        done.entry.steps[0].details,
    )
    assert found is not None
    return int(found[1]), int(found[2].replace(",", "")), float(found[3])


def bits(done: Prepared) -> dict[str, int]:
    """Bits of each layer's grid, by name."""
    layers = linear_layers(done.model.torch_model().module)
    grids = {name: done.grids.of(layer.weight.detach().numpy()) for name, layer in layers.items()}
    return {name: grid.bits for name, grid in grids.items() if grid is not None}


def test_a_budget_puts_as_few_layers_as_it_must_in_4_bits(wide: Model, corpus: Path) -> None:
    weights = sum(layer.weight.numel() for layer in linear_layers(wide.module).values())
    counts = []
    for budget in (weights * 2, int(weights * 0.8)):
        done = planned(wide, corpus, f"auto:budget={budget}B")
        found = bits(done)
        fours = {name for name, each in found.items() if each == 4}
        assert done.entry is not None
        assert set(done.entry.layers) == fours
        assert len(found) == 12
        count, stored, _ = plan_of(done)
        assert count == len(fours)
        assert stored <= budget
        counts.append(count)
    assert counts[0] == 0
    assert 0 < counts[1] < 12


def test_a_cosine_is_reached_with_as_many_layers_in_4_bits_as_can_be(wide: Model, corpus: Path) -> None:
    count, smallest, cosine = plan_of(planned(wide, corpus, "auto:cosine=.5"))
    assert count == 12
    wanted = round((1 + cosine) / 2, 4)
    count, stored, cosine = plan_of(planned(wide, corpus, f"auto:cosine={wanted}"))
    assert 0 < count < 12
    assert stored > smallest
    assert wanted <= cosine < 1


def test_the_plan_leaves_the_model_and_named_layers_as_they_are(wide: Model, corpus: Path) -> None:
    before = {name: layer.weight.detach().clone() for name, layer in linear_layers(wide.module).items()}
    done = planned(wide, corpus, "auto:cosine=.5", "layer.0=int8")
    for name, layer in linear_layers(wide.module).items():
        assert np.array_equal(layer.weight.detach(), before[name]), name
    assert all(each == (8 if "layer.0." in name else 4) for name, each in bits(done).items())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "auto:budget=9kB",
            r"[\d,]+ bytes are the fewest, with 4 bits in all 12 layers; give a larger budget",
        ),
        ("auto:cosine=1", r"the cosine is [.\d]+ with 8 bits in all 12 layers; give a lower one"),
    ],
)
def test_a_goal_that_no_choice_reaches_names_the_nearest(
    body: str, message: str, wide: Model, corpus: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        planned(wide, corpus, body)


def test_layers_that_no_block_divides_stay_in_8_bits(tiny: Model, corpus: Path) -> None:
    entry = planned(tiny, corpus, "auto:cosine=.1").entry
    assert entry is not None
    layers = linear_layers(tiny.module)
    assert set(entry.layers) == {name for name, layer in layers.items() if layer.in_features % 32 == 0}
    assert 0 < len(entry.layers) < len(layers)


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "ops"), [("onnx", "custom"), ("c", "builtin")])
def test_a_planned_body_runs(runtime: str, ops: str, wide: Model, corpus: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"runtime": runtime, "ops": ops, "lengths": (38,), "target": "linux-x64"}
    options["options"] = ExportOptions(calibrate=corpus)
    edgeemb.export(wide, tmp_path / "out", body="auto:cosine=.98", **options)
    with edgeemb.open(tmp_path / "out", allow_code=True) as session:
        assert session.manifest.parity["cosine_mean"] > 0.97
        recipe = session.manifest.recipe
    assert recipe is not None
    assert recipe.steps[0].name == "auto:cosine=0.98"

"""The planner: what it searches, and what it chooses for tiny models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.cli.app import main
from edgeemb.errors import ModelError, SpecError
from edgeemb.models.torch.model import Model
from edgeemb.planner.planning import Plan, plan
from edgeemb.planner.sample import Sample
from edgeemb.planner.space import families
from edgeemb.tables import CODECS, encode
from edgeemb.tables.goal import Goal
from tests.fixtures.models import TEXTS, Recommender, run, save_sentence
from tests.fixtures.models.onnx_files import encoder, save

ROWS, DIM = 200, 48


@pytest.fixture(scope="module")
def planned(tiny: Model) -> Plan:
    return plan(tiny, "auto:budget=1kB")


def test_it_refuses_a_bad_goal_before_the_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="budget"):
        edgeemb.export(tmp_path / "no-such-model", tmp_path / "b", table="auto:budget=much")


def test_it_searches_every_codec_that_offers_a_search_space() -> None:
    offered = {spec.codec for family in families(ROWS, DIM) for _, spec in family.members()}
    assert offered == {name for name, codec in CODECS.items() if codec.search is not None}
    assert "ngram" not in offered


def test_it_searches_codecs_with_equal_search_spaces_as_one_family() -> None:
    found = {family.codecs for family in families(ROWS, DIM)}
    assert {("fp32", "fp16"), ("int8", "int4", "int2"), ("binary",)} <= found


def test_it_stays_within_the_budget_and_takes_the_best_it_saw(planned: Plan) -> None:
    assert planned.choice.bytes <= 1000
    assert planned.choice.cosine == max(item.cosine for item in planned.frontier)
    assert planned.choice in planned.frontier


def test_its_frontier_rises_in_bytes_and_in_cosine(planned: Plan) -> None:
    sizes = [item.bytes for item in planned.frontier]
    cosines = [item.cosine for item in planned.frontier]
    assert len(planned.frontier) > 1
    assert sizes == sorted(set(sizes))
    assert cosines == sorted(set(cosines))


def test_equal_seeds_give_equal_plans(planned: Plan, tiny: Model) -> None:
    assert plan(tiny, Goal(budget=1000)) == planned


def test_it_reaches_a_cosine_with_fewer_bytes_than_int8(tiny: Model) -> None:
    found = plan(tiny, "auto:cosine=.95")
    sample = Sample(tiny, "word", None, 0)
    table = encode(tiny.table_weight("word"), found.choice.spec)
    assert found.choice.bytes == table.nbytes < encode(tiny.table_weight("word"), "int8").nbytes
    assert sample.agreement(table) == pytest.approx(found.choice.cosine, abs=2e-6)
    assert found.choice.cosine >= 0.95


def test_a_cosine_of_one_is_reached_by_float_rows(tiny: Model) -> None:
    assert plan(tiny, "auto:cosine=1").choice.cosine == 1.0


def test_it_names_the_closest_table_when_no_codec_meets_the_budget(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no codec meets 10 bytes .* the closest is \S+ with \d+ bytes"):
        edgeemb.export(tiny, tmp_path / "b", table="auto:budget=10", body="fp32", ops="builtin")
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_gives_the_sentences_and_the_frequencies(tiny: Model, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("".join(f"the cat {'ran ' * number}away\n" for number in range(300)), "utf-8")
    found = plan(tiny, "auto:budget=1kB", corpus=corpus)
    assert found.sentences == 128
    assert found.choice.bytes <= 1000


def test_an_export_stores_the_choice_and_the_frontier(tmp_path: Path) -> None:
    model = save_sentence(tmp_path / "m")
    options = ["--body", "fp32", "--ops", "builtin", "--table", "auto:budget=1kB"]
    result = CliRunner().invoke(main, ["export", str(model), "-o", str(tmp_path / "b"), *options])
    assert result.exit_code == 0, result.output
    manifest = read_manifest(tmp_path / "b")
    assert manifest.plan is not None
    choice = manifest.plan["choice"]
    assert choice in manifest.plan["frontier"]
    assert (manifest.tables["word"].spec, manifest.tables["word"].bytes) == (choice["spec"], choice["bytes"])
    assert manifest.tables["position"].spec == "int8"
    assert f"-> {choice['spec']}" in " ".join(result.output.split())


def test_a_module_names_the_table_to_plan(tmp_path: Path) -> None:
    examples = (torch.tensor([3, 4]), torch.tensor([[1, 2, 3], [4, 5, 6]]))
    model = edgeemb.load(Recommender(), example_inputs=examples)
    with pytest.raises(ModelError, match="several tables"):
        plan(model, "auto:cosine=.9")
    found = plan(model, "item=auto:cosine=.9")
    assert (found.table, found.sentences) == ("item", 1)
    assert found.choice.cosine >= 0.9


def test_a_trial_leaves_the_model_as_it_is(tiny: Model) -> None:
    before = run(tiny, TEXTS)
    other = tiny.with_rows("word", np.zeros_like(tiny.table_weight("word")))
    assert isinstance(other, Model)
    assert not torch.allclose(run(other, TEXTS), before)
    torch.testing.assert_close(run(tiny, TEXTS), before)


def test_an_onnx_model_is_planned_as_well(tmp_path: Path) -> None:
    model = edgeemb.load(str(save(encoder(), tmp_path / "encoder.onnx", tokenizer=True)))
    before = model.table_weight(model.word_table.alias)
    found = plan(model, "auto:cosine=.9")
    assert found.choice.cosine >= 0.9
    np.testing.assert_array_equal(model.table_weight(model.word_table.alias), before)

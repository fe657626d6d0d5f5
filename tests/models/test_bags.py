"""Embedding bags and models that a function of the user makes: the recommender's case."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import edgeemb
from edgeemb.errors import ModelError
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.bags import Bag

IDS = torch.tensor([[1, 3, 3, 0], [2, 0, 5, 1]])
FLAT = torch.tensor([1, 3, 3, 0, 2, 5])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 0])
def test_computes_what_the_bag_computes(mode: str, padding: int | None) -> None:
    torch.manual_seed(0)
    bag = nn.EmbeddingBag(6, 4, mode=mode, padding_idx=padding)
    torch.testing.assert_close(Bag(bag)(IDS), bag(IDS))
    for offsets in ([0, 2, 2, 5], [0, 6], [0]):
        begins = torch.tensor(offsets)
        torch.testing.assert_close(Bag(bag)(FLAT, begins), bag(FLAT, begins))


def test_weighs_the_rows_of_a_sum() -> None:
    bag = nn.EmbeddingBag(6, 4, mode="sum")
    weights, flat = torch.rand(2, 4), torch.rand(6)
    torch.testing.assert_close(Bag(bag)(IDS, None, weights), bag(IDS, None, weights))
    begins = torch.tensor([0, 2])
    torch.testing.assert_close(Bag(bag)(FLAT, begins, flat), bag(FLAT, begins, flat))


def test_takes_the_end_of_the_last_bag_among_the_offsets() -> None:
    bag = nn.EmbeddingBag(6, 4, mode="mean", include_last_offset=True)
    ends = torch.tensor([0, 2, 5, 6])
    torch.testing.assert_close(Bag(bag)(FLAT, ends), bag(FLAT, ends))


class Recommender(nn.Module):
    """A user, and a bag of what the user bought, give scores of items."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.user = nn.Embedding(50, 16)
        self.bought = nn.EmbeddingBag(30, 16, mode="mean")
        self.score = nn.Linear(16, 30)

    def forward(self, user: Tensor, bought: Tensor) -> Tensor:
        """:param user: int64[batch]. :param bought: int64[batch, ids]. :return: float32[batch, items]."""
        scores: Tensor = self.score(self.user(user) + self.bought(bought))
        return scores


def test_lists_every_table_of_a_recommender_and_leaves_the_module_as_it_is() -> None:
    module = Recommender()
    examples: Any = (torch.tensor([1, 2]), IDS)
    model = load_torch(module, example_inputs=examples)
    assert {table.alias: table.rows for table in model.tables} == {"user": 50, "bought.rows": 30}
    assert [info.rows for info in model.inputs] == [50, 30]
    with torch.no_grad():
        torch.testing.assert_close(model.module(*examples), module(*examples))
    assert isinstance(module.bought, nn.EmbeddingBag)


def test_refuses_a_bag_that_renormalises_its_rows() -> None:
    module = nn.Sequential(nn.EmbeddingBag(6, 4, max_norm=1.0))
    with pytest.raises(ModelError, match="table 0 has max_norm"):
        load_torch(module, example_inputs=(IDS,))


def _package(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shop_models.py").write_text(
        f"import torch\nfrom tests.models.test_bags import IDS, Recommender\n\ndef make():\n    {body}\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "shop_models", raising=False)


def test_calls_the_function_that_makes_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = '{"user": ("batch",), "bought": ("batch", "bag")}'
    _package(tmp_path, f"return Recommender(), (torch.tensor([1, 2]), IDS), {axes}", monkeypatch)
    model = edgeemb.load("shop_models:make", module=True)
    assert (model.name, model.inputs[1].axes) == ("Recommender", ("batch", "bag"))


@pytest.mark.parametrize(
    ("source", "body", "message"),
    [
        ("shop_models", "return 1", "does not name a function: write package.module:function"),
        ("shop_models:other", "return 1", "shop_models:other gives no model .AttributeError"),
        ("no_such_package:make", "return 1", "gives no model .ModuleNotFoundError"),
        ("shop_models:make", "return 1 / 0", "gives no model .ZeroDivisionError"),
        ("shop_models:make", "return Recommender()", r"let it return \(module, example_inputs\)"),
        ("shop_models:make", "return 1, 2", "gives a int where a torch module"),
    ],
)
def test_says_what_is_wrong_with_a_function(
    source: str, body: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, body, monkeypatch)
    with pytest.raises(ModelError, match=message):
        edgeemb.load(source, module=True)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "tflite", "executorch"])
def test_exports_a_recommender_with_both_tables_compressed(runtime: str, tmp_path: Path) -> None:
    bundle = edgeemb.export(
        edgeemb.load(Recommender(), example_inputs=(torch.tensor([1, 2]), IDS)),
        tmp_path / "bundle",
        runtime=runtime,
        body="fp32",
        table={"user": "int8", "bought.rows": "int4"},
    )
    with edgeemb.open(bundle) as session:
        assert {alias: entry.spec for alias, entry in session.manifest.tables.items()} == {
            "user": "int8",
            "bought.rows": "int4",
        }
        assert session.manifest.parity["cosine_min"] > 0.99

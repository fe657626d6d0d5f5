"""Models from torch modules, with tables that edgeemb knows nothing about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeemb.errors import ModelError
from edgeemb.models.loading import load_torch
from tests.fixtures.models import Recommender, onnx_session

EXAMPLES = (torch.tensor([1, 2, 3]), torch.tensor([[0, 1], [2, 3], [4, 5]]))


def test_lists_the_tables_under_their_module_paths() -> None:
    model = load_torch(Recommender(), example_inputs=EXAMPLES)
    assert [(t.alias, t.role, t.rows, t.dim, t.tied) for t in model.tables] == [
        ("user", "other", 50, 8, False),
        ("item", "other", 30, 8, True),
    ]
    with pytest.raises(ModelError, match="several tables, name one of: user, item"):
        _ = model.word_table


def test_takes_inputs_from_the_signature_and_bounds_from_the_tables() -> None:
    model = load_torch(Recommender(), example_inputs=EXAMPLES, axes={"history": ("batch", "length")})
    assert [(i.name, i.dtype, i.axes, i.table, i.rows) for i in model.inputs] == [
        ("user", "int64", ("batch",), "user", 50),
        ("history", "int64", ("batch", "length"), "item", 30),
    ]
    assert [(o.name, o.axes) for o in model.outputs] == [("output", ("batch", 30))]


def test_exports_to_onnx_with_the_named_axes_free(tmp_path: Path) -> None:
    source = Recommender()
    examples = {"history": EXAMPLES[1], "user": EXAMPLES[0]}
    model = load_torch(source, example_inputs=examples, axes={"history": ("batch", "length")})
    session = onnx_session(model, tmp_path / "model.onnx")
    user, history = torch.tensor([49]), torch.tensor([[29, 0, 1, 2, 3]])
    (result,) = session.run(None, {"user": user.numpy(), "history": history.numpy()})
    np.testing.assert_allclose(result, source(user, history).detach().numpy(), atol=1e-5)


def test_exports_a_free_batch_from_an_example_of_one(tmp_path: Path) -> None:
    source = Recommender()
    model = load_torch(source, example_inputs=(torch.tensor([1]), torch.tensor([[0, 1]])))
    session = onnx_session(model, tmp_path / "model.onnx")
    user, history = torch.tensor([3, 4, 5]), torch.tensor([[29, 0], [1, 2], [3, 4]])
    (result,) = session.run(None, {"user": user.numpy(), "history": history.numpy()})
    np.testing.assert_allclose(result, source(user, history).detach().numpy(), atol=1e-5)


def test_refuses_examples_whose_batches_differ() -> None:
    with pytest.raises(ModelError, match="axis 'batch' is 1 long in one example and 3 in 'history'"):
        load_torch(Recommender(), example_inputs=(torch.tensor([1]), EXAMPLES[1]))


def test_copies_the_module_and_leaves_it_as_it_was() -> None:
    source = Recommender().double().train()
    model = load_torch(source, example_inputs=EXAMPLES)
    assert source.training and source.user.weight.dtype == torch.float64
    assert not model.module.training and model.table_weight("user").dtype == np.float32


def test_takes_a_bare_embedding() -> None:
    model = load_torch(torch.nn.Embedding(9, 4), example_inputs=(torch.tensor([1]),), name="bare")
    assert (model.name, model.word_table.name, model.word_table.alias) == ("bare", "weight", "embedding")


@pytest.mark.parametrize(
    ("module", "examples", "message"),
    [
        (torch.nn.Linear(2, 2), (torch.zeros(1, 2),), "holds no nn.Embedding"),
        (torch.nn.Embedding(9, 4, max_norm=1.0), (torch.tensor([1]),), "max_norm"),
        (torch.nn.Embedding(9, 4), None, "needs example_inputs"),
        (torch.nn.Embedding(9, 4), (torch.tensor([9]),), "fails on its example_inputs"),
        (torch.nn.Embedding(9, 4), (torch.tensor([1]), 2), "do not fit Embedding.forward"),
        (torch.nn.Embedding(9, 4), (torch.tensor(1),), "with a batch axis"),
    ],
)
def test_refuses_what_it_cannot_export(module: torch.nn.Module, examples: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_torch(module, example_inputs=examples)


def test_refuses_weights_that_are_not_numbers() -> None:
    module = Recommender()
    with torch.no_grad():
        module.user.weight[3, 1] = float("nan")
    with pytest.raises(ModelError, match=r"tensor user\.weight holds 1 NaN or infinite"):
        load_torch(module, example_inputs=EXAMPLES)


def test_ids_that_reach_tables_reshaped_are_bounded_by_the_smallest() -> None:
    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.large = torch.nn.Embedding(50, 4)
            self.small = torch.nn.Embedding(20, 4)

        def forward(self, ids: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
            return (
                self.large(ids.flatten())
                + self.small(ids.unsqueeze(-1)).flatten(0, 2)
                + self.small(first[:, 0]).sum()
            )

    ids = torch.ones((2, 3), dtype=torch.int64)
    model = load_torch(Flat(), example_inputs=[ids, ids])
    assert [(info.table, info.rows) for info in model.inputs] == [("large", 20), (None, None)]

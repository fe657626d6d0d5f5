"""A layer that is more than a lookup keeps its own forward when its rows come from a compressed table, in every writer and in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgeemb
from edgeemb.errors import ExportError
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model
from edgeemb.tables import encode
from edgeemb.torch_tables.module import TableModule
from edgeemb.torch_tables.placing import put_rows
from edgeemb.training.student import copied, put_tables, take_tables
from tests.fixtures.weights import structured

ROWS, DIM = 60, 16
IDS = torch.tensor([[1, 2, 59, 0], [7, 7, 3, 2]])


class Scaled(nn.Embedding):
    """Rows times 8, as Gemma's."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * torch.tensor(8.0).to(self.weight.dtype)


class Clipped(nn.Embedding):
    """Ids beyond the table are its last row, and the lookup is torch's own function."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.embedding(self.weight, input.clamp(max=self.weight.shape[0] - 1)) - 1


class Net(nn.Module):
    """A layer of some class, and a projection."""

    def __init__(self, kind: type[nn.Embedding]) -> None:
        super().__init__()
        self.table = kind(ROWS, DIM, _weight=torch.from_numpy(structured(ROWS, DIM)))
        torch.manual_seed(0)
        self.dense = nn.Linear(DIM, 4)

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.dense(self.table(ids)) + self.table.weight.shape[0]
        return result


def hooked() -> Net:
    """A plain layer with a hook that halves its rows."""
    net = Net(nn.Embedding)
    net.table.register_forward_hook(lambda layer, args, rows: rows / 2)
    return net


NETS = {
    "scaled": lambda: Net(Scaled),
    "clipped": lambda: Net(Clipped),
    "hooked": hooked,
    "plain": lambda: Net(nn.Embedding),
}


def loaded(name: str) -> Model:
    return load_torch(NETS[name](), example_inputs={"ids": IDS}, axes={"ids": ["batch", 4]})


@pytest.mark.parametrize("name", NETS)
def test_a_layer_computes_with_the_rows_of_a_table_what_it_did_with_its_own(name: str) -> None:
    net = NETS[name]()
    wanted = net(IDS)
    table = encode(structured(ROWS, DIM), "fp32")
    put_rows(net, net.table.weight, TableModule(table))
    torch.testing.assert_close(net(IDS), wanted)
    assert sum(parameter.numel() for parameter in net.table.parameters()) == ROWS * DIM


def test_a_module_that_is_the_layer_itself_is_replaced() -> None:
    layer = Scaled(ROWS, DIM, _weight=torch.from_numpy(structured(ROWS, DIM)))
    wanted = layer(IDS)
    other = put_rows(layer, layer.weight, TableModule(encode(structured(ROWS, DIM), "int8")))
    torch.testing.assert_close(other(IDS), wanted, atol=0.2, rtol=0)


@pytest.mark.parametrize("runtime", ["onnx", "tflite", "executorch"])
@pytest.mark.parametrize("name", ["scaled", "hooked"])
def test_its_forward_runs_in_every_runtime(runtime: str, name: str, tmp_path: Path) -> None:
    model = loaded(name)
    bundle = edgeemb.export(
        model, tmp_path / "b", target="linux-x64", runtime=runtime, table="fp32", body="fp32", ops="builtin"
    )
    with edgeemb.open(bundle) as session:
        # TFLite takes a batch of one, in 32 bits.
        ids = IDS[:1].numpy().astype(session.manifest.inputs[0].dtype)
        with torch.no_grad():
            wanted = model.module(IDS[:1]).numpy()
        np.testing.assert_allclose(session.run({"ids": ids}), wanted, atol=1e-4)


@pytest.mark.parametrize("name", ["scaled", "hooked", "plain"])
def test_training_keeps_the_forward_and_gives_the_layer_back(name: str) -> None:
    student = copied(loaded(name))
    wanted = student.module(IDS).detach()
    kind = type(student.module.table)
    placed = put_tables(student, {"table": encode(structured(ROWS, DIM), "int8")})
    result = student.module(IDS)
    torch.testing.assert_close(result, wanted, atol=0.5, rtol=0)
    result.sum().backward()
    assert any(
        parameter.grad is not None and parameter.grad.abs().sum() > 0
        for parameter in placed["table"].parameters()
    )
    trained = take_tables(student, placed)
    assert type(trained.module.table) is kind
    torch.testing.assert_close(trained.module(IDS), result.detach(), atol=1e-5, rtol=0)
    np.testing.assert_array_equal(trained.table_weight("table"), trained.fitted["table"].reconstruct())


class Doubled(nn.Embedding):
    """Does arithmetic with its whole weight, which no compressed table can follow."""

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.embedding(input, self.weight * 2)


def test_a_layer_that_uses_its_whole_weight_is_refused_not_miscomputed() -> None:
    net = Net(Doubled)
    put_rows(net, net.table.weight, TableModule(encode(structured(ROWS, DIM), "fp32")))
    with pytest.raises(ExportError, match="passes its whole weight to mul, where only lookups"):
        net(IDS)

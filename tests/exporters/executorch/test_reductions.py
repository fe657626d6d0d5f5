"""A maximum or minimum over axes, with its index or without, becomes an ExecuTorch program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgeemb
from edgeemb.body.smoothing import ScaledLinear
from edgeemb.exporters.executorch.passes import share_products


class Net(nn.Module):
    """Rows of characters, reduced by some function."""

    def __init__(self, reduce: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(50, 8)
        self.dense = nn.Linear(8, 6)
        self.reduce = reduce

    def forward(self, chars: Tensor) -> Tensor:
        """:param chars: int64[1, length]. :return: whatever the function gives."""
        return self.reduce(self.dense(self.table(chars)))


REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "over a stack": lambda x: torch.stack([x, -x], 3).max(3)[0],
    "over the length": lambda x: x.amax(1),
    "over two axes": lambda x: x.amin((1, 2)),
    "from the end, kept": lambda x: x.max(-1, keepdim=True).values,
    "with its index": lambda x: x.max(-1).values + x.max(-1).indices,
    "least": lambda x: x.min(2).values,
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_to_an_extreme_is_computed(name: str, tmp_path: Path) -> None:
    chars = torch.arange(12).reshape(1, 12)
    net = Net(REDUCTIONS[name]).eval()
    model = edgeemb.load(net, example_inputs={"chars": chars}, axes={"chars": [1, "length"]})
    bundle = edgeemb.export(
        model,
        tmp_path / "b",
        target="linux-x64",
        runtime="executorch",
        table="fp32",
        body="fp32",
        ops="builtin",
    )
    with edgeemb.open(bundle) as session, torch.no_grad():
        for length in (12, 5):
            wanted = net(chars[:, :length]).numpy()
            np.testing.assert_allclose(session.run({"chars": chars[:, :length].numpy()}), wanted, atol=1e-5)


def test_layers_that_read_one_smoothed_input_share_its_product() -> None:
    factors = torch.rand(8) + 0.5
    layers = [ScaledLinear(nn.Linear(8, 4), factors) for _ in range(3)]

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(layers)

        def forward(self, x: Tensor) -> Tensor:
            """:param x: float32[2, 8]. :return: float32[2, 4]."""
            return sum((layer(x) for layer in self.layers), x.new_zeros(2, 4))

    x = torch.rand(2, 8)
    program = torch.export.export(Shared().eval(), (x,), strict=False)
    share_products(program)
    products = [node for node in program.graph.nodes if node.target is torch.ops.aten.mul.Tensor]
    assert len(products) == 1
    torch.testing.assert_close(program.module()(x), Shared()(x))

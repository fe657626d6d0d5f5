"""Smoothing moves range from activations into weights, and changes nothing that a model computes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from edgeemb.body.grid import full_scales, nearest
from edgeemb.body.layers import agree, linear_layers
from edgeemb.body.smoothing import ScaledLinear, smooth, smoothing_factors
from edgeemb.models.lines import sample_feeds
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model


class GainAboveOne(nn.Module):
    """A root-mean-square normalisation whose gain is 1 + weight."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self, rows: Tensor) -> Tensor:
        return rows * torch.rsqrt((rows * rows).mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


class Block(nn.Module):
    """A gated block; the sum around it reads what goes into the normalisation, or what comes out of it."""

    def __init__(self, norm: nn.Module, *, sum_reads_norm: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.table = nn.Embedding(20, 8)
        self.norm = norm
        self.up, self.gate, self.down = nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(12, 8)
        self.sum_reads_norm = sum_reads_norm
        with torch.no_grad():
            self.table.weight[:, 2] *= 50

    def forward(self, ids: Tensor) -> Tensor:
        rows = self.table(ids)
        normal = self.norm(rows)
        wide = self.up(normal) * torch.sigmoid(self.gate(normal))
        return self.down(wide) + (normal if self.sum_reads_norm else rows)


def block(norm: nn.Module, *, sum_reads_norm: bool = False) -> Model:
    ids = torch.arange(6)[None] % 20
    return load_torch(Block(norm, sum_reads_norm=sum_reads_norm), example_inputs=(ids,))


def test_gives_the_same_vectors_and_leaves_the_model_alone(tiny: Model) -> None:
    feeds = sample_feeds(tiny, None, 0)
    before = {name: weight.clone() for name, weight in tiny.module.named_parameters()}
    smoothed = smooth(tiny, dict.fromkeys(linear_layers(tiny.module), 0.6), feeds).model
    assert smoothed is not tiny
    assert all(torch.equal(weight, before[name]) for name, weight in tiny.module.named_parameters())
    for given in feeds[:5]:
        assert agree(tiny.reference(given), smoothed.reference(given), 1e-5)


def test_layers_that_read_one_normalisation_share_one_factor(tiny: Model) -> None:
    done = smooth(tiny, dict.fromkeys(linear_layers(tiny.module), 0.6), sample_feeds(tiny, None, 0))
    assert done.folded == ()
    layer = "body.encoder.layer.1"
    readers = [f"{layer}.attention.self.{name}" for name in ("query", "key", "value")]
    assert {*readers, f"{layer}.intermediate.dense"} < set(done.scaled)
    assert f"{layer}.output.dense" not in done.scaled
    factors = [done.model.module.get_submodule(name).get_buffer("factors") for name in readers]
    assert factors[0] is factors[1] is factors[2]


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm, GainAboveOne])
def test_costs_nothing_where_no_sum_reads_the_normalisation(norm: Callable[[int], nn.Module]) -> None:
    model = block(norm(8))
    done = smooth(model, {"up": 0.5, "gate": 0.5, "down": 0.5}, [model.examples()[0]])
    assert set(done.folded) == {"up", "gate"}
    assert done.scaled == ()
    assert not any(isinstance(layer, ScaledLinear) for layer in done.model.module.modules())
    up, before = done.model.module.get_submodule("up"), model.module.get_submodule("up")
    assert not torch.allclose(up.get_parameter("weight"), before.get_parameter("weight"))


def test_multiplies_at_run_time_where_a_sum_reads_the_normalisation_too() -> None:
    model = block(nn.LayerNorm(8), sum_reads_norm=True)
    done = smooth(model, {"up": 0.5, "gate": 0.5}, [model.examples()[0]])
    assert (done.folded, set(done.scaled)) == ((), {"up", "gate"})


def test_leaves_a_layer_that_is_not_named_as_it_is() -> None:
    model = block(nn.LayerNorm(8))
    done = smooth(model, {"up": 0.5}, [model.examples()[0]])
    assert (done.folded, done.scaled) == ((), ("up",))
    gates = [part.module.get_parameter("gate.weight") for part in (model, done.model)]
    assert torch.equal(*gates)


def test_says_why_a_model_without_a_normalisation_stays_as_it_is() -> None:
    model = block(nn.Identity())
    done = smooth(model, {"up": 0.5, "gate": 0.5}, [model.examples()[0]])
    assert done.model is model
    assert "reads the output of a normalisation" in done.reason


def test_evens_out_inputs_of_different_size() -> None:
    largest = torch.tensor([1.0, 100.0, 0.0])
    factors = smoothing_factors(largest, [torch.ones(2, 3), torch.full((4, 3), 0.5)], 0.5)
    assert float(factors.log().sum()) == pytest.approx(0, abs=1e-5)
    spread = largest / factors
    assert float(spread[1] / spread[0]) == pytest.approx(10)


def rounded(model: Model) -> float:
    """How far the outputs of a model move when the inputs and the weights of `up` and `gate` have 8 bits."""
    ids = torch.arange(6)[None]
    wanted = model.module(ids)

    def round_rows(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        steps = (inputs[0].amax(-1, keepdim=True) - inputs[0].amin(-1, keepdim=True)) / 255
        return (torch.round(inputs[0] / steps) * steps,)

    module = copy.deepcopy(model.module)
    for name in ("up", "gate"):
        layer = module.get_submodule(name)
        weight = layer.get_parameter("weight")
        matrix = weight.detach().numpy()
        weight.data = torch.from_numpy(nearest(matrix, full_scales(matrix, 8, 8), 8, 8).values())
        layer.register_forward_pre_hook(round_rows)
    with torch.no_grad():
        return float((module(ids) - wanted).abs().max() / wanted.abs().max())


def test_8_bits_keep_more_of_inputs_with_outliers() -> None:
    model = block(nn.LayerNorm(8))
    with torch.no_grad():
        model.module.get_parameter("norm.weight")[5] = 60
        for name in ("up.weight", "gate.weight"):
            model.module.get_parameter(name)[:, 5] *= 0.02
    smoothed = smooth(model, {"up": 0.5, "gate": 0.5}, [model.examples()[0]])
    assert set(smoothed.folded) == {"up", "gate"}
    assert rounded(smoothed.model) < 0.5 * rounded(model)

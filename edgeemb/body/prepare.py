"""What is done to a body before a writer gets it: smoothing, and the grid of each matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeemb.body.grid import near_grid, trained_grid
from edgeemb.body.grids import Grids
from edgeemb.body.plan import BodyPlan
from edgeemb.body.precision import PRECISIONS
from edgeemb.body.spec import BodyRequest, BodySpec, parse_body, specs_of
from edgeemb.bundle.manifest import BodyEntry, BodyStep
from edgeemb.errors import SpecError
from edgeemb.models.base import LoadedModel

if TYPE_CHECKING:
    from torch import nn

    from edgeemb.body.layers import Feeds
    from edgeemb.body.planning import BodySearch
    from edgeemb.models.torch.model import Model


@dataclass(frozen=True)
class Prepared:
    """A model whose body is ready to be written.

    :param model: the model, or a changed copy whose matrices have the values of their grids.
    :param grids: the grids of its matrices.
    :param entry: what the manifest says of the body; None where it stays as it came.
    """

    model: LoadedModel
    grids: Grids = field(default_factory=Grids)
    entry: BodyEntry | None = None


def prepare(
    model: LoadedModel,
    request: BodyRequest,
    precision: str,
    *,
    corpus: Path | None = None,
    seed: int = 0,
    planned: BodyPlan | None = None,
) -> Prepared:
    """Prepare the body of a model. A finished model stays as it is.

    :param model: the model, which is left as it is.
    :param request: which layer gets which spec.
    :param precision: of the layers that it says nothing of, a key of `PRECISIONS`.
    :param corpus: calibration texts; None for the packaged sentences.
    :param seed: seed of the choice of lines.
    :param planned: which layers have 4 bits, where that was planned before; then the request's own goal does not count.
    :raises SpecError: if a named layer is not there.
    :raises InputError: if the calibration texts cannot be used.
    """
    request = request.with_default(precision)
    default = request.default
    assert default is not None
    if model.runtimes:
        if request.named or request.goal:
            raise SpecError(
                f"{model.name} is a finished model, whose layers have no names: leave auto and the bodies of single layers out"
            )
        return Prepared(model)
    if not default.bits and not request.named:
        return Prepared(model)
    # They import torch, which whoever exports a model that is not finished has.
    from edgeemb.body.layers import linear_layers
    from edgeemb.body.planning import plan_body
    from edgeemb.models.lines import sample_feeds

    whole = model.torch_model()
    layers = linear_layers(whole.module)
    specs = specs_of(list(layers), request, default)
    if planned is not None:
        specs.update(dict.fromkeys(planned.four, _four()))
    if not any(spec.bits for spec in specs.values()):
        return Prepared(model, entry=BodyEntry(str(default)))
    feeds = sample_feeds(model, corpus, seed)
    if model.takes_text and default.precision == "int4":
        for name in _once_a_text(whole, layers, feeds[0]):
            if specs[name] is default:
                specs[name] = parse_body("int8")
    if request.goal is not None and planned is None:
        free = _free(whole, layers, specs, default, feeds)
        planned = plan_body(_even(whole, layers, free, feeds), free, _four().block, request.goal, feeds)
        specs.update(dict.fromkeys(planned.four, _four()))
    original = whole
    whole, smoothing = _smoothed(whole, layers, specs, feeds)
    steps = [smoothing] if planned is None else [_step(planned), smoothing]
    grids = Grids()
    if default.precision != "int8-tensor":  # ONNX Runtime's own tool chooses its grids
        whole = _changeable(whole, original)
        _put_on_grids(whole, specs, feeds, grids)
        steps += _rounding(specs)
    count = sum(len(next(iter(given.values()))) for given in feeds)
    texts = "the packaged sentences" if corpus is None else corpus.name
    calibration = f"{count} lines of {texts}" if model.takes_text else f"{len(feeds)} example inputs"
    named = {name: str(spec) for name, spec in request.named.items()}
    if planned is not None:
        named |= {name: str(spec) for name, spec in specs.items() if spec.precision == "int4"}
    return Prepared(whole, grids, BodyEntry(str(default), named, steps, calibration))


def search_body(
    model: LoadedModel, request: BodyRequest, *, corpus: Path | None = None, seed: int = 0
) -> BodySearch:
    """What the layers of a body that no spec names cost in 4 bits.

    :param model: the model, which is left as it is.
    :param request: which layer gets which spec.
    :param corpus: calibration texts; None for the packaged sentences.
    :param seed: seed of the choice of lines.
    :raises SpecError: if a named layer is not there, or none can have 4 bits.
    :raises InputError: if the calibration texts cannot be used.
    """
    from edgeemb.body.layers import linear_layers
    from edgeemb.body.planning import BodySearch
    from edgeemb.models.lines import sample_feeds

    whole = model.torch_model()
    layers = linear_layers(whole.module)
    default = request.default or parse_body("int8")
    feeds = sample_feeds(model, corpus, seed)
    free = _free(whole, layers, specs_of(list(layers), request, default), default, feeds)
    return BodySearch(_even(whole, layers, free, feeds), free, _four().block, feeds)


def _four() -> BodySpec:
    """The spec of the layers that a plan gives 4 bits."""
    return parse_body("int4")


def _free(
    model: Model,
    layers: dict[str, nn.Linear],
    specs: dict[str, BodySpec],
    default: BodySpec,
    feeds: Sequence[Feeds],
) -> list[str]:
    """The layers that a plan may give 4 bits: those that nothing was said of."""
    heads = _once_a_text(model, layers, feeds[0])
    return [
        name
        for name, spec in specs.items()
        if spec is default and layers[name].in_features % _four().block == 0 and name not in heads
    ]


def _even(model: Model, layers: dict[str, nn.Linear], free: Sequence[str], feeds: Sequence[Feeds]) -> Model:
    """A copy to search in, smoothed for layers of 4 bits."""
    smooth, _ = _smoothed(model, layers, dict.fromkeys(free, _four()), feeds)
    return _changeable(smooth, model)


def _step(plan: BodyPlan) -> BodyStep:
    return BodyStep(
        plan.goal,
        f"{len(plan.four)} of {plan.layers} matrix products in 4 bits, {plan.stored:,} bytes in all, "
        f"cosine {plan.cosine:.4f} of the rounded weights",
    )


def _changeable(model: Model, original: Model) -> Model:
    """The model, or a copy of it where it is still the one that must stay as it is."""
    from edgeemb.torch_tables.copying import copy_module

    return (
        replace(model, module=copy_module(model.module).requires_grad_(False)) if model is original else model
    )


def _smoothed(
    model: Model, layers: dict[str, nn.Linear], specs: dict[str, BodySpec], feeds: Sequence[Feeds]
) -> tuple[Model, BodyStep]:
    from edgeemb.body.smoothing import smooth

    alphas: dict[str, float] = {}
    for name, spec in specs.items():
        matrix = layers[name].weight.detach().numpy()
        alpha = PRECISIONS[spec.precision].alpha
        if alpha is not None and trained_grid(matrix, spec.bits, spec.block or matrix.shape[1]) is None:
            alphas[name] = alpha
    done = smooth(model, alphas, feeds)
    if done.reason:
        return model, BodyStep("not smoothed", done.reason)
    ways = [(len(done.folded), "within normalisations"), (len(done.scaled), "by a multiplication")]
    used = sorted({alphas[name] for name in (*done.folded, *done.scaled)})
    return done.model, BodyStep(
        "smoothed",
        f"{len(done.folded) + len(done.scaled)} of {len(layers)} matrix products, alpha {', '.join(f'{alpha:g}' for alpha in used)}: "
        + ", ".join(f"{count} {way}" for count, way in ways if count),
    )


def _once_a_text(model: Model, layers: dict[str, nn.Linear], feeds: Feeds) -> list[str]:
    """Layers that read one vector for each text, as heads do: 4 bits would save little there, and cost much."""
    from edgeemb.body.layers import watched

    ranks: dict[str, int] = {}
    with watched(layers, lambda name, rows: ranks.update({name: rows.dim()})):
        model.reference(feeds)
    return [name for name, rank in ranks.items() if rank == 2]


def _put_on_grids(model: Model, specs: dict[str, BodySpec], feeds: Sequence[Feeds], grids: Grids) -> None:
    """Change the matrices of a model to their values on their grids, which are noted."""
    import torch

    from edgeemb.body.layers import linear_layers
    from edgeemb.body.rounding import gptq_grid, second_moments

    layers = linear_layers(model.module)

    def put(name: str, second: torch.Tensor | None) -> None:
        matrix, bits = layers[name].weight.detach().numpy(), specs[name].bits
        if not bits:
            grids.keep(matrix)
            return
        block = specs[name].block or matrix.shape[1]
        grid = near_grid(matrix, bits, block) if second is None else gptq_grid(matrix, bits, block, second)
        layers[name].weight.copy_(torch.from_numpy(grids.add(grid)))

    careful = {name: layer for name, layer in layers.items() if specs[name].gptq}
    done = set()
    for name, second in second_moments(model, careful, feeds):
        put(name, second)
        done.add(name)
    for name in layers:
        if name not in done:
            put(name, None)


def _rounding(specs: dict[str, BodySpec]) -> list[BodyStep]:
    """The layers that are rounded by GPTQ; rounding to the nearest code needs no word."""
    counts = Counter(f"{spec.bits} bits" for spec in specs.values() if spec.gptq)
    details = ", ".join(f"{count} matrix products in {bits}" for bits, count in counts.items())
    return [BodyStep("gptq", details)] if counts else []

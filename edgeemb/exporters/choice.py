"""What an export is made for: target, runtime, body and ops, from what the user requests and what target, runtime and model allow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgeemb.body.precision import BODIES, KEEP, PRECISIONS
from edgeemb.body.spec import MIXED, BodyRequest
from edgeemb.errors import SpecError
from edgeemb.exporters.targets import Target, find_target, host_abi
from edgeemb.models.base import LoadedModel
from edgeemb.native.libraries import has_library
from edgeemb.runtimes.registry import RUNTIMES, find_runtime
from edgeemb.runtimes.runtime import Runtime
from edgeemb.tables.top import HeadSpec


@dataclass(frozen=True)
class Choice:
    """What an export is made for.

    :param target: what it aims at.
    :param runtime: what runs it there.
    :param body: precision of everything but the tables.
    :param ops: lowering of the lookups, ``builtin`` or ``custom``.
    :param notes: what the user should know of the choice.
    """

    target: Target
    runtime: Runtime
    body: str
    ops: str
    notes: tuple[str, ...] = ()


def choose(target: str | None, runtime: str | None, body: str | None, ops: str | None) -> Choice:
    """Check what the user requests, and use the target's defaults for the rest.

    :param target: name of a target; None for this machine.
    :param runtime: name of a runtime, or None.
    :param body: precision of the body, or None.
    :param ops: ``builtin``, ``custom`` or None.
    :raises SpecError: if something is not known, or the target does not allow it.
    """
    aim = find_target(target)
    chosen = Choice(aim, find_runtime(runtime or aim.runtime), body or aim.body, ops or aim.ops)
    allowed = aim.runtimes or (aim.runtime,)
    if chosen.runtime.name not in allowed:
        raise SpecError(
            f"target {aim.name} does not take the runtime '{chosen.runtime.name}': use {', '.join(allowed)}"
        )
    if chosen.body not in PRECISIONS:
        raise SpecError(
            f"body '{chosen.body}' is not known: use {', '.join(BODIES)}; or {KEEP} for a finished model"
        )
    if chosen.ops not in ("builtin", "custom"):
        raise SpecError(f"ops '{chosen.ops}' is not known: use builtin or custom")
    lowerings = chosen.runtime.lowerings
    if chosen.ops not in lowerings:
        if ops is not None:
            raise SpecError(f'{chosen.runtime.title} has no {ops} ops: use ops="{lowerings[0]}"')
        chosen = replace(chosen, ops=lowerings[0])
    if chosen.ops == "custom" and chosen.runtime.name in aim.builtin_only:
        raise SpecError(
            f'target {aim.name}: the package of {chosen.runtime.title} for it takes no further ops; use ops="builtin"'
        )
    if ops is None and chosen.ops == "custom" and _lookups_missing(chosen):
        return replace(chosen, ops="builtin", notes=(_NO_LIBRARIES,))
    return chosen


def _lookups_missing(choice: Choice) -> bool:
    """Whether a bundle for this machine would carry native lookups that this installation has not."""
    library = choice.runtime.library
    carried = library and not choice.runtime.compiles_lookups and host_abi() in choice.target.abis
    return bool(carried) and not has_library(library)


_NO_LIBRARIES = "edgeemb was installed without a C compiler and has no native lookups: the bundle uses the runtime's own ops"


def suited(choice: Choice, model: LoadedModel, *, runtime_asked: bool, body_asked: bool) -> Choice:
    """The choice for a model, which may allow only some runtimes and may keep its body.

    :param choice: what was chosen before the model was there.
    :param model: the model.
    :param runtime_asked: whether the user named the runtime.
    :param body_asked: whether the user named the body.
    :raises SpecError: if the model cannot be exported in that way.
    """
    if not body_asked and model.default_body in (KEEP, *choice.runtime.bodies):
        choice = replace(choice, body=model.default_body)
    if choice.body == KEEP and model.default_body != KEEP:
        raise SpecError(f"body '{KEEP}' is for finished models: use {', '.join(choice.runtime.bodies)}")
    if model.runtimes and choice.runtime.name not in model.runtimes:
        allowed = choice.target.runtimes or (choice.target.runtime,)
        fitting = [name for name in model.runtimes if name in allowed]
        if runtime_asked or not fitting:
            raise SpecError(
                f"{model.source} is a finished model for the runtime {' or '.join(model.runtimes)}, not for {choice.runtime.name}: "
                f'use runtime="{model.runtimes[0]}" and a target that takes it'
            )
        choice = replace(choice, runtime=find_runtime(fitting[0]))
    if choice.body not in (*choice.runtime.bodies, KEEP):
        raise SpecError(
            f"{choice.runtime.title} cannot run the body '{choice.body}': use {' or '.join(choice.runtime.bodies)}"
        )
    return choice


def usual_head(model: LoadedModel, runtime: Runtime) -> HeadSpec | None:
    """What an output layer over the vocabulary gives where nothing was asked for; None for all logits, or without such a layer.

    :param model: the model.
    :param runtime: the runtime.
    """
    if not runtime.top or model.task is None or not (model.task.per_vocabulary and model.task.per_token):
        return None
    tokens = model.outputs[0].axes[-1]
    return HeadSpec(min(runtime.top, tokens)) if isinstance(tokens, int) else None


def check_head(head: HeadSpec, choice: Choice) -> None:
    """Refuse a head that a runtime cannot compute.

    :param head: what the output layer is asked for.
    :param choice: what the export is made for.
    :raises SpecError: naming the runtimes that can, or the ops that are needed.
    """
    if not choice.runtime.heads:
        able = [name for name, other in RUNTIMES.items() if other.heads]
        raise SpecError(
            f"{choice.runtime.title} gives all logits: leave `head` out, or use runtime={' or '.join(able)}"
        )
    if head.shortlist and not choice.runtime.shortlists:
        raise SpecError(f"head '{head}': {choice.runtime.title} scans no shortlist: use top alone")
    if head.shortlist and choice.ops != "custom":
        raise SpecError(
            f"head '{head}': only our native ops scan a shortlist: use ops=\"custom\", or top alone"
        )


def check_layers(request: BodyRequest, choice: Choice) -> None:
    """Refuse specs of single layers that a runtime cannot run, or not beside the body of the others.

    :param request: which layer gets which spec.
    :param choice: what the export is made for.
    :raises SpecError: naming the layer.
    """
    runtime = choice.runtime
    missing = [name for name in ("int8", "int4") if name not in runtime.bodies]
    if request.goal is not None and missing:
        raise SpecError(
            f"body 'auto:{request.goal}': {runtime.title} has no layers in {missing[0]}: use {' or '.join(runtime.bodies)}"
        )
    if request.named and choice.body not in MIXED:
        raise SpecError(
            f"body {choice.body} is of all layers: leave '{next(iter(request.named))}' out, or use {', '.join(MIXED)} for the others"
        )
    for name, spec in request.named.items():
        needed = "fp32" if spec.precision == KEEP else spec.precision
        if needed not in runtime.bodies:
            raise SpecError(
                f"body '{name}={spec}': {runtime.title} has no layers in {needed}: use {' or '.join(runtime.bodies)}"
            )

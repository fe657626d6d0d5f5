"""Body specs: how matrix products are stored and computed, and which layer gets which.

    spec   = name [ ":" option { "," option } ]
    option = "block=" number | "gptq" | "nearest"

``int8``, ``int4:block=64`` and ``int4:block=32,nearest`` are specs; `str` of one gives its canonical text. ``auto:budget=8MB`` and ``auto:cosine=.99``
in the place of one leave the choice to `edgeemb.body.planning`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import TypeAlias, Union

from edgeemb.body.grid import BLOCK
from edgeemb.body.precision import BODIES, KEEP, PRECISIONS
from edgeemb.errors import SpecError, unknown
from edgeemb.tables.goal import Goal, parse_goal

#: What callers may give: one spec, a list of ``spec`` and ``name=spec``, or a mapping from the names of layers to specs.
Bodies: TypeAlias = Union[str, Sequence[str], Mapping[str, str]]

#: Inputs of a layer that may share a scale at 4 bits: what every runtime that has such products takes.
BLOCKS = (32, 64, 128)
#: Precisions beside which single layers may have another.
MIXED = ("fp32", "int8", "int4")
#: Precisions that single layers may have.
SINGLE = ("int8", "int4", KEEP)

#: Layers that an error names.
_SHOWN = 6
_NAMED = re.compile(r"([\w.\-/]+)=([a-z].*)", re.DOTALL)


@dataclass(frozen=True)
class BodySpec:
    """How matrix products are stored and computed.

    :param precision: a key of `PRECISIONS`.
    :param block: inputs that share a scale; 0 where an output has one scale.
    :param gptq: whether weights are rounded so that their errors cancel (`edgeemb.body.rounding`), or each to the nearest code.
    """

    precision: str
    block: int = 0
    gptq: bool = False

    def __str__(self) -> str:
        options = [f"block={self.block}"] if self.block else []
        if self.precision == "int4":
            options.append("gptq" if self.gptq else "nearest")
        elif self.gptq:
            options.append("gptq")
        return f"{self.precision}:{','.join(options)}" if options else self.precision

    @property
    def bits(self) -> int:
        """Bits of a weight; 0 where no grid is chosen before the model is written."""
        return {"int8": 8, "int8-tensor": 8, "int4": 4}.get(self.precision, 0)


@dataclass(frozen=True)
class BodyRequest:
    """Which layer gets which spec.

    :param default: of all layers that no name is given for; None for the default of the target.
    :param named: specs by name; see `specs_of`.
    :param goal: what a plan is to reach, which chooses between 8 and 4 bits for each layer that no name is given for; None for no plan.
    """

    default: BodySpec | None = None
    named: Mapping[str, BodySpec] = field(default_factory=dict)
    goal: Goal | None = None

    def with_default(self, precision: str) -> BodyRequest:
        """The request with a precision where it has none.

        :param precision: a key of `PRECISIONS`.
        """
        same = self.default is not None and self.default.precision == precision
        return self if same else replace(self, default=parse_body(precision))


def parse_body(text: str) -> BodySpec:
    """Read one spec.

    :param text: for example ``int4:block=32``.
    :raises SpecError: if the precision or an option is not known.
    """
    name, _, rest = text.strip().partition(":")
    if name not in PRECISIONS:
        raise SpecError(f"{unknown('body', name, BODIES)}; or {KEEP} for a finished model")
    block = BLOCK if name == "int4" else 0
    gptq = name == "int4"
    for option in rest.split(",") if rest else ():
        key, _, value = option.partition("=")
        if option in ("gptq", "nearest") and name in ("int4", "int8"):
            gptq = option == "gptq"
        elif key == "block" and name == "int4":
            if value not in map(str, BLOCKS):
                raise SpecError(
                    f"body '{text}': block={value} is not possible: use {', '.join(map(str, BLOCKS))}"
                )
            block = int(value)
        else:
            options = {"int4": "block=32, gptq or nearest", "int8": "gptq or nearest"}.get(name, "no options")
            raise SpecError(f"body '{text}': '{option}' is not known; {name} takes {options}")
    return BodySpec(name, block, gptq)


def read_bodies(wanted: Bodies | None) -> BodyRequest:
    """Parse what a caller wrote.

    :param wanted: specs, with or without a name; None for nothing.
    :raises SpecError: if a spec does not parse, or two are for the same.
    """
    default: list[BodySpec] = []
    named: dict[str, BodySpec] = {}
    goal = None
    for name, text in _entries(wanted or ()):
        found = parse_goal(text, "body")
        if found is not None and name is not None:
            raise SpecError(
                f"body '{name}={text}': auto is for all layers that have no spec of their own; write {text}"
            )
        goal = goal or found
        spec = parse_body("int8" if found is not None else text)
        if name is None:
            default.append(spec)
            continue
        if spec.precision not in SINGLE:
            raise SpecError(f"body '{name}={text}': a single layer takes {', '.join(SINGLE)}")
        if name in named:
            raise SpecError(f"two bodies for layer '{name}' ('{named[name]}' and '{spec}'): give one")
        named[name] = spec
    if len(default) > 1:
        raise SpecError(
            f"two bodies without a layer's name ('{default[0]}' and '{default[1]}'): write NAME=SPEC for all but one"
        )
    return BodyRequest(default[0] if default else None, named, goal)


def _entries(wanted: Bodies) -> Iterator[tuple[str | None, str]]:
    if isinstance(wanted, Mapping):
        yield from wanted.items()
        return
    for text in [wanted] if isinstance(wanted, str) else wanted:
        match = _NAMED.fullmatch(text)
        yield (None, text) if match is None or ":" in match[1] else (match[1], match[2])


def specs_of(names: Sequence[str], request: BodyRequest, default: BodySpec) -> dict[str, BodySpec]:
    """The spec of each layer. The name of a request is that of a layer, or a run of whole parts of it: ``layer.0`` is all of a block, ``query``
    the queries of every block. Of several that match, the longest counts.

    :param names: the layers.
    :param request: what was asked for.
    :param default: spec of the others.
    :raises SpecError: if a name matches no layer; the message has the nearest names first.
    """
    found = dict.fromkeys(names, default)
    for name, spec in sorted(request.named.items(), key=lambda item: len(item[0])):
        matching = [layer for layer in names if f".{name}." in f".{layer}."]
        if not matching:
            raise SpecError(_unknown_layer(name, names))
        found.update(dict.fromkeys(matching, spec))
    return found


def _unknown_layer(name: str, names: Sequence[str]) -> str:
    ranked = sorted(names, key=lambda layer: -SequenceMatcher(None, name, layer).ratio())
    shown = ", ".join(ranked[:_SHOWN]) + (f" and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else "")
    return f"the body has no layer '{name}': its layers are {shown or 'none that can be quantised'}"

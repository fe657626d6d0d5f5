"""The codecs that there are, and what follows from their records: the options of a spec, and its bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError, unknown
from edgeemb.tables.codec import SAMPLE_DIM, SAMPLE_ROWS, Codec, Coder, Shape, falling_order
from edgeemb.tables.codecs import BUILTIN
from edgeemb.tables.spec import Spec, parse_spec

_NAME = re.compile(r"[a-z][a-z0-9_]*")

#: Every codec by name, in the order of lists.
CODECS: dict[str, Codec] = {}


def register(codec: Codec) -> None:
    """Add a codec, so that specs, exports, the planner and `edgeemb codecs` know it.

    :param codec: its record.
    :raises SpecError: if the name is taken, or the record or its class lacks something of the contract; the message says what.
    """
    if CODECS.get(codec.name) not in (None, codec):
        raise SpecError(f"codec '{codec.name}': the name is taken by {CODECS[codec.name].make.__qualname__}")
    before = CODECS.get(codec.name)
    _check_class(codec)
    CODECS[codec.name] = codec
    try:
        _check_specs(codec)
    except BaseException:
        if before is None:
            del CODECS[codec.name]
        raise


def _check_class(codec: Codec) -> None:
    def need(given: bool, what: str) -> None:
        if not given:
            raise SpecError(f"codec '{codec.name}' {what}; docs/extending.md shows a whole one")

    make = codec.make
    name = getattr(make, "__name__", str(make))
    need(bool(_NAME.fullmatch(codec.name)), "has a name that specs cannot hold: use a-z, 0-9 and _")
    settings = getattr(make, "__dataclass_params__", None)
    need(
        bool(settings and settings.frozen),
        f"needs a frozen dataclass: write @dataclass(frozen=True) at {name}",
    )
    for method, given, back in (("encode", "fit", "Fitted"), ("nbytes", "shape", "int")):
        need(callable(getattr(make, method, None)), f"lacks {name}.{method}({given}) -> {back}")
    try:
        options = replace(codec, fixed={}, hidden=()).options()
    except (TypeError, NameError) as error:
        need(False, f"has an option that cannot be read: {error}")
    for option in (*codec.fixed, *codec.hidden, *codec.row_options):
        need(option in options, f"names an option '{option}' that {name} has not")
    for option in codec.hidden:
        need(options[option].default is not None, f"hides the option '{option}', which has no default")
    need(bool(codec.good_for), "does not say what it is good for: set good_for")
    need(bool(codec.samples), f"has no sample spec for a table of {SAMPLE_ROWS} x {SAMPLE_DIM}: set samples")


def _check_specs(codec: Codec) -> None:
    texts = [codec.example, *codec.samples]
    try:
        specs = [parse_spec(text) for text in texts]
        if codec.search is not None:
            specs += [spec for _, spec in codec.search(SAMPLE_ROWS, SAMPLE_DIM).specs(codec.name)]
        for spec in specs:
            if spec.codec != codec.name:
                raise SpecError(f"'{spec}' is a spec of another codec")
            coder_of(spec)
    except (SpecError, KeyError) as error:
        raise SpecError(f"codec '{codec.name}' offers a spec that is none of it: {error}") from None


def find_codec(name: str) -> Codec:
    """A codec by name.

    :param name: as in a spec.
    :raises SpecError: if there is none; the message lists them all and names the nearest.
    """
    if name not in CODECS:
        raise SpecError(unknown("codec", name, CODECS))
    return CODECS[name]


def coder_of(spec: Spec) -> Coder:
    """The codec that a spec asks for, with its options set.

    :param spec: a parsed spec.
    :raises SpecError: if the codec or an option is unknown, or a value has the wrong type or range.
    """
    try:
        codec = find_codec(spec.codec)
        if spec.then is not None and not codec.composes:
            raise SpecError(f"'{spec.codec}' does not take '+{spec.then.codec}'; write {codec.example}")
        for inner in _inside(spec):
            coder_of(inner)
        return _make(codec, spec)
    except SpecError as error:
        start = f"table spec '{spec}': "
        text = str(error)
        raise SpecError(text if text.startswith("table spec ") else start + text) from None


def _make(codec: Codec, spec: Spec) -> Coder:
    known = codec.options()
    values: dict[str, Any] = dict(codec.fixed)
    for name, text in spec.options:
        if name not in known:
            offered = ", ".join(known) or "none"
            raise SpecError(
                f"'{spec.codec}' has no option '{name}' (options: {offered}); write {codec.example}"
            )
        option = known[name]
        if option.choices and text not in option.choices:
            uses = " or ".join(f"{name}={choice}" for choice in option.choices)
            raise SpecError(f"{name}={text} is not known: use {uses}")
        try:
            values[name] = option.kind(text)
        except ValueError:
            raise SpecError(f"{name}={text} is not a number; write {codec.example}") from None
    missing = [name for name, option in known.items() if option.default is None and name not in values]
    if missing:
        raise SpecError(f"an option is missing, {missing[0]}=; write {codec.example}")
    return codec.make(**values)


def reads_tokens(spec: Spec) -> bool:
    """Whether a spec, or one inside it, needs the bytes of each row's token.

    :param spec: a spec that `coder_of` takes.
    """
    return CODECS[spec.codec].reads_tokens or any(map(reads_tokens, _inside(spec)))


def suited(spec: Spec, dim: int) -> Spec:
    """A default spec, changed where its options do not suit the width of a table.

    :param spec: a spec that `coder_of` takes. One that a user wrote stays as it is: this is for defaults.
    :param dim: D.
    """
    change = find_codec(spec.codec).suited
    return spec if change is None else change(spec, dim)


def nbytes(
    spec: Spec | str,
    rows: int,
    dim: int,
    *,
    frequency: NDArray[np.float64] | None = None,
    tokens: Sequence[bytes] | None = None,
) -> int:
    """Bytes of a table, without fitting it: exactly those of `edgeemb.tables.encode`.

    :param spec: how it is stored.
    :param rows: V.
    :param dim: D.
    :param frequency: float64[V] as in `encode`, or None: `mixed` stores ranks where ids are not in order of frequency.
    :param tokens: bytes of each row's token as in `encode`, or None: `ngram` stores them.
    :raises SpecError: if the spec is unknown or does not fit the shape.
    """
    parsed = parse_spec(spec) if isinstance(spec, str) else spec
    known = None if tokens is None else tuple(tokens)
    return shape_nbytes(parsed, Shape(rows, dim, frequency, falling_order(frequency), tokens=known))


def shape_nbytes(spec: Spec, shape: Shape) -> int:
    """Bytes of a table, where its shape is used for many specs.

    :param spec: how it is stored.
    :param shape: its shape; `then`, `bands` and `part` are set here.
    :raises SpecError: if the spec is unknown or does not fit the shape.
    """
    coder = coder_of(spec)
    try:
        return coder.nbytes(replace(shape, then=spec.then, bands=spec.bands, part=_part_nbytes))
    except SpecError as error:
        raise SpecError(f"table spec '{spec}' for {shape.rows} x {shape.dim}: {error}") from None


def _part_nbytes(shape: Shape, spec: Spec) -> int:
    return coder_of(spec).nbytes(replace(shape, then=spec.then, bands=spec.bands))


def _inside(spec: Spec) -> list[Spec]:
    return [*([spec.then] if spec.then is not None else []), *(band for _, band in spec.bands)]


for _codec in BUILTIN:
    register(_codec)

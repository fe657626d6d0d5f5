"""The known codecs, and what follows from their records: the options of a spec, and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError, unknown
from edgeemb.tables.codec import Codec, Coder, Shape, falling_order
from edgeemb.tables.codecs import BUILTIN
from edgeemb.tables.spec import Spec, parse_spec

#: Every codec by name, in the order of lists.
CODECS: dict[str, Codec] = {codec.name: codec for codec in BUILTIN}


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

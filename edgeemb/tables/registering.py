"""Adding a codec: the contract of a record is checked when it is registered, not when it is first used."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from edgeemb.errors import SpecError
from edgeemb.tables.codec import SAMPLE_DIM, SAMPLE_ROWS, Codec
from edgeemb.tables.encoding import encode
from edgeemb.tables.program import array_names, width
from edgeemb.tables.registry import CODECS, coder_of, nbytes
from edgeemb.tables.spec import parse_spec

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def register(codec: Codec) -> None:
    """Add a codec, so that specs, exports, the planner and `edgeemb codecs` know it.

    Its samples are fitted here once, to a table of `SAMPLE_ROWS` x `SAMPLE_DIM`.

    :param codec: its record.
    :raises SpecError: if the name is taken, or the record, its class or what it fits breaks the contract; the message says where.
    """
    before = CODECS.get(codec.name)
    if before is not None and before != codec:
        taken = getattr(before.make, "__name__", before.name)
        raise SpecError(f"codec '{codec.name}': the name is taken by {taken}")
    _check_class(codec)
    CODECS[codec.name] = codec
    try:
        _check_specs(codec)
        _check_samples(codec)
    except BaseException:
        if before is None:
            del CODECS[codec.name]
        raise


def _need(codec: Codec, given: bool, what: str) -> None:
    if not given:
        raise SpecError(f"codec '{codec.name}' {what}; docs/extending.md shows a whole one")


def _check_class(codec: Codec) -> None:
    def need(given: bool, what: str) -> None:
        _need(codec, given, what)

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
        need(option in options, f"names an option '{option}' that {name} does not have")
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
        raise SpecError(f"codec '{codec.name}' offers a spec that is not its own: {error}") from None


def _check_samples(codec: Codec) -> None:
    rows, dim = SAMPLE_ROWS, SAMPLE_DIM
    weight = np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)
    tokens = [f"token {row}".encode() for row in range(rows)]
    for text in codec.samples:

        def need(given: bool, what: str, text: str = text) -> None:
            _need(codec, given, f"breaks the contract with '{text}': {what}")

        try:
            table = encode(weight, text, tokens=tokens)
            size = nbytes(text, rows, dim, tokens=tokens)
        except Exception as error:
            raise SpecError(f"codec '{codec.name}' cannot fit its sample '{text}': {error}") from error
        read, stored = set(array_names(table.program)), set(table.arrays)
        need(read <= stored, f"the program reads {sorted(read - stored)}, which encode does not store")
        need(stored <= read, f"encode stores {sorted(stored - read)}, which the program does not read")
        found = width(table.program, table.arrays)
        need(found == dim, f"the program gives rows of {found} elements for a table of {dim} columns")
        need(size == table.nbytes, f"nbytes says {size}, but encode stores {table.nbytes}")

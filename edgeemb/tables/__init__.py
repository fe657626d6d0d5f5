"""Compressed embedding tables: numpy in, numpy out. `encode` fits one; `CODECS` lists what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.progress import Progress, silent
from edgeemb.tables.codec import Codec, Fit, Fitted
from edgeemb.tables.codecs.cluster import Cluster
from edgeemb.tables.codecs.codebook import ProductQuantized
from edgeemb.tables.codecs.dense import Dense
from edgeemb.tables.codecs.lowrank import LowRank
from edgeemb.tables.codecs.memcom import Memcom
from edgeemb.tables.codecs.mixed import Mixed
from edgeemb.tables.codecs.multihash import MultiHash
from edgeemb.tables.codecs.ngram import Ngram
from edgeemb.tables.codecs.quantized import Quantized
from edgeemb.tables.codecs.quotient import QuotientRemainder
from edgeemb.tables.codecs.residual import Residual
from edgeemb.tables.codecs.tensortrain import TensorTrain
from edgeemb.tables.spec import Spec, parse_spec
from edgeemb.tables.table import Table, check_ids

__all__ = ["CODECS", "Table", "check_ids", "codec_of", "encode", "grammar", "reads_tokens"]


@dataclass(frozen=True)
class CodecEntry:
    """A line of the registry.

    :param make: the codec's class.
    :param example: a spec of it, for the grammar.
    :param fixed: constructor arguments that the name itself stands for.
    :param hidden: options of the class that this name does not offer.
    :param composes: whether ``+`` may follow.
    :param reads_tokens: whether the fit needs the bytes of each row's token.
    """

    make: Callable[..., Codec]
    example: str
    fixed: dict[str, Any] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    composes: bool = False
    reads_tokens: bool = False

    def options(self) -> dict[str, type]:
        """Names and types of the options that a spec may set."""
        known = {option.name: _TYPES[str(option.type)] for option in fields(self.make)}  # type: ignore[arg-type]
        return {
            name: kind for name, kind in known.items() if name not in self.fixed and name not in self.hidden
        }


_TYPES: dict[str, type] = {"int": int, "float": float, "str": str}

CODECS: dict[str, CodecEntry] = {
    "fp32": CodecEntry(Dense, "fp32", {"bits": 32}),
    "fp16": CodecEntry(Dense, "fp16", {"bits": 16}),
    "int8": CodecEntry(Quantized, "int8", {"bits": 8}, hidden=("planes",)),
    "int4": CodecEntry(Quantized, "int4:block=32", {"bits": 4}, hidden=("planes",)),
    "int2": CodecEntry(Quantized, "int2:block=16", {"bits": 2}, hidden=("planes",)),
    "binary": CodecEntry(Quantized, "binary:block=32,planes=2", {"bits": 1}),
    "lowrank": CodecEntry(LowRank, "lowrank:rank=128+int8", composes=True),
    "pq": CodecEntry(ProductQuantized, "pq:m=96"),
    "rvq": CodecEntry(Residual, "rvq:m=8"),
    "qr": CodecEntry(QuotientRemainder, "qr:rows=4096", composes=True),
    "hash": CodecEntry(MultiHash, "hash:rows=4096,k=2", composes=True),
    "memcom": CodecEntry(Memcom, "memcom:rows=4096", composes=True),
    "tt": CodecEntry(TensorTrain, "tt:rank=64"),
    "cluster": CodecEntry(Cluster, "cluster:k=16,rank=64+int4", composes=True),
    "ngram": CodecEntry(Ngram, "ngram:n=3,dim=1024", reads_tokens=True),
    "mixed": CodecEntry(Mixed, "mixed:2000=int8,*=pq:m=48"),
}


def grammar() -> str:
    """The specs that exist, on one line, for messages and help."""
    parts = []
    for name, entry in CODECS.items():
        options = ",".join(f"{option}=" for option in entry.options())
        parts.append(f"{name}[:{options}]" if options else name)
    return " | ".join(parts)


def codec_of(spec: Spec) -> Codec:
    """The codec that a spec asks for, with its options set.

    :param spec: a parsed spec.
    :raises SpecError: if the codec or an option is unknown, or a value has the wrong type or range.
    """
    entry = CODECS.get(spec.codec)
    if entry is None:
        raise SpecError(f"table spec '{spec}': no codec '{spec.codec}'; specs are {grammar()}")
    if spec.then is not None and not entry.composes:
        raise SpecError(
            f"table spec '{spec}': '{spec.codec}' does not take '+{spec.then.codec}'; write {entry.example}"
        )
    for inner in _inside(spec):
        codec_of(inner)
    known = entry.options()
    values: dict[str, Any] = dict(entry.fixed)
    for name, text in spec.options:
        if name not in known:
            offered = ", ".join(known) or "none"
            raise SpecError(
                f"table spec '{spec}': '{spec.codec}' has no option '{name}' (options: {offered}); write {entry.example}"
            )
        try:
            values[name] = known[name](text)
        except ValueError:
            raise SpecError(
                f"table spec '{spec}': {name}={text} is not a number; write {entry.example}"
            ) from None
    try:
        return entry.make(**values)
    except TypeError:
        raise SpecError(f"table spec '{spec}': an option is missing; write {entry.example}") from None
    except SpecError as error:
        raise SpecError(f"table spec '{spec}': {error}") from None


def reads_tokens(spec: Spec) -> bool:
    """Whether a spec, or one inside it, needs the bytes of each row's token.

    :param spec: a spec that `codec_of` takes.
    """
    return CODECS[spec.codec].reads_tokens or any(map(reads_tokens, _inside(spec)))


def _inside(spec: Spec) -> list[Spec]:
    return [*([spec.then] if spec.then is not None else []), *(band for _, band in spec.bands)]


def encode(
    weight: NDArray[np.float32],
    spec: Spec | str,
    *,
    frequency: NDArray[np.float64] | None = None,
    tokens: Sequence[bytes] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    name: str = "table",
) -> Table:
    """Fit a compressed table to a weight matrix.

    :param weight: float32[V, D], finite.
    :param spec: how to store it, for example ``int4:block=32``.
    :param frequency: float64[V], how often each id occurs: weights the fit of parameters that rows share. None counts all alike.
    :param tokens: bytes of each row's token, which `ngram` computes its rows from (`edgeemb.text.token_bytes.token_bytes`); or None.
    :param seed: equal seeds give equal tables.
    :param progress: called with (rows done, rows in all).
    :param name: what the table is called in messages.
    :return: the fitted table.
    :raises SpecError: if the spec is unknown or does not fit the shape.
    """
    parsed = parse_spec(spec) if isinstance(spec, str) else spec
    codec = codec_of(parsed)
    if weight.ndim != 2 or 0 in weight.shape:
        raise SpecError(f"{name} has shape {tuple(weight.shape)}: a table needs rows and columns")
    finite = np.isfinite(weight).all(axis=1)
    if not finite.all():
        raise SpecError(
            f"{name} holds NaN or infinite weights (first in row {int(finite.argmin())}): repair the model first"
        )
    if frequency is not None and (frequency.shape != weight.shape[:1] or not (frequency > 0).all()):
        raise SpecError(f"frequencies for {name} must be {weight.shape[0]} positive numbers")
    table = np.ascontiguousarray(weight, np.float32)
    try:
        fitted = codec.encode(
            Fit(
                table,
                frequency,
                seed,
                parsed.then,
                parsed.bands,
                progress,
                _fit_part,
                None if tokens is None else tuple(tokens),
            )
        )
    except SpecError as error:
        raise SpecError(f"table spec '{parsed}' for {name}: {error}") from None
    return Table(parsed, (weight.shape[0], weight.shape[1]), fitted.arrays, fitted.program)


def _fit_part(fit: Fit, spec: Spec) -> Fitted:
    return codec_of(spec).encode(fit)

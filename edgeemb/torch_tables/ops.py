"""The fused lookups as torch ops.

`torch.ops.edgeemb.quantized_lookup`, `codebook_lookup`, `ngram_lookup` and `ngram_bytes` are what the custom lowering of a torch-based runtime
keeps as one node; their implementation here is the decomposition into plain torch, which is also what the portable lowering traces.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgeemb.tables.program import (
    ZERO_POINT,
)
from edgeemb.torch_tables.ngram import ngram_bytes, ngram_lookup

_QUANTIZED = "quantized_lookup(Tensor ids, Tensor codes, Tensor scales, int bits, int dim, int block, int planes) -> Tensor"
_NGRAMS = "ngram_lookup(Tensor ids, Tensor tokens, Tensor starts, Tensor seeds, Tensor bases, int n, int longest) -> Tensor"
_NGRAM_BYTES = "ngram_bytes(Tensor padded, Tensor seeds, Tensor bases, int n) -> Tensor"
_CODEBOOK = "codebook_lookup(Tensor ids, Tensor codes, Tensor codebooks, bool additive) -> Tensor"

#: Holds the ops; they exist for as long as it does. Runtimes that plan memory ahead call the ``out`` forms.
LIBRARY = torch.library.Library("edgeemb", "DEF")  # type: ignore[no-untyped-call]


def quantized_lookup(
    ids: Tensor, codes: Tensor, scales: Tensor, bits: int, dim: int, block: int, planes: int
) -> Tensor:
    """Rows of a packed table in plain torch, with the bits of `edgeemb.tables.program.QuantizedLookup`.

    :param ids: int32 or int64[...], each in [0, V).
    :param codes: uint8[V, planes * ceil(dim / (8 / bits))], planar.
    :param scales: float16 or float32[V, planes * dim / block].
    :param bits: 8, 4, 2 or 1.
    :param dim: elements in a row.
    :param block: elements that share a scale.
    :param planes: residual planes, added up in order.
    :return: float32[..., dim].
    """
    packed, steps = nn.functional.embedding(ids, codes), nn.functional.embedding(ids, scales)
    return unpacked_rows(packed, steps, bits, dim, block, planes)


def unpacked_rows(codes: Tensor, scales: Tensor, bits: int, dim: int, block: int, planes: int) -> Tensor:
    """Packed rows as floats.

    :param codes: uint8[..., planes * ceil(dim / (8 / bits))], planar.
    :param scales: float16 or float32[..., planes * dim / block].
    :param bits: 8, 4, 2 or 1.
    :param dim: elements in a row.
    :param block: elements that share a scale.
    :param planes: residual planes, added up in order.
    :return: float32[..., dim].
    """
    shape = codes.shape[:-1]
    packed = codes.reshape(*shape, planes, -(-dim // (8 // bits)))
    steps = scales.to(torch.float32).reshape(*shape, planes, dim // block, 1)
    values = unpack(packed, bits, dim).to(torch.float32) - ZERO_POINT[bits]
    values = (values.reshape(*shape, planes, dim // block, block) * steps).reshape(*shape, planes, dim)
    return sum_in_order(values)


def codebook_lookup(ids: Tensor, codes: Tensor, codebooks: Tensor, additive: bool) -> Tensor:
    """Rows assembled from codebooks in plain torch, with the bits of `edgeemb.tables.program.CodebookLookup`.

    :param ids: int32 or int64[...], each in [0, V).
    :param codes: uint8[V, M].
    :param codebooks: float16 or float32[M, K, d].
    :param additive: add the M parts up in order; else they stand side by side.
    :return: float32[..., d] or, side by side, float32[..., M * d].
    """
    count, entries, _ = codebooks.shape
    return rows_from_entries(ids, codes, codebooks.flatten(0, 1), count, entries, additive)


def unpack(packed: Tensor, bits: int, dim: int) -> Tensor:
    """Codes of packed rows; see `edgeemb.tables.program.unpack_codes`.

    :param packed: uint8[..., width].
    :param bits: 8, 4, 2 or 1.
    :param dim: elements in a row.
    :return: uint8[..., dim].
    """
    if bits == 8:
        return packed
    shifted = [
        packed if shift == 0 else torch.bitwise_right_shift(packed, shift) for shift in range(0, 8, bits)
    ]
    parts = [
        part if shift == 8 - bits else torch.bitwise_and(part, 2**bits - 1)
        for shift, part in zip(range(0, 8, bits), shifted, strict=True)
    ]
    codes = torch.cat(parts, dim=-1)
    return codes if codes.shape[-1] == dim else codes[..., :dim]


def sum_in_order(values: Tensor) -> Tensor:
    """Add rows up in order.

    :param values: float32[..., n, d].
    :return: float32[..., d].
    """
    total = values[..., 0, :]
    for part in range(1, values.shape[-2]):
        total = total + values[..., part, :]
    return total


def rows_from_entries(
    ids: Tensor, codes: Tensor, entries: Tensor, count: int, size: int, additive: bool
) -> Tensor:
    """Rows from codebooks laid end to end: entry k of codebook m is row ``m * size + k``.

    :param ids: int32 or int64[...], each in [0, V).
    :param codes: uint8[V, count].
    :param entries: float16 or float32[count * size, d].
    :param count: codebooks.
    :param size: entries of each.
    :param additive: add the parts up in order; else they stand side by side.
    :return: float32[..., d] or, side by side, float32[..., count * d].
    """
    start = torch.arange(0, count * size, size, dtype=torch.int64)
    chosen = nn.functional.embedding(ids, codes).to(torch.int64) + start
    parts = nn.functional.embedding(chosen, entries).to(torch.float32)
    return sum_in_order(parts) if additive else parts.flatten(-2)


def _quantized_fake(
    ids: Tensor, codes: Tensor, scales: Tensor, bits: int, dim: int, block: int, planes: int
) -> Tensor:
    return scales.new_empty((*ids.shape, dim), dtype=torch.float32)


def _codebook_fake(ids: Tensor, codes: Tensor, codebooks: Tensor, additive: bool) -> Tensor:
    count, _, width = codebooks.shape
    return codebooks.new_empty((*ids.shape, width if additive else count * width), dtype=torch.float32)


def _ngrams_fake(
    ids: Tensor, tokens: Tensor, starts: Tensor, seeds: Tensor, bases: Tensor, n: int, longest: int
) -> Tensor:
    return seeds.new_empty((*ids.shape, len(seeds)), dtype=torch.float32)


def _ngram_bytes_fake(padded: Tensor, seeds: Tensor, bases: Tensor, n: int) -> Tensor:
    return seeds.new_empty((*padded.shape[:-1], len(seeds)), dtype=torch.float32)


def define(
    schema: str,
    compute: Callable[..., Tensor | tuple[Tensor, ...]],
    fake: Callable[..., Tensor | tuple[Tensor, ...]],
    outputs: tuple[str, ...] = ("out",),
) -> None:
    """Define an op and its ``out`` form, which memory-planning runtimes call.

    :param schema: its signature.
    :param compute: what it computes.
    :param fake: what shape and type that has.
    :param outputs: names of its results in the ``out`` form.
    """
    name, _, rest = schema.partition("(")
    arguments = rest.partition(")")[0]
    written = [f"Tensor({letter}!)" for letter, _ in zip("abcd", outputs, strict=False)]
    places = ", ".join(f"{kind} {place}" for kind, place in zip(written, outputs, strict=True))
    given = written[0] if len(written) == 1 else f"({', '.join(written)})"

    def compute_out(*args: object, **places: Tensor) -> Tensor | tuple[Tensor, ...]:
        results = compute(*args)
        if isinstance(results, Tensor):
            return places[outputs[0]].copy_(results)
        return tuple(places[place].copy_(result) for place, result in zip(outputs, results, strict=True))

    torch.library.define(f"edgeemb::{name}", f"({rest}", lib=LIBRARY)
    torch.library.define(f"edgeemb::{name}.out", f"({arguments}, *, {places}) -> {given}", lib=LIBRARY)
    torch.library.impl(f"edgeemb::{name}", "CompositeExplicitAutograd", compute, lib=LIBRARY)
    torch.library.impl(f"edgeemb::{name}.out", "CompositeExplicitAutograd", compute_out, lib=LIBRARY)
    torch.library.register_fake(f"edgeemb::{name}", fake, lib=LIBRARY)


define(_QUANTIZED, quantized_lookup, _quantized_fake)
define(_CODEBOOK, codebook_lookup, _codebook_fake)
define(_NGRAMS, ngram_lookup, _ngrams_fake)
define(_NGRAM_BYTES, ngram_bytes, _ngram_bytes_fake)

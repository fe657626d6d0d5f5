"""Dynamic embeddings in plain torch, in integer arithmetic, with the bits of `edgeemb.tables.ngrams.ngram_rows`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeemb.tables.ngrams import CENTRE, MAX_TOKEN_BYTES, MODULUS, parts_of


def ngram_lookup(
    ids: Tensor, tokens: Tensor, starts: Tensor, seeds: Tensor, bases: Tensor, n: int, longest: int
) -> Tensor:
    """Rows of tokens that are stored end to end in the model.

    :param ids: int32 or int64[...], each in [0, V).
    :param tokens: uint8[total].
    :param starts: int32[V + 1]: token i is ``tokens[starts[i]:starts[i + 1]]``.
    :param seeds: int16[dim].
    :param bases: int16[lanes].
    :param n: longest n-gram.
    :param longest: bytes of the longest token.
    :return: float32[..., dim].
    """
    column = starts.reshape(-1, 1)
    first = nn.functional.embedding(ids, column[:-1])
    lengths = (nn.functional.embedding(ids, column[1:]) - first).squeeze(-1)
    places = torch.arange(longest, dtype=torch.int32, device=ids.device)
    # What follows a token's end does not count; it only has to be readable.
    at = torch.clamp(first + places, max=tokens.shape[0] - 1).to(torch.int64)
    padded = nn.functional.embedding(at, tokens.reshape(-1, 1)).squeeze(-1)
    return _rows(padded, lengths, seeds, bases, n)


def ngram_bytes(padded: Tensor, seeds: Tensor, bases: Tensor, n: int) -> Tensor:
    """Rows of tokens that come as their bytes.

    :param padded: uint8[..., L]: the bytes of a token, then zeros; those past `MAX_TOKEN_BYTES` do not count.
    :param seeds: int16[dim].
    :param bases: int16[lanes].
    :param n: longest n-gram.
    :return: float32[..., dim].
    """
    if padded.shape[-1] > MAX_TOKEN_BYTES:
        padded = padded[..., :MAX_TOKEN_BYTES]
    places = torch.arange(1, padded.shape[-1] + 1, dtype=torch.int32, device=padded.device)
    ends = torch.where(padded == 0, 0, 1).to(torch.int32)
    # The first zero ends the token, whatever follows it.
    lengths = torch.where(torch.cumsum(ends, -1) == places, places, 0).amax(-1)
    return _rows(padded, lengths, seeds, bases, n)


def _rows(padded: Tensor, lengths: Tensor, seeds: Tensor, bases: Tensor, n: int) -> Tensor:
    lanes, dim, width = bases.shape[0], seeds.shape[0], padded.shape[-1]
    codes = padded.to(torch.int32) + 1
    length = lengths.to(torch.int32).unsqueeze(-1)
    places = torch.arange(width, dtype=torch.int32, device=padded.device)
    base, seed = bases.to(torch.int32), seeds.to(torch.int32)
    hashes = torch.zeros((*padded.shape, lanes), dtype=torch.int32, device=padded.device)
    first = ((places == 0) & (length > 0)).to(torch.int32)
    rows = []
    for size, (low, high) in enumerate(parts_of(n, lanes, dim), start=1):
        following = torch.cat([codes[..., size - 1 :], codes[..., : size - 1]], -1).unsqueeze(-1)
        inside = places + size <= length
        mixed = torch.remainder(hashes * base + following, MODULUS)
        hashes = torch.where(inside.unsqueeze(-1), mixed, hashes)
        counted = torch.maximum(inside.to(torch.int32), first)
        spread = seed[low:high].reshape(-1, lanes)
        centred = torch.remainder(hashes.unsqueeze(-2) * spread, MODULUS) - CENTRE
        total = (centred * counted[..., None, None]).sum(-3, dtype=torch.int32).flatten(-2)
        grams = torch.clamp(counted.sum(-1, dtype=torch.int32), min=1)
        scale = torch.reciprocal((CENTRE * grams).to(torch.float32)).unsqueeze(-1)
        rows.append(total.to(torch.float32) * scale)
    return torch.cat(rows, -1)

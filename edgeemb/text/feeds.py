"""Tokens of a batch as the arrays that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.tables.ngrams import pad_tokens

#: Names of inputs that take the place of each token, counted from 0.
POSITIONS = ("position_ids",)


def pad(
    ids: Sequence[Sequence[int]], pad_id: int = 0, length: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask of a batch as rectangles.

    :param ids: ids of each text.
    :param pad_id: id that fills up; it is masked out.
    :param length: width of the rectangle; the longest text if None.
    :return: ids int64[B, S] and mask int64[B, S], 1 where a token is.
    """
    width = length or max((len(row) for row in ids), default=0)
    filled = np.full((len(ids), width), pad_id, np.int64)
    mask = np.zeros((len(ids), width), np.int64)
    for row, tokens in enumerate(ids):
        filled[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return filled, mask


def pad_words(
    texts: Sequence[Sequence[bytes]], width: int, length: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Token bytes and mask of a batch as rectangular arrays, with zeros after each token and each text.

    :param texts: tokens of each text.
    :param width: bytes of a token.
    :param length: tokens of the box; the longest text if None.
    :return: token bytes uint8[B, S, width] and mask int64[B, S], 1 where a token is.
    """
    longest = length or max((len(tokens) for tokens in texts), default=0)
    filled = np.zeros((len(texts), longest, width), np.uint8)
    mask = np.zeros((len(texts), longest), np.int64)
    for row, tokens in enumerate(texts):
        filled[row, : len(tokens)] = pad_tokens(tokens, width)
        mask[row, : len(tokens)] = 1
    return filled, mask


def text_feeds(
    names: Sequence[str],
    ids: NDArray[Any],
    mask: NDArray[np.int64],
    types: NDArray[np.int64] | None = None,
) -> dict[str, NDArray[Any]]:
    """Inputs of a text model.

    :param names: its inputs: that of the ids, that of the mask, then any of `POSITIONS` and of token types.
    :param ids: int64[B, S], or token bytes uint8[B, S, width].
    :param mask: int64[B, S].
    :param types: int64[B, S], which text of a pair each token belongs to; None for single texts, whose types are all zero.
    :return: an array per input.
    """
    feeds: dict[str, NDArray[Any]] = {names[0]: ids, names[1]: mask}
    for name in names[2:]:
        if name in POSITIONS:
            feeds[name] = np.zeros_like(mask) + np.arange(mask.shape[1])
        else:
            feeds[name] = np.zeros_like(mask) if types is None else types
    return feeds

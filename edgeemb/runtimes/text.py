"""Text to ids: the bundle's tokenizer, with truncation and padding as the model wants them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.errors import BundleError, InputError
from edgeemb.tokenizer import parse_tokenizer

#: Names of inputs that take the place of each token, counted from 0.
POSITIONS = ("position_ids",)

_log = logging.getLogger("edgeemb")


class TextInput:
    """Turns texts into ids and masks.

    :param path: the bundle's ``tokenizer.json``.
    :param max_length: tokens of the longest text; a longer one is cut as the tokenizer does it.
    :param prompt: what is put in front of each text.
    :raises BundleError: if the file is not a tokenizer.
    """

    def __init__(self, path: Path, max_length: int, prompt: str = "") -> None:
        self.tokenizer: Tokenizer = parse_tokenizer(path.read_text("utf-8"), str(path), BundleError)
        self.tokenizer.no_padding()
        self.max_length = max_length
        self.prompt = prompt
        if max_length:
            self.tokenizer.enable_truncation(max_length)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, special tokens included.

        :param texts: the texts.
        :raises InputError: if one is empty, or gives no token at all.
        """
        if isinstance(texts, str):
            raise InputError("one text was given where a list of texts is wanted: put it in a list")
        for number, text in enumerate(texts, 1):
            if not isinstance(text, str):
                raise InputError(f"text {number} is a {type(text).__name__}, not a str: decode it first")
            if not text.strip():
                raise InputError(f"text {number} is empty: remove it, its vector would mean nothing")
        encodings = self.tokenizer.encode_batch([self.prompt + text for text in texts])
        cut = sum(bool(encoding.overflowing) for encoding in encodings)
        if cut:
            _log.info(
                "%d of %d texts had more than %d tokens and were cut there",
                cut,
                len(encodings),
                self.max_length,
            )
        ids = [list(encoding.ids) for encoding in encodings]
        for number, tokens in enumerate(ids, 1):
            if not tokens:
                raise InputError(f"text {number} gives no token: the vocabulary has none for it")
        return ids


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


def text_feeds(
    names: Sequence[str], ids: NDArray[np.int64], mask: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """Inputs of a text model.

    :param names: its inputs: that of the ids, that of the mask, then any of `POSITIONS` and of token types, which are all zero for
        single texts.
    :param ids: int64[B, S].
    :param mask: int64[B, S].
    :return: an array int64[B, S] per input.
    """
    feeds = {names[0]: ids, names[1]: mask}
    for name in names[2:]:
        feeds[name] = (
            np.zeros_like(ids) + np.arange(ids.shape[1]) if name in POSITIONS else np.zeros_like(ids)
        )
    return feeds

"""Text to ids, or to the bytes of words: the bundle's tokenizer, with truncation and padding as the model wants them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.errors import BundleError, InputError
from edgeemb.tables.ngrams import pad_tokens
from edgeemb.text import words
from edgeemb.text.tokenizer import parse_tokenizer

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
        _check_texts(texts)
        encodings = self.tokenizer.encode_batch([self.prompt + text for text in texts])
        _log_cut(sum(bool(encoding.overflowing) for encoding in encodings), len(encodings), self.max_length)
        ids = [list(encoding.ids) for encoding in encodings]
        for number, tokens in enumerate(ids, 1):
            if not tokens:
                raise InputError(f"text {number} gives no token: the vocabulary has none for it")
        return ids


class WordsInput:
    """Turns texts into the bytes of their words, without a vocabulary.

    :param width: bytes of a token.
    :param max_length: tokens of the longest text; the words behind are left out.
    :param prompt: what is put in front of each text.
    """

    def __init__(self, width: int, max_length: int, prompt: str = "") -> None:
        self.width = width
        self.max_length = max_length
        self.prompt = prompt

    def tokenize(self, texts: Sequence[str]) -> list[list[bytes]]:
        """Tokens of each text, special tokens included.

        :param texts: the texts.
        :raises InputError: if one is empty.
        """
        _check_texts(texts)
        # One token more shows whether the text is cut.
        found = [words.tokenize(self.prompt + text, self.width, self.max_length + 1) for text in texts]
        long = [tokens for tokens in found if len(tokens) > self.max_length]
        for tokens in long:
            del tokens[-2]
        _log_cut(len(long), len(found), self.max_length)
        return found


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise InputError("one text was given where a list of texts is wanted: put it in a list")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise InputError(f"text {number} is a {type(text).__name__}, not a str: decode it first")
        if not text.strip():
            raise InputError(f"text {number} is empty: remove it, its vector would mean nothing")


def _log_cut(cut: int, texts: int, limit: int) -> None:
    if cut:
        _log.info("%d of %d texts had more than %d tokens and were cut there", cut, texts, limit)


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
    """Token bytes and mask of a batch as boxes, zeros behind each token and each text.

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


def text_feeds(names: Sequence[str], ids: NDArray[Any], mask: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Inputs of a text model.

    :param names: its inputs: that of the ids, that of the mask, then any of `POSITIONS` and of token types, which are all zero for
        single texts.
    :param ids: int64[B, S], or token bytes uint8[B, S, width].
    :param mask: int64[B, S].
    :return: an array per input.
    """
    feeds: dict[str, NDArray[Any]] = {names[0]: ids, names[1]: mask}
    for name in names[2:]:
        feeds[name] = (
            np.zeros_like(mask) + np.arange(mask.shape[1]) if name in POSITIONS else np.zeros_like(mask)
        )
    return feeds

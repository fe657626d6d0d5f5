"""Text to ids, or to the bytes of words: the bundle's tokenizer, with truncation and padding as the model wants them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from edgeemb.errors import BundleError, InputError
from edgeemb.text import words
from edgeemb.text.tokenizer import parse_tokenizer, truncate

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
            truncate(self.tokenizer, max_length)

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

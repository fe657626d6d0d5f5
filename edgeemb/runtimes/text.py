"""Text to ids, or to the bytes of words: the bundle's tokenizer, with the truncation and padding that the model needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import BundleError, InputError
from edgeemb.native.tokenizer import Encoding
from edgeemb.runtimes.tokenizer import IdTokenizer
from edgeemb.text import words

_log = logging.getLogger("edgeemb")


class TextInput:
    """Turns texts into ids and masks.

    :param tokenizer: the bundle's tokenizer, which cuts long texts.
    :param max_length: tokens of the longest text.
    """

    def __init__(self, tokenizer: IdTokenizer, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length

    def tokenize(self, texts: Sequence[str], prompt: str = "") -> list[list[int]]:
        """Ids of each text, special tokens included.

        :param texts: the texts.
        :param prompt: what is put in front of each.
        :raises InputError: if one is empty, or gives no token at all.
        """
        _check_texts(texts)
        ids, cut = self.tokenizer.ids([prompt + text for text in texts])
        _log_cut(cut, len(ids), self.max_length)
        for number, tokens in enumerate(ids, 1):
            if not tokens:
                raise InputError(f"text {number} gives no token: the vocabulary has none for it")
        return ids

    def encode(self, text: str, pair: str | None = None, *, limit: int | None = None) -> Encoding:
        """Tokens of a text or of a pair, with their types and the characters that they stand for.

        :param text: the text.
        :param pair: the second text of a pair.
        :param limit: tokens that there may be, special ones included; 0 for any number, None for `max_length`.
        :raises InputError: if a text is empty, or gives no token at all.
        """
        _check_texts([text] if pair is None else [text, pair])
        found = self.tokenizer.encode(text, pair, limit=limit)
        _log_cut(int(found.cut), 1, self.max_length if limit is None else limit)
        if not len(found.ids):
            raise InputError("the text gives no token: the vocabulary has none for it")
        return found


class WordsInput:
    """Turns texts into the bytes of their words, without a vocabulary.

    :param width: bytes of a token.
    :param max_length: tokens of the longest text; further words are dropped.
    """

    def __init__(self, width: int, max_length: int) -> None:
        self.width = width
        self.max_length = max_length

    def tokenize(self, texts: Sequence[str], prompt: str = "") -> list[list[bytes]]:
        """Tokens of each text, special tokens included.

        :param texts: the texts.
        :param prompt: what is put in front of each.
        :raises InputError: if one is empty.
        """
        _check_texts(texts)
        # One token more shows whether the text is cut.
        found = [words.tokenize(prompt + text, self.width, self.max_length + 1) for text in texts]
        long = [tokens for tokens in found if len(tokens) > self.max_length]
        for tokens in long:
            del tokens[-2]
        _log_cut(len(long), len(found), self.max_length)
        return found


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise InputError("one text was given where a list of texts is expected: put it in a list")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise InputError(f"text {number} is a {type(text).__name__}, not a str: decode it first")
        if not text.strip():
            raise InputError(f"text {number} is empty: remove it, its vector would mean nothing")


def _log_cut(cut: int, texts: int, limit: int) -> None:
    if cut:
        _log.info("%d of %d texts had more than %d tokens and were cut there", cut, texts, limit)


def token_width(manifest: Manifest) -> int:
    """Bytes of a token of a bundle without a vocabulary.

    :param manifest: its manifest.
    :raises BundleError: if it gives none.
    """
    axes = manifest.inputs[0].axes
    width = axes[-1]
    if len(axes) != 3 or not isinstance(width, int) or not words.MIN_WIDTH <= width <= words.MAX_WIDTH:
        raise BundleError(
            f"the manifest of {manifest.name} gives token bytes the shape {axes}: export the bundle again"
        )
    return width

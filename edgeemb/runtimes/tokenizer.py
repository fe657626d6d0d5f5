"""The tokenizer of a bundle: compiled and mapped if the bundle has it in that form, otherwise read by the tokenizers library."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from edgeemb.bundle.manifest import COMPILED_TOKENIZER, TOKENIZER, Manifest
from edgeemb.errors import BundleError
from edgeemb.files import read_text
from edgeemb.native.libraries import has_library
from edgeemb.native.tokenizer import LIBRARY, CompiledTokenizer, Encoding
from edgeemb.text.tokenizer import MAX_BYTES, library_errors, parse_tokenizer, truncate


class IdTokenizer(Protocol):
    """Texts to ids."""

    def ids(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        """Ids of each text, special tokens included, and how many texts were cut."""
        ...

    def encode(self, text: str, pair: str | None = None, *, limit: int | None = None) -> Encoding:
        """Tokens of a text or of a pair with types and offsets; at most `limit`, 0 for any number, None for what the model takes."""
        ...


def open_tokenizer(folder: Path, manifest: Manifest) -> IdTokenizer:
    """The tokenizer of a bundle.

    :param folder: the bundle.
    :param manifest: its manifest: a compiled tokenizer that it does not list is not opened.
    :raises BundleError: if a file of it is damaged, or it gives ids that the model has no rows for.
    :raises NativeError: if it is there in compiled form only, and the native library is missing.
    """
    # An installation without native libraries reads the form that both have the same ids for.
    readable = has_library(LIBRARY) or TOKENIZER not in manifest.files
    if COMPILED_TOKENIZER in manifest.files and readable:
        tokenizer = CompiledTokenizer(folder / COMPILED_TOKENIZER)
        rows = manifest.inputs[0].rows
        if rows is not None and tokenizer.size > rows:
            raise BundleError(
                f"{folder / COMPILED_TOKENIZER} gives ids up to {tokenizer.size - 1}, the model has {rows} rows: they do not belong together, "
                "export the bundle again"
            )
        return _Compiled(tokenizer, manifest.max_length)
    return reference_tokenizer(folder / TOKENIZER, manifest.max_length)


def reference_tokenizer(path: Path, max_length: int) -> IdTokenizer:
    """The tokenizers library's own.

    :param path: the ``tokenizer.json``.
    :param max_length: tokens of the longest text; 0 for any number.
    :raises BundleError: if it is missing or damaged.
    """
    return _Reference(path, max_length)


class _Compiled:
    """The C of runtimes/text."""

    def __init__(self, tokenizer: CompiledTokenizer, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length

    def ids(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        found = [self._tokenizer.encode(text, max_length=self._max_length) for text in texts]
        return [encoding.ids.tolist() for encoding in found], sum(encoding.cut for encoding in found)

    def encode(self, text: str, pair: str | None = None, *, limit: int | None = None) -> Encoding:
        length = self._max_length if limit is None else limit
        return self._tokenizer.encode(text, pair, max_length=length, offsets=True)


class _Reference:
    """The tokenizers library."""

    def __init__(self, path: Path, max_length: int) -> None:
        self._where = str(path)
        self._tokenizer = parse_tokenizer(read_text(path, MAX_BYTES, BundleError), str(path), BundleError)
        self._max_length = max_length
        # Truncation is a setting of the tokenizer, which threads share.
        self._lock = threading.Lock()
        with library_errors(self._where, BundleError):
            self._tokenizer.no_padding()
            if max_length:
                truncate(self._tokenizer, max_length)

    def ids(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        with self._lock, library_errors(self._where, BundleError):
            found = self._tokenizer.encode_batch(list(texts))
        return [list(encoding.ids) for encoding in found], sum(
            bool(encoding.overflowing) for encoding in found
        )

    def encode(self, text: str, pair: str | None = None, *, limit: int | None = None) -> Encoding:
        with self._lock, library_errors(self._where, BundleError):
            noted = self._tokenizer.truncation
            if limit == 0:
                self._tokenizer.no_truncation()
            elif limit is not None:
                truncate(self._tokenizer, limit)
            try:
                found = self._tokenizer.encode(text, pair)
            finally:
                if limit is not None and noted:
                    self._tokenizer.enable_truncation(**noted)
        texts = [0 if place is None else place + 1 for place in found.sequence_ids]
        offsets = np.array(found.offsets, np.int64).reshape(-1, 2)
        offsets[np.array(texts, np.int64) == 0] = 0
        return Encoding(
            np.array(found.ids, np.uint32),
            np.array(found.type_ids, np.uint32),
            np.array(texts, np.uint32),
            offsets,
            bool(found.overflowing),
        )

"""A session: a bundle that is open and answers. What runs the model underneath is an engine, one per runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import TOKENIZER, Manifest, TensorEntry
from edgeemb.errors import BundleError, InputError
from edgeemb.runtimes.text import TextInput, WordsInput
from edgeemb.tables import check_ids
from edgeemb.text import words
from edgeemb.text.feeds import pad, pad_words, text_feeds

Feeds = Mapping[str, NDArray[Any]]
#: Tokens of a text: ids, or without a vocabulary the bytes of words.
Tokens = Sequence[int] | Sequence[bytes]


class Engine(Protocol):
    """What a runtime gives: it runs the model on arrays.

    `ops` says which lookup it uses: ``custom`` (the native kernels) or ``builtin``. `lengths` are the only sequence lengths that it
    takes, rising; empty where any will do.
    """

    ops: str
    lengths: tuple[int, ...]

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """All outputs, in the order of the manifest."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Session:
    """An open bundle. Use it as a context manager, or call `close`.

    :param path: the bundle's folder.
    :param manifest: its manifest.
    :param engine: the runtime.
    """

    def __init__(self, path: Path, manifest: Manifest, engine: Engine) -> None:
        self.path = path
        self.manifest = manifest
        self.engine = engine
        #: What must live as long as the session: the folder of an unpacked bundle.
        self.keep: TemporaryDirectory[str] | None = None
        self._text: TextInput | WordsInput | None = None

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """One row per text: its embedding, or the logits of a classifier.

        Texts are batched by length, so that little padding is computed; rows come back in the order of the texts.

        :param texts: the texts; one longer than the model's limit is cut there (logged at level INFO).
        :param batch_size: texts per run of the model.
        :return: float32[len(texts), D].
        :raises InputError: if a text is empty, or the bundle takes no text.
        """
        tokens = self.tokens(texts)
        order = sorted(range(len(tokens)), key=lambda number: len(tokens[number]))
        rows = np.empty((len(tokens), int(self.manifest.outputs[0].axes[-1])), np.float32)
        for low in range(0, len(order), batch_size):
            batch = order[low : low + batch_size]
            rows[batch] = self.run(self.feeds([tokens[number] for number in batch]))
        return rows

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of some texts, special tokens included: ids, or without a vocabulary the bytes of words.

        :param texts: the texts.
        :raises InputError: if a text is empty, or the bundle takes no text.
        """
        return list(self._text_input().tokenize(texts))

    def tokenize(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Ids (or the bytes of words) and mask of some texts as the model takes them.

        :param texts: the texts.
        :return: ids int64[B, S], or token bytes uint8[B, S, width]; and mask int64[B, S].
        :raises InputError: if a text is empty, or the bundle takes no text.
        """
        return self._pad(self.tokens(texts))

    def feeds(self, tokens: Sequence[Tokens]) -> dict[str, NDArray[Any]]:
        """Inputs of the model for the tokens of some texts, padded to a length that the engine takes.

        :param tokens: of each text, as `tokens` gives them.
        :raises InputError: if a text is longer than the engine's longest sequence.
        """
        longest = max((len(row) for row in tokens), default=0)
        fitting = [length for length in self.engine.lengths if length >= longest]
        if self.engine.lengths and not fitting:
            limit = self.engine.lengths[-1]
            raise InputError(
                f"a text has {longest} tokens, the bundle takes {limit}: export it with a longer --lengths"
            )
        filled, mask = self._pad(tokens, fitting[0] if fitting else None)
        return text_feeds([info.name for info in self.manifest.inputs], filled, mask)

    def _pad(
        self, tokens: Sequence[Any], length: int | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        if self.manifest.tokenizer == words.NAME:
            return pad_words(tokens, _width(self.manifest), length)
        return pad(tokens, length=length)

    def run(self, feeds: Feeds) -> NDArray[Any]:
        """The first output for raw inputs.

        :param feeds: an array per input of the manifest, with its dtype (ids and masks int64[B, S]).
        :return: the first output, for an embedding model float32[B, D].
        :raises InputError: if an input is missing, or an id lies outside its table.
        """
        return self.run_all(feeds)[0]

    def run_all(self, feeds: Feeds) -> list[NDArray[Any]]:
        """All outputs for raw inputs, checked as in `run`."""
        checked: dict[str, NDArray[Any]] = {}
        for info in self.manifest.inputs:
            if info.name not in feeds:
                wanted = ", ".join(f"{item.name} {item.dtype}{item.axes}" for item in self.manifest.inputs)
                raise InputError(f"input '{info.name}' is missing: the model takes {wanted}")
            value = np.asarray(feeds[info.name])
            if self.manifest.tokenizer == words.NAME and info is self.manifest.inputs[0]:
                _check_bytes(value, _width(self.manifest))
            if info.rows is not None:
                value = check_ids(_whole(value, info), info.rows, info.name)
            checked[info.name] = np.ascontiguousarray(value, info.dtype)
        return self.engine.run(checked)

    def close(self) -> None:
        """Give back what the runtime holds."""
        self.engine.close()
        if self.keep is not None:
            self.keep.cleanup()
            self.keep = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _text_input(self) -> TextInput | WordsInput:
        if self.manifest.max_length == 0:
            names = ", ".join(info.name for info in self.manifest.inputs)
            raise InputError(f"{self.path} takes no text, only the inputs {names}: use session.run")
        if self._text is None:
            limit, prompt = self.manifest.max_length, self.manifest.prompt
            self._text = (
                WordsInput(_width(self.manifest), limit, prompt)
                if self.manifest.tokenizer == words.NAME
                else TextInput(self.path / TOKENIZER, limit, prompt)
            )
        return self._text


def _width(manifest: Manifest) -> int:
    """Bytes of a token of a bundle without a vocabulary."""
    axes = manifest.inputs[0].axes
    width = axes[-1]
    if len(axes) != 3 or not isinstance(width, int) or not words.MIN_WIDTH <= width <= words.MAX_WIDTH:
        raise BundleError(
            f"the manifest of {manifest.name} gives token bytes the shape {axes}: export the bundle again"
        )
    return width


def _check_bytes(value: NDArray[Any], width: int) -> None:
    if value.ndim != 3 or value.shape[2] != width or value.dtype != np.uint8:
        raise InputError(
            f"token bytes are uint8[batch, length, {width}], not {value.dtype}{list(value.shape)}: use session.tokenize"
        )


def _whole(value: NDArray[Any], info: TensorEntry) -> NDArray[Any]:
    """Ids as integers, where a finished model takes them as floats."""
    if not np.issubdtype(np.dtype(info.dtype), np.floating) or np.issubdtype(value.dtype, np.integer):
        return value
    if not np.array_equal(value, np.trunc(value)):
        raise InputError(
            f"ids for the {info.name} are not whole numbers: pass ids, as {info.dtype} or integers"
        )
    return value.astype(np.int64)

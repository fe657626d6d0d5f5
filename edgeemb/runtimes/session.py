"""A session: a bundle that is open and answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import BundleError, InputError
from edgeemb.runtimes.engine import Engine
from edgeemb.runtimes.inputs import check_feeds
from edgeemb.runtimes.runtime import Runtime
from edgeemb.runtimes.text import TextInput, WordsInput
from edgeemb.runtimes.tokenizer import open_tokenizer
from edgeemb.text import words
from edgeemb.text.feeds import pad, pad_words, text_feeds

#: Tokens of a text: ids, or without a vocabulary the bytes of words.
Tokens = Sequence[int] | Sequence[bytes]


class Session:
    """An open bundle. Use it as a context manager, or call `close`.

    A session may be shared by threads. ONNX Runtime then runs in all of them at once; the engines of the other runtimes hold one model
    with one set of buffers, so their threads wait for each other: to run several at once, open the bundle once for each.

    :param path: the bundle's folder.
    :param manifest: its manifest.
    :param runtime: the runtime.
    :param engine: the model, loaded into it.
    """

    def __init__(self, path: Path, manifest: Manifest, runtime: Runtime, engine: Engine) -> None:
        self.path = path
        self.manifest = manifest
        self.runtime = runtime
        self.engine = engine
        #: What must live as long as the session: the folder of an unpacked bundle.
        self.keep = ExitStack()
        self._text: TextInput | WordsInput | None = None
        self._lock = threading.RLock()
        self._closed = False

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """One row per text: its embedding, or the logits of a classifier.

        Texts are batched by length, to keep padding small; rows are returned in the order of the texts.

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
                f"a text has {longest} tokens, the bundle takes {limit}: export it with a longer `lengths`"
            )
        filled, mask = self._pad(tokens, fitting[0] if fitting else None)
        return text_feeds([info.name for info in self.manifest.inputs], filled, mask)

    def _pad(
        self, tokens: Sequence[Any], length: int | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        if self.manifest.tokenizer == words.NAME:
            return pad_words(tokens, _width(self.manifest), length)
        return pad(tokens, self.manifest.pad_id, length)

    def run(self, feeds: Mapping[str, ArrayLike]) -> NDArray[Any]:
        """The first output for raw inputs.

        :param feeds: an array per input of the manifest, with its shape (ids and masks int64[B, S]).
        :return: the first output, for an embedding model float32[B, D].
        :raises InputError: if an input is missing, not known, or not of the shape, dtype and range that the manifest says; or if the
            session is closed.
        """
        return self.run_all(feeds)[0]

    def run_all(self, feeds: Mapping[str, ArrayLike]) -> list[NDArray[Any]]:
        """All outputs for raw inputs, checked as in `run`."""
        checked = check_feeds(self.manifest, feeds)
        with nullcontext() if self.runtime.concurrent else self._lock:
            self.check_open()
            return self.engine.run(checked)

    def check_open(self) -> None:
        """Refuse to go on with a session that was closed.

        :raises InputError: if it was.
        """
        if self._closed:
            raise InputError(f"the session of {self.path} is closed: open the bundle again")

    def close(self) -> None:
        """Release what the runtime holds, after any run in progress has ended. Closing again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.engine.close()
            self.keep.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _text_input(self) -> TextInput | WordsInput:
        with self._lock:
            self.check_open()
            return self._text_reader()

    def _text_reader(self) -> TextInput | WordsInput:
        if self.manifest.max_length == 0:
            names = ", ".join(info.name for info in self.manifest.inputs)
            raise InputError(f"{self.path} takes no text, only the inputs {names}: use session.run")
        if self._text is None:
            limit, prompt = self.manifest.max_length, self.manifest.prompt
            self._text = (
                WordsInput(_width(self.manifest), limit, prompt)
                if self.manifest.tokenizer == words.NAME
                else TextInput(open_tokenizer(self.path, self.manifest), limit, prompt)
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

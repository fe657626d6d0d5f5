"""A session: a bundle that is open and answers. What runs the model underneath is an engine, one per runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle import TOKENIZER, Manifest
from edgeemb.errors import InputError
from edgeemb.runtimes.text import TextInput, pad, text_feeds
from edgeemb.tables import check_ids

Feeds = Mapping[str, NDArray[Any]]


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
        self._text: TextInput | None = None

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """One row per text: its embedding, or the logits of a classifier.

        Texts are batched by length, so that little padding is computed; rows come back in the order of the texts.

        :param texts: the texts; one longer than the model's limit is cut there (logged at level INFO).
        :param batch_size: texts per run of the model.
        :return: float32[len(texts), D].
        :raises InputError: if a text is empty, or the bundle takes no text.
        """
        ids = self._text_input().tokenize(texts)
        order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
        rows = np.empty((len(ids), int(self.manifest.outputs[0].axes[-1])), np.float32)
        for low in range(0, len(order), batch_size):
            batch = order[low : low + batch_size]
            rows[batch] = self.run(self.feeds([ids[number] for number in batch]))
        return rows

    def tokenize(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and mask of some texts as the model takes them.

        :param texts: the texts.
        :return: ids int64[B, S] and mask int64[B, S].
        :raises InputError: if a text is empty, or the bundle takes no text.
        """
        return pad(self._text_input().tokenize(texts))

    def feeds(self, ids: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int64]]:
        """Inputs of the model for the ids of some texts, padded to a length that the engine takes.

        :param ids: ids of each text.
        :raises InputError: if a text is longer than the engine's longest sequence.
        """
        longest = max((len(row) for row in ids), default=0)
        fitting = [length for length in self.engine.lengths if length >= longest]
        if self.engine.lengths and not fitting:
            limit = self.engine.lengths[-1]
            raise InputError(
                f"a text has {longest} tokens, the bundle takes {limit}: export it with a longer --lengths"
            )
        filled, mask = pad(ids, length=fitting[0] if fitting else None)
        return text_feeds([info.name for info in self.manifest.inputs], filled, mask)

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
            if info.rows is not None:
                value = check_ids(value, info.rows, info.name)
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

    def _text_input(self) -> TextInput:
        if self.manifest.max_length == 0:
            names = ", ".join(info.name for info in self.manifest.inputs)
            raise InputError(f"{self.path} takes no text, only the inputs {names}: use session.run")
        if self._text is None:
            self._text = TextInput(self.path / TOKENIZER, self.manifest.max_length, self.manifest.prompt)
        return self._text

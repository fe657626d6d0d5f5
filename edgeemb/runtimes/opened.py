"""A bundle that is open: texts in, the rows of its outputs out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import InputError
from edgeemb.native.tokenizer import Encoding
from edgeemb.runtimes.engine import Engine, PlacesEngine
from edgeemb.runtimes.inputs import check_feeds
from edgeemb.runtimes.runtime import Runtime
from edgeemb.runtimes.text import TextInput, WordsInput, token_width
from edgeemb.runtimes.tokenizer import open_tokenizer
from edgeemb.tasks.registry import TASKS
from edgeemb.tasks.task import Task
from edgeemb.text import words
from edgeemb.text.feeds import pad, pad_words, text_feeds
from edgeemb.vectors.form import VectorForm, form_of

#: Tokens of a text: ids, or without a vocabulary the bytes of words.
Tokens = Sequence[int] | Sequence[bytes]
#: A text, or a pair of texts.
Text = str | tuple[str, str]


class OpenModel:
    """A bundle that is open: what every answer of a `Session` is made from.

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
        #: What its vectors are; None where its first output is no vector per text.
        self.vectors: VectorForm | None = form_of(manifest)
        #: What must live as long as the session: the folder of an unpacked bundle.
        self.keep = ExitStack()
        self._text: TextInput | WordsInput | None = None
        self._lock = threading.RLock()
        self._closed = False

    @property
    def task(self) -> Task | None:
        """What the model is for; None where nothing is known of its outputs."""
        return TASKS.get(self.manifest.kind)

    def encode(
        self,
        texts: Sequence[Text],
        batch_size: int = 32,
        *,
        prompt: str | None = None,
        as_floats: bool = False,
    ) -> NDArray[Any]:
        """One row per text: its embedding, or the logits of a classifier.

        Texts are batched by length, to keep padding small; rows are returned in the order of the texts.

        :param texts: the texts, or for a classifier pairs of texts; one longer than the model's limit is cut there (logged at level INFO).
        :param batch_size: texts per run of the model.
        :param prompt: name of one of the manifest's `prompts`, to be put in front of each text; None for the default.
        :param as_floats: give floats also where `vectors` says that vectors are stored as codes: as queries they find more.
        :return: float32[len(texts), D]; where vectors are stored as codes int8[len(texts), D] or uint8[len(texts), bytes], see `vectors`.
        :raises InputError: if a text is empty, the bundle takes no text or no pairs, has no such prompt, or gives no one row per text.
        """
        if self.task is not None and self.task.per_token:
            raise InputError(
                f"{self.path} is for {self.task.title}, which has no one row per text: use session.{self.task.method}"
            )
        rows, types = self._tokenized(texts, prompt)
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        found = np.empty((len(rows), int(self.manifest.outputs[0].axes[-1])), np.float32)
        for low in range(0, len(order), batch_size):
            batch = order[low : low + batch_size]
            given = self.feeds(
                [rows[number] for number in batch], types and [types[number] for number in batch]
            )
            found[batch] = self.run(given)
        if self.vectors is None or self.manifest.vectors is None or as_floats:
            return found
        return self.vectors.pack(found)

    def tokens(self, texts: Sequence[str], *, prompt: str | None = None) -> list[Tokens]:
        """Tokens of some texts, special tokens included: ids, or without a vocabulary the bytes of words.

        :param texts: the texts.
        :param prompt: as in `encode`.
        :raises InputError: if a text is empty, or the bundle takes no text.
        """
        return list(self._text_input().tokenize(texts, self.prefix(prompt)))

    def prefix(self, prompt: str | None) -> str:
        """What is put in front of each text.

        :param prompt: name of one of the manifest's `prompts`; None for the default.
        :raises InputError: if there is no such prompt.
        """
        if prompt is None:
            return self.manifest.prompt
        if prompt not in self.manifest.prompts:
            known = ", ".join(self.manifest.prompts) or "none"
            raise InputError(f"{self.path} has no prompt {prompt!r}: its prompts are {known}")
        return self.manifest.prompts[prompt]

    def encodings(self, texts: Sequence[Text], *, limit: int | None = None) -> list[Encoding]:
        """Tokens of texts or pairs, with their types and the characters that they stand for.

        :param texts: the texts, or pairs of texts.
        :param limit: tokens of the longest text, special tokens included: longer ones are cut, of a pair the longer text first. 0 for any number, None
            for what the model takes.
        :raises InputError: if a text is empty, or the bundle takes no text, or none of these.
        """
        reader = self._text_input()
        pairs = [pair for pair in texts if not isinstance(pair, str)]
        if pairs and (self.task is None or not self.task.pairs or isinstance(reader, WordsInput)):
            raise InputError(f"{self.path} takes single texts, not pairs: give each text by itself")
        if isinstance(reader, WordsInput):
            raise InputError(f"{self.path} has no vocabulary, whose tokens this needs: use session.tokens")
        if any(len(pair) != 2 for pair in pairs):
            raise InputError("a pair is two texts: give (first, second)")
        return [
            reader.encode(text, limit=limit) if isinstance(text, str) else reader.encode(*text, limit=limit)
            for text in texts
        ]

    def _tokenized(
        self, texts: Sequence[Text], prompt: str | None
    ) -> tuple[list[Tokens], list[list[int]] | None]:
        """Tokens, and for pairs their types."""
        single = [text for text in texts if isinstance(text, str)]
        if len(single) == len(texts):
            return self.tokens(texts if isinstance(texts, str) else single, prompt=prompt), None
        found = self.encodings(texts)
        return [each.ids.tolist() for each in found], [each.types.tolist() for each in found]

    def tokenize(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Ids (or the bytes of words) and mask of some texts as the model takes them.

        :param texts: the texts.
        :return: ids int64[B, S], or token bytes uint8[B, S, width]; and mask int64[B, S].
        :raises InputError: if a text is empty, or the bundle takes no text.
        """
        return self._pad(self.tokens(texts))

    def feeds(
        self, tokens: Sequence[Tokens], types: Sequence[Sequence[int]] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Inputs of the model for the tokens of some texts, padded to a length that the engine takes.

        :param tokens: of each text, as `tokens` gives them.
        :param types: of each token, which text of a pair it belongs to: 0 or 1; None for single texts.
        :raises InputError: if a text is longer than the engine's longest sequence.
        """
        longest = max((len(row) for row in tokens), default=0)
        fixed = self.manifest.inputs[0].axes[1:2]
        lengths = [axis for axis in fixed if isinstance(axis, int)] or self.engine.lengths
        fitting = [length for length in lengths if length >= longest]
        if lengths and not fitting:
            raise InputError(
                f"a text has {longest} tokens, the bundle takes {lengths[-1]}: export it with a longer `lengths`"
            )
        filled, mask = self._pad(tokens, fitting[0] if fitting else None)
        kinds = None if types is None else pad(types, 0, filled.shape[1])[0]
        return text_feeds([info.name for info in self.manifest.inputs], filled, mask, kinds)

    def _pad(
        self, tokens: Sequence[Any], length: int | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        if self.manifest.tokenizer == words.NAME:
            return pad_words(tokens, token_width(self.manifest), length)
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

    def run_at(self, feeds: Mapping[str, ArrayLike], places: NDArray[np.int64]) -> list[NDArray[Any]]:
        """All outputs of one text at some places, for a model whose outputs have a row for each token; checked as in `run`.

        :param feeds: as in `run`, of one text.
        :param places: int64[P], numbers of its tokens. An engine may leave out the work for the others.
        :return: for each output an array [1, P, ...].
        """
        checked = check_feeds(self.manifest, feeds)
        with nullcontext() if self.runtime.concurrent else self._lock:
            self.check_open()
            if isinstance(self.engine, PlacesEngine):
                return self.engine.run_at(checked, places)
            return [np.asarray(output)[:, places] for output in self.engine.run(checked)]

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

    def _text_input(self) -> TextInput | WordsInput:
        with self._lock:
            self.check_open()
            return self._text_reader()

    def _text_reader(self) -> TextInput | WordsInput:
        if self.manifest.max_length == 0:
            names = ", ".join(info.name for info in self.manifest.inputs)
            raise InputError(f"{self.path} takes no text, only the inputs {names}: use session.run")
        if self._text is None:
            limit = self.manifest.max_length
            self._text = (
                WordsInput(token_width(self.manifest), limit)
                if self.manifest.tokenizer == words.NAME
                else TextInput(open_tokenizer(self.path, self.manifest), limit)
            )
        return self._text

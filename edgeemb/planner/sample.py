"""How well a table preserves a model's output, on a sample of sentences."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.models.agreement import agreements_of, depends_on_tables, worst_of
from edgeemb.models.base import LoadedModel
from edgeemb.tables import Table
from edgeemb.text.corpus import read_lines
from edgeemb.text.feeds import text_feeds
from edgeemb.text.sentences import sentences
from edgeemb.text.tokenizer import truncate

#: Lines of a corpus that are taken as the sample.
CORPUS_LINES = 128
#: Tokens that a line of a corpus is cut at.
LINE_TOKENS = 64


class Sample:
    """The sentences (or examples) of a model, and its outputs for them.

    Only the rows of ids in the sentences are replaced: other rows do not affect the outputs.

    :param model: the model to imitate.
    :param alias: the table that is replaced.
    :param corpus: text whose lines are the sample; None for the packaged sentences. A model that takes no text has its examples.
    :param seed: seed of the choice of lines.
    :raises InputError: if the corpus cannot be read.
    """

    def __init__(self, model: LoadedModel, alias: str, corpus: Path | None, seed: int) -> None:
        self._model = model
        self._alias = alias
        self._weight = model.table_weight(alias)
        rows = len(self._weight)
        if model.tokenizer_json is None:
            self._feeds = model.examples()
            self._count = len(self._feeds)
            self.ids: NDArray[np.int64] = np.arange(rows)
            self.counts: NDArray[np.float64] = np.ones(rows)
        else:
            texts = sentences() if corpus is None else _some(read_lines(corpus), CORPUS_LINES, seed)
            tokens = _tokens(model, model.tokenizer_json, texts)
            self._feeds = [_feeds(model, group) for group in _by_length(tokens)]
            self._count = len(tokens)
            found = np.bincount(np.concatenate([np.array(ids, np.int64) for ids in tokens]), minlength=rows)
            self.ids = np.flatnonzero(found)
            self.counts = found[self.ids].astype(np.float64)
        self._outputs = self._run(model)
        self._counting = depends_on_tables(model, self._feeds[0], self._outputs[0])

    def __len__(self) -> int:
        return self._count

    def agreement(self, table: Table) -> float:
        """How near the model's outputs with a replaced table come to those with its own: the mean of the worst output, by the measure that
        suits it (see `edgeemb.models.agreement`), a cosine for vectors.

        :param table: a fitted table.
        """
        rows = self._weight.copy()
        rows[self.ids] = table.rows(self.ids)
        outputs = self._run(self._model.with_rows(self._alias, rows))
        found = agreements_of(self._model, self._feeds[0], self._outputs, outputs, self._counting)
        return worst_of(found).mean

    def _run(self, model: LoadedModel) -> list[list[NDArray[Any]]]:
        """All outputs of each batch of sentences, or of each example."""
        return [model.reference(feeds) for feeds in self._feeds]


def _some(lines: Iterable[str], count: int, seed: int) -> list[str]:
    """Lines drawn evenly from a stream of any length (Vitter 1985, algorithm R)."""
    random = np.random.default_rng(seed)
    kept: list[str] = []
    for number, line in enumerate(lines):
        if number < count:
            kept.append(line)
        elif (place := int(random.integers(number + 1))) < count:
            kept[place] = line
    return kept


def _tokens(model: LoadedModel, tokenizer_json: str, texts: list[str]) -> list[list[int]]:
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_padding()
    truncate(tokenizer, min(model.max_length or LINE_TOKENS, LINE_TOKENS))
    encodings = tokenizer.encode_batch([model.prompt + text for text in texts])
    return [encoding.ids for encoding in encodings if encoding.ids]


def _by_length(tokens: list[list[int]]) -> list[list[list[int]]]:
    """Texts of equal length together: a batch without padding gives the same results as single texts."""
    groups: dict[int, list[list[int]]] = {}
    for ids in tokens:
        groups.setdefault(len(ids), []).append(ids)
    return list(groups.values())


def _feeds(model: LoadedModel, texts: list[list[int]]) -> dict[str, NDArray[Any]]:
    rows = np.array(texts, np.int64)
    feeds = text_feeds([info.name for info in model.inputs], rows, np.ones_like(rows))
    return {info.name: feeds[info.name].astype(info.dtype) for info in model.inputs}

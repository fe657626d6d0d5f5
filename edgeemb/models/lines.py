"""A sample of lines as a model takes them, to see what it computes on text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.errors import InputError
from edgeemb.models.base import LoadedModel
from edgeemb.text import words
from edgeemb.text.corpus import read_parts
from edgeemb.text.feeds import pad, pad_words, text_feeds
from edgeemb.text.sentences import sentences
from edgeemb.text.tokenizer import truncate

#: Lines of a corpus that are taken as the sample.
CORPUS_LINES = 128
#: Tokens that a line of a corpus is cut at.
LINE_TOKENS = 64


def sample_feeds(model: LoadedModel, corpus: Path | None, seed: int) -> list[dict[str, NDArray[Any]]]:
    """What a model takes for a sample of lines, or its examples where it takes no text.

    :param model: the model.
    :param corpus: text whose lines are drawn from evenly; None for the packaged sentences.
    :param seed: seed of the choice of lines.
    :raises InputError: if the corpus cannot be read, holds no line with a token, or the model takes no text.
    """
    if model.tokenizer_json is not None:
        return line_feeds(model, line_ids(model, corpus, seed))
    if model.words is not None:
        return word_feeds(model, _texts(corpus, seed))
    if corpus is not None:
        raise InputError(f"{model.name} takes no text, so it learns nothing from {corpus}: leave it out")
    return model.examples()


def line_ids(model: LoadedModel, corpus: Path | None, seed: int) -> list[list[int]]:
    """Token ids of a sample of lines; a line without a token is left out.

    :param model: a model with a vocabulary.
    :param corpus: text whose lines are drawn from evenly; None for the packaged sentences.
    :param seed: seed of the choice of lines.
    :raises InputError: if the corpus cannot be read, or holds no line with a token.
    """
    found = ids_of(model, _texts(corpus, seed), LINE_TOKENS)
    if not found:
        raise InputError(f"{corpus} holds no line with a token: give a text file with one text a line")
    return found


def ids_of(model: LoadedModel, texts: list[str], longest: int | None = None) -> list[list[int]]:
    """Token ids of texts; a text without a token is left out.

    :param model: a model with a vocabulary.
    :param texts: the texts.
    :param longest: tokens that a text is cut at; by default the model's limit.
    """
    limit = min(size for size in (model.max_length or LINE_TOKENS, longest or model.max_length) if size)
    tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
    tokenizer.no_padding()
    truncate(tokenizer, limit)
    encodings = tokenizer.encode_batch([model.prompt + text for text in texts])
    return [encoding.ids for encoding in encodings if encoding.ids]


def line_feeds(model: LoadedModel, lines: list[list[int]]) -> list[dict[str, NDArray[Any]]]:
    """What the model takes for lines. Those of equal length go together: a batch without padding gives the same results as single texts.

    :param model: a model with a vocabulary.
    :param lines: token ids of each line.
    """
    groups: dict[int, list[list[int]]] = {}
    for ids in lines:
        groups.setdefault(len(ids), []).append(ids)
    return [_feeds(model, group) for group in groups.values()]


def _texts(corpus: Path | None, seed: int) -> list[str]:
    return sentences() if corpus is None else sample_lines(corpus, CORPUS_LINES, seed)


def sample_lines(corpus: Path, count: int, seed: int) -> list[str]:
    """Lines drawn evenly from each part of a corpus, as many from one as from another.

    :param corpus: as in `edgeemb.text.corpus.corpus_parts`.
    :param count: how many are drawn in all; every line of a part that has fewer than its share.
    :param seed: seed of the draw.
    :raises InputError: if the corpus cannot be read.
    """
    parts = list(read_parts(corpus))
    shares = [len(share) for share in np.array_split(np.arange(count), len(parts))]
    return [line for lines, share in zip(parts, shares, strict=True) for line in _some(lines, share, seed)]


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


def word_feeds(model: LoadedModel, texts: list[str]) -> list[dict[str, NDArray[Any]]]:
    """What a model without a vocabulary takes for texts; one without a word is left out.

    :param model: the model.
    :param texts: the texts.
    """
    assert model.words is not None
    width, longest = model.words.width, min(model.max_length, LINE_TOKENS)
    given = (words.tokenize(model.prompt + text, width, longest) for text in texts if text.strip())
    return [_typed(model, *pad_words([tokens], width)) for tokens in given]


def _feeds(model: LoadedModel, texts: list[list[int]]) -> dict[str, NDArray[Any]]:
    length = model.inputs[0].axes[1]
    return _typed(model, *pad(texts, model.pad_id, length if isinstance(length, int) else None))


def _typed(model: LoadedModel, values: NDArray[Any], mask: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    feeds = text_feeds([info.name for info in model.inputs], values, mask)
    return {info.name: feeds[info.name].astype(info.dtype) for info in model.inputs}

"""Comparing an exported model with its original, and the vectors by which any port can check itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.metrics import cosine
from edgeemb.models.base import LoadedModel
from edgeemb.runtimes.session import Session, Tokens
from edgeemb.runtimes.text import WordsInput
from edgeemb.text.feeds import pad, pad_words, text_feeds
from edgeemb.text.sentences import sentences
from edgeemb.text.tokenizer import truncate

#: Sentences that go into ``golden.json``.
GOLDEN_SENTENCES = 8
#: Values of a module's output that go into it.
_GOLDEN_VALUES = 1 << 14


def compare(model: LoadedModel, session: Session) -> tuple[dict[str, float], dict[str, Any]]:
    """Parity figures and golden vectors of an exported model.

    A text model is compared over the packaged sentences, one at a time; any other over its examples.

    :param model: the original.
    :param session: the exported model.
    :return: ``sentences``, ``cosine_mean``, ``cosine_min`` over the outputs as vectors; and the content of ``golden.json``.
    """
    if not model.takes_text:
        return _compare_examples(model, session)
    texts = sentences()
    tokens = [session.tokens([text])[0] for text in texts]
    outputs = np.concatenate([session.run(session.feeds([row])) for row in tokens])
    originals = np.concatenate([model.reference(feeds)[0] for feeds in _original_feeds(model, texts)])
    golden = {
        "sentences": texts[:GOLDEN_SENTENCES],
        **_golden_tokens(model, tokens[:GOLDEN_SENTENCES]),
        "output": [[float(value) for value in row] for row in outputs[:GOLDEN_SENTENCES]],
    }
    return _figures(cosine(originals, outputs), "sentences"), golden


def _golden_tokens(model: LoadedModel, texts: Sequence[Tokens]) -> dict[str, Any]:
    """Ids, or the bytes of words in hexadecimal, each as wide as the model takes them."""
    if model.words is not None:
        rows = [pad_words([[bytes(token) for token in tokens]], model.words.width)[0] for tokens in texts]
        return {"tokens": [[token.tobytes().hex() for token in row[0]] for row in rows]}
    return {"ids": [list(tokens) for tokens in texts]}


def _original_feeds(model: LoadedModel, texts: list[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs by the original's own tokenizer, which knows more tokens than that of a pruned bundle."""
    names = [info.name for info in model.inputs]
    types = {info.name: info.dtype for info in model.inputs}
    for values, mask in _original_tokens(model, texts):
        feeds = text_feeds(names, values, mask)
        yield {name: feeds[name].astype(kind) for name, kind in types.items()}


def _original_tokens(
    model: LoadedModel, texts: list[str]
) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
    if model.words is not None:
        reader = WordsInput(model.words.width, model.max_length, model.prompt)
        for tokens in reader.tokenize(texts):
            yield pad_words([tokens], model.words.width)
        return
    tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
    truncate(tokenizer, model.max_length)
    for encoding in tokenizer.encode_batch([model.prompt + text for text in texts]):
        yield pad([encoding.ids])


def _compare_examples(model: LoadedModel, session: Session) -> tuple[dict[str, float], dict[str, Any]]:
    """Each example's output counts as one vector; the golden one is the first."""
    examples = model.examples()
    outputs = [np.asarray(session.run(feeds)) for feeds in examples]
    similarity = [
        cosine(model.reference(feeds)[0].reshape(1, -1), np.asarray(output, np.float32).reshape(1, -1))
        for feeds, output in zip(examples, outputs, strict=True)
    ]
    golden = {
        "inputs": {name: value.tolist() for name, value in examples[0].items()},
        **_golden_output(outputs[0]),
    }
    return _figures(np.concatenate(similarity), "examples"), golden


def _golden_output(output: NDArray[Any]) -> dict[str, Any]:
    """The output, or of one that is far too long for a text file the first values in C order."""
    if output.size <= _GOLDEN_VALUES:
        return {"output": output.tolist()}
    return {"shape": list(output.shape), "first_values": output.reshape(-1)[:_GOLDEN_VALUES].tolist()}


def golden_text(golden: dict[str, Any]) -> str:
    """The text of ``golden.json``.

    :param golden: its content.
    """
    return json.dumps(golden, ensure_ascii=False) + "\n"


def _figures(cosine: NDArray[np.float64], unit: str) -> dict[str, float]:
    return {
        unit: len(cosine),
        "cosine_mean": round(float(cosine.mean()), 6),
        "cosine_min": round(float(cosine.min()), 6),
    }

"""Comparing an exported model with its original, and the vectors by which any port can check itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.bundle.manifest import TOKENIZER
from edgeemb.errors import BundleError
from edgeemb.files import read_text
from edgeemb.models.agreement import Agreement, agreements_of, worst_of
from edgeemb.models.base import LoadedModel
from edgeemb.runtimes.opened import Tokens
from edgeemb.runtimes.session import Session
from edgeemb.runtimes.text import WordsInput
from edgeemb.text.feeds import pad, pad_words, text_feeds
from edgeemb.text.sentences import script_sentences, sentences
from edgeemb.text.tokenizer import MAX_BYTES, parse_tokenizer, truncate

#: Sentences that go into ``golden.json``.
GOLDEN_SENTENCES = 8
#: Queries of a multi-vector model that go into it.
_GOLDEN_QUERIES = 2
#: Values of a module's output that go into it.
_GOLDEN_VALUES = 1 << 14


def compare(model: LoadedModel, session: Session) -> tuple[dict[str, float], dict[str, Any]]:
    """Parity figures and golden vectors of an exported model.

    A text model is compared over the packaged sentences, in the scripts that it has words for, one at a time; any other over its examples. Every output is compared; one that does
    not depend on the tables does not count.

    :param model: the original.
    :param session: the exported model.
    :return: ``sentences`` or ``examples``, and ``cosine_mean`` and ``cosine_min`` of the worst output, each by the measure that fits it (see
        `Agreement`); of several outputs also those of each, as ``<output>.<measure>_mean`` and so on. And the content of ``golden.json``.
    """
    runs = run_both(model, session)
    agreements = agreements_of(model, runs.feeds[0], runs.wanted, runs.found)
    unit = "sentences" if model.takes_text else "examples"
    return {unit: len(runs.found), **_figures(agreements)}, runs.golden


@dataclass(frozen=True)
class Runs:
    """The same inputs run by the original and by its export.

    :param feeds: what the original took, each run.
    :param wanted: its outputs.
    :param found: those of the export.
    :param golden: the content of ``golden.json``.
    """

    feeds: list[dict[str, NDArray[Any]]]
    wanted: list[list[NDArray[Any]]]
    found: list[list[NDArray[Any]]]
    golden: dict[str, Any]


def run_both(model: LoadedModel, session: Session) -> Runs:
    """The packaged sentences, or the examples of a model that takes no text, through the original and its export.

    :param model: the original.
    :param session: the export.
    """
    return _text_runs(model, session) if model.takes_text else _example_runs(model, session)


def _text_runs(model: LoadedModel, session: Session) -> Runs:
    # A tokenizer of 250,000 pieces takes 300 MB, and half a second to parse.
    own = None if model.tokenizer_json is None else Tokenizer.from_str(model.tokenizer_json)
    texts = _texts(model, own, session)
    tokens = [session.tokens([text])[0] for text in texts]
    found = [session.run_all(session.feeds([row])) for row in tokens]
    feeds = list(_original_feeds(model, own, texts))
    golden = _golden_texts(
        model, texts[:GOLDEN_SENTENCES], tokens, [_recorded(session, one) for one in found]
    )
    if golden_queries := _golden_queries(session, texts):
        golden["queries"] = golden_queries
    return Runs(feeds, [model.reference(given) for given in feeds], found, golden)


def _texts(model: LoadedModel, own: Tokenizer | None, session: Session) -> list[str]:
    """The packaged sentences: in English, and in the scripts that the export's own vocabulary has words for."""
    if own is None or model.tokenizer_json is None:
        return sentences()
    path = session.path / TOKENIZER
    text = read_text(path, MAX_BYTES, BundleError) if path.is_file() else model.tokenizer_json
    tokenizer = own if text == model.tokenizer_json else parse_tokenizer(text, str(path))
    return [*sentences(), *script_sentences(tokenizer)]


def _example_runs(model: LoadedModel, session: Session) -> Runs:
    """The golden output is that of the first example."""
    examples = model.examples()
    found = [session.run_all(feeds) for feeds in examples]
    golden = {
        "inputs": {name: value.tolist() for name, value in examples[0].items()},
        **_golden_output(_recorded(session, found[0])),
    }
    return Runs(examples, [model.reference(feeds) for feeds in examples], found, golden)


def _recorded(session: Session, outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """What a device gives of the outputs: see `Runtime.records`."""
    records = session.runtime.records
    return np.asarray(session.runtime.resolve(records)(outputs) if records else outputs[0])


def _golden_texts(
    model: LoadedModel, texts: Sequence[str], tokens: Sequence[Tokens], found: Sequence[NDArray[Any]]
) -> dict[str, Any]:
    """Some sentences with their tokens and outputs, without those whose output is far too long for a text file; without any of them only the
    sentences."""
    per_token = model.task is not None and model.task.per_token
    kept, rows, outputs = list[str](), list[Tokens](), list[list[float]]()
    for text, row, output in zip(texts, tokens, found, strict=False):
        value = output[0]
        # The outputs of padding mean nothing.
        flat = (value[: len(row)] if per_token else value).reshape(-1)
        if flat.size <= _GOLDEN_VALUES:
            kept.append(text)
            rows.append(row)
            outputs.append(flat.astype(float).tolist())
    if not kept:
        return {"sentences": list(texts)}
    return {"sentences": kept, **_golden_tokens(model, rows), "output": outputs}


def _golden_queries(session: Session, texts: Sequence[str]) -> dict[str, Any]:
    """Some sentences as queries of a multi-vector model that reads these otherwise, and their vectors; nothing of any other model."""
    if session.manifest.interaction is None:
        return {}
    # The shortest are filled up most.
    asked = sorted(texts[:GOLDEN_SENTENCES], key=len)[:_GOLDEN_QUERIES]
    found = session.encode_tokens(asked, query=True)
    fit = [(text, one) for text, one in zip(asked, found, strict=True) if one.size <= _GOLDEN_VALUES]
    if not fit:
        return {}
    outputs = [one.reshape(-1).astype(float).tolist() for _, one in fit]
    return {"sentences": [text for text, _ in fit], "output": outputs}


def _golden_tokens(model: LoadedModel, texts: Sequence[Tokens]) -> dict[str, Any]:
    """Ids, or the bytes of words in hexadecimal, each as wide as the model takes them."""
    if model.words is not None:
        rows = [pad_words([[bytes(token) for token in tokens]], model.words.width)[0] for tokens in texts]
        return {"tokens": [[token.tobytes().hex() for token in row[0]] for row in rows]}
    return {"ids": [list(tokens) for tokens in texts]}


def _original_feeds(
    model: LoadedModel, own: Tokenizer | None, texts: list[str]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs from the original's own tokenizer, which knows more tokens than that of a pruned bundle."""
    names = [info.name for info in model.inputs]
    types = {info.name: info.dtype for info in model.inputs}
    for values, mask in _original_tokens(model, own, texts):
        feeds = text_feeds(names, values, mask)
        yield {name: feeds[name].astype(kind) for name, kind in types.items()}


def _original_tokens(
    model: LoadedModel, own: Tokenizer | None, texts: list[str]
) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
    if model.words is not None:
        reader = WordsInput(model.words.width, model.max_length)
        for tokens in reader.tokenize(texts, model.prompt):
            yield pad_words([tokens], model.words.width)
        return
    assert own is not None
    truncate(own, model.max_length)
    length = model.inputs[0].axes[1]
    for encoding in own.encode_batch([model.prompt + text for text in texts]):
        yield pad([encoding.ids], model.pad_id, length if isinstance(length, int) else None)


def _golden_output(output: NDArray[Any]) -> dict[str, Any]:
    """The output, or, if it is far too long for a text file, its first values in C order."""
    if output.size <= _GOLDEN_VALUES:
        return {"output": output.tolist()}
    return {"shape": list(output.shape), "first_values": output.reshape(-1)[:_GOLDEN_VALUES].tolist()}


def golden_text(golden: dict[str, Any]) -> str:
    """The text of ``golden.json``.

    :param golden: its content.
    """
    return json.dumps(golden, ensure_ascii=False) + "\n"


def _figures(agreements: Sequence[Agreement]) -> dict[str, float]:
    """The figures of the worst output, and, if there are several, of each."""
    worst = worst_of(agreements)
    figures = {"cosine_mean": round(worst.mean, 6), "cosine_min": round(worst.least, 6)}
    if len(agreements) > 1 or worst.measure != "cosine":
        for found in agreements:
            figures[f"{found.output}.{found.measure}_mean"] = round(found.mean, 6)
            figures[f"{found.output}.{found.measure}_min"] = round(found.least, 6)
            if found.same_class is not None:
                figures[f"{found.output}.same_class"] = round(found.same_class, 6)
    return figures

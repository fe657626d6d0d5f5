"""Comparing an exported model with its original, and the vectors by which any port can check itself."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgeemb.evaluate import cosine
from edgeemb.model import Model
from edgeemb.runtimes.session import Session

#: Sentences that go into ``golden.json``.
GOLDEN_SENTENCES = 8


def sentences() -> list[str]:
    """The packaged sentences on which every text model is compared."""
    return files("edgeemb").joinpath("data/sentences.txt").read_text("utf-8").splitlines()


def reference(model: Model, feeds: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """What the original computes.

    :param model: a loaded model.
    :param feeds: an array per input.
    :return: its first output.
    """
    with torch.no_grad():
        result = model.module(*(torch.from_numpy(feeds[info.name]) for info in model.inputs))
    first = result[0] if isinstance(result, tuple | list) else result
    return np.asarray(first.numpy(), np.float32)


def compare(model: Model, session: Session) -> tuple[dict[str, float], dict[str, Any]]:
    """Parity figures and golden vectors of an exported model.

    A text model is compared over the packaged sentences, one at a time; any other module over its example inputs.

    :param model: the original.
    :param session: the exported model.
    :return: ``sentences``, ``cosine_mean``, ``cosine_min`` over the outputs as vectors; and the content of ``golden.json``.
    """
    if model.tokenizer_json is None:
        feeds = {
            info.name: tensor.numpy() for info, tensor in zip(model.inputs, model.example_inputs, strict=True)
        }
        output = session.run(feeds)
        similarity = cosine(
            reference(model, feeds).reshape(1, -1), np.asarray(output, np.float32).reshape(1, -1)
        )
        golden = {
            "inputs": {name: value.tolist() for name, value in feeds.items()},
            "output": np.asarray(output).tolist(),
        }
        return _figures(similarity, "examples"), golden
    texts = sentences()
    ids = [session.tokenize([text])[0][0].tolist() for text in texts]
    outputs = np.concatenate([session.run(session.feeds([tokens])) for tokens in ids])
    originals = np.concatenate(
        [
            reference(model, _feeds(model, tokens))
            for tokens in _original_ids(model, model.tokenizer_json, texts)
        ]
    )
    golden = {
        "sentences": texts[:GOLDEN_SENTENCES],
        "ids": ids[:GOLDEN_SENTENCES],
        "output": [[float(value) for value in row] for row in outputs[:GOLDEN_SENTENCES]],
    }
    return _figures(cosine(originals, outputs), "sentences"), golden


def _original_ids(model: Model, tokenizer_json: str, texts: list[str]) -> list[list[int]]:
    """Ids by the original's own tokenizer, which knows more tokens than that of a pruned bundle."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.enable_truncation(model.max_length)
    return [encoding.ids for encoding in tokenizer.encode_batch([model.prompt + text for text in texts])]


def _feeds(model: Model, ids: list[int]) -> dict[str, NDArray[Any]]:
    row = np.array([ids], np.int64)
    return {model.inputs[0].name: row, model.inputs[1].name: np.ones_like(row)}


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

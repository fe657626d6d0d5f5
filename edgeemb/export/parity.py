"""Comparing an exported model with its original, and the vectors by which any port can check itself."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

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
    all_feeds = [session.feeds([tokens]) for tokens in ids]
    outputs = np.concatenate([session.run(feeds) for feeds in all_feeds])
    originals = np.concatenate([reference(model, _unpadded(feeds, model)) for feeds in all_feeds])
    golden = {
        "sentences": texts[:GOLDEN_SENTENCES],
        "ids": ids[:GOLDEN_SENTENCES],
        "output": [[float(value) for value in row] for row in outputs[:GOLDEN_SENTENCES]],
    }
    return _figures(cosine(originals, outputs), "sentences"), golden


def golden_text(golden: dict[str, Any]) -> str:
    """The text of ``golden.json``.

    :param golden: its content.
    """
    return json.dumps(golden, ensure_ascii=False) + "\n"


def _unpadded(feeds: dict[str, NDArray[Any]], model: Model) -> dict[str, NDArray[Any]]:
    width = int(feeds[model.inputs[1].name].sum())
    return {name: value[:, :width] for name, value in feeds.items()}


def _figures(cosine: NDArray[np.float64], unit: str) -> dict[str, float]:
    return {
        unit: len(cosine),
        "cosine_mean": round(float(cosine.mean()), 6),
        "cosine_min": round(float(cosine.min()), 6),
    }

"""Classifiers of pairs of texts: the type of a token says which text it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import edgeemb
from edgeemb.errors import InputError
from edgeemb.runtimes.c.engine import MicroEngine
from tests.fixtures.models import save_plain

Cached = Callable[[str, Callable[[Path], object]], Path]
IDS = np.array([[2, 5, 6, 3, 7, 8, 3]])
TYPES = np.array([[0, 0, 0, 0, 1, 1, 1]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT classifier whose types matter."""
    return save_plain(
        tmp_path_factory.mktemp("pairs") / "model",
        head="ForSequenceClassification",
        num_labels=3,
        initializer_range=0.3,
    )


def reference(folder: Path, types: np.ndarray) -> np.ndarray:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        given = {"input_ids": IDS, "attention_mask": np.ones_like(IDS), "token_type_ids": types}
        logits = model(**{name: torch.from_numpy(value) for name, value in given.items()}).logits
    return np.asarray(logits)


@pytest.mark.parametrize("runtime", ["onnx", "tflite", "executorch"])
def test_a_pair_is_scored_as_by_transformers(
    folder: Path, runtime: str, cached: Cached, tmp_path: Path
) -> None:
    bundle = edgeemb.export(
        str(folder),
        tmp_path / runtime,
        target="linux-x64",
        runtime=runtime,
        body="fp32",
        ops="builtin",
        table=["fp32", "position=fp32", "type=fp32"],
    )
    with edgeemb.open(bundle) as session:
        feeds = {"input_ids": IDS, "attention_mask": np.ones_like(IDS)}
        pair = session.run({**feeds, "token_type_ids": TYPES})
        single = session.run({**feeds, "token_type_ids": np.zeros_like(IDS)})
        np.testing.assert_allclose(pair, reference(folder, TYPES), atol=2e-4)
        np.testing.assert_allclose(single, reference(folder, np.zeros_like(IDS)), atol=2e-4)
        assert np.abs(pair - single).max() > 1e-2
        with pytest.raises(InputError, match="'token_type_ids' is missing"):
            session.run(feeds)
        with pytest.raises(InputError, match="id 2 is outside"):
            session.run({**feeds, "token_type_ids": TYPES + 1})
        assert session.encode(["a cat"]).shape == (1, 3)


@pytest.mark.parametrize("target", ["cortex-m7", "ios"])
def test_a_c_export_takes_the_types_of_tokens(folder: Path, target: str, tmp_path: Path) -> None:
    bundle = edgeemb.export(str(folder), tmp_path / "c", target=target, runtime="c", table="fp32")
    with edgeemb.open(bundle, allow_code=True) as session:
        feeds = {"input_ids": IDS, "attention_mask": np.ones_like(IDS)}
        pair = session.run({**feeds, "token_type_ids": TYPES})
        single = session.run({**feeds, "token_type_ids": np.zeros_like(IDS)})
        difference = reference(folder, TYPES) - reference(folder, np.zeros_like(IDS))
        np.testing.assert_allclose(pair - single, difference, atol=0.2 * np.abs(difference).max())
        assert isinstance(session.engine, MicroEngine)
        plain = np.empty(3, np.float32)
        session.engine.run_tokens(IDS[0], plain)
        assert plain.tolist() == single[0].tolist()
        with pytest.raises(InputError, match="id 2 is outside"):
            session.run({**feeds, "token_type_ids": TYPES + 1})
        with pytest.raises(InputError, match="an id is outside its table"):
            session.engine.run_tokens(IDS[0], plain, TYPES[0] + 1)
        assert session.classify([("a cat", "the mat")]) != session.classify(["a cat the mat"])

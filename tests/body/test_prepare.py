"""What is done to a body before it is written, and what the manifest says of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgeemb.body.layers import linear_layers
from edgeemb.body.prepare import prepare
from edgeemb.body.spec import BodyRequest
from edgeemb.errors import InputError
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model
from edgeemb.training.body import quantize_body, settle_body
from tests.fixtures.models.words import save_words


def test_says_what_was_smoothed_and_on_which_texts(tiny: Model, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the cat sat\na mat\n", "utf-8")
    entry = prepare(tiny, BodyRequest(), "int8", corpus=corpus).entry
    assert entry is not None
    assert entry.spec == "int8"
    assert entry.calibration == "2 lines of corpus.txt"
    (step,) = entry.steps
    assert step.name == "smoothed"
    assert step.details == "8 of 12 matrix products, alpha 0.6: 8 by a multiplication"


def test_a_body_in_float_stays_as_it_is(tiny: Model) -> None:
    done = prepare(tiny, BodyRequest(), "fp32")
    assert done.model is tiny
    assert done.entry is None


def test_calibration_texts_must_have_a_text(tiny: Model, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n", "utf-8")
    with pytest.raises(InputError, match=r"empty\.txt is empty"):
        prepare(tiny, BodyRequest(), "int8", corpus=empty)


@pytest.mark.parametrize("body", ["int8", "int4"])
def test_weights_that_were_trained_on_the_grid_stay_on_it(tiny: Model, body: str) -> None:
    trained = replace(tiny, module=copy.deepcopy(tiny.module))
    quantize_body(trained.module, body)
    settle_body(trained.module)
    done = prepare(trained, BodyRequest(), body)
    layers = linear_layers(done.model.torch_model().module)
    for name, layer in linear_layers(trained.module).items():
        if ".layer." in name:
            assert torch.equal(layer.weight, layers[name].weight), name


def test_models_that_take_the_bytes_of_words_are_smoothed_too(tmp_path: Path) -> None:
    model = save_words(tmp_path / "model", pooling=["mean"])

    entry = prepare(load_torch(model), BodyRequest(), "int8").entry
    assert entry is not None
    assert [step.name for step in entry.steps] == ["smoothed"]

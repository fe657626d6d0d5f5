"""One training, several depths: the first layers of a model alone serve as they were trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import edgeemb
from edgeemb.errors import SpecError
from edgeemb.metrics import cosine
from edgeemb.models.shrinking.depth import make_shallow
from edgeemb.models.shrinking.vectors import vectors_of
from edgeemb.models.torch.blocks import layers_of
from edgeemb.models.torch.model import Model
from edgeemb.training.depths import with_depths
from edgeemb.training.distillation import encoder_of
from edgeemb.training.encode import States, batch_of
from edgeemb.training.settings import Losses
from edgeemb.vectors.codes import cosines
from edgeemb.vectors.fit import agreement
from tests.fixtures.models.families import save_family
from tests.fixtures.models.onnx_files import save
from tests.fixtures.training import QUICK, adapt
from tests.models.test_onnx_text import encoder

TEXTS = ["the cat sat on a mat", "a dog ran from the river", "the sun looked at a hill"]


def test_the_first_layer_is_trained_to_serve_alone(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    others = {"cosine": 0, "similarity": 0, "ranking": 0, "tokens": 1}
    options = QUICK | {"steps": 100, "lr": 3e-3}
    result = adapt(tiny, tmp_path / "out", corpus=[corpus], losses=Losses(**others, elastic=1), **options)
    texts = corpus.read_text("utf-8").splitlines()
    wanted = vectors_of(tiny, texts)
    near = []
    for model in (tiny, edgeemb.load(result.path)):
        shallow, said = make_shallow(model, 1)
        assert said.startswith("1 of 2 transformer layers are kept")
        found = vectors_of(shallow, texts)
        near.append(agreement(cosines(wanted, wanted), cosines(found, found)))
    assert 1 - near[1] < 0.7 * (1 - near[0])
    # The whole of it is held to what it was by the loss of its token states.
    assert cosine(vectors_of(edgeemb.load(result.path), texts), wanted).mean() > 0.9


@pytest.mark.parametrize("family", ["ModernBERT", "EmbeddingGemma", "NomicBERT"])
def test_depths_are_what_models_without_the_other_layers_give(family: str, tmp_path: Path) -> None:
    model = edgeemb.load(str(save_family(tmp_path / "m", family, num_hidden_layers=2)))
    assert isinstance(model, Model)
    ids = [np.array([3, 5, 4, 6], np.int32), np.array([3, 4], np.int32)]
    student = with_depths(States(encoder_of(model)), (1,), ids)
    shallow, _ = make_shallow(model, 1)
    assert isinstance(shallow, Model) and len(layers_of(shallow.module)) == 1
    batch, mask = batch_of(ids, torch.device("cpu"))
    with torch.no_grad():
        np.testing.assert_allclose(
            student(batch, mask).shallow[0].vectors, shallow.module(batch, mask), atol=1e-5
        )
    assert len(layers_of(model.module)) == 2


def test_a_bundle_has_as_many_layers_as_were_asked_for(tiny: Model, tmp_path: Path) -> None:
    bundle = edgeemb.export(tiny, tmp_path / "b", layers=1, table="int4", body="fp32", ops="builtin")
    with edgeemb.open(bundle) as session:
        found = session.encode(TEXTS)
        assert session.manifest.notes[0].startswith("1 of 2 transformer layers are kept. The original is")
    wanted = vectors_of(make_shallow(tiny, 1)[0], TEXTS)
    assert cosine(found, wanted).min() > 0.99
    assert cosine(found, vectors_of(tiny, TEXTS)).min() < 0.99


def test_layers_that_cannot_be_taken_out_are_refused(tiny: Model, tmp_path: Path) -> None:
    for layers in (0, 3):
        with pytest.raises(SpecError, match=rf"layers={layers} is out of range: tiny has 2, use 1 to 2"):
            make_shallow(tiny, layers)
    finished = edgeemb.load(save(encoder(["last_hidden_state"]), tmp_path / "m.onnx", tokenizer=True))
    with pytest.raises(SpecError, match="is a finished model, whose layers stay: leave `layers` out"):
        make_shallow(finished, 1)


@pytest.mark.parametrize(
    ("losses", "layers", "message"),
    [
        (Losses(elastic=1), (2,), "elastic_layers 2: the student has 2 layers, use fewer"),
        (Losses(), (1,), "elastic_layers are for the loss elastic: give it a weight"),
    ],
)
def test_depths_that_cannot_be_trained_are_refused(
    losses: Losses, layers: tuple[int, ...], message: str, tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        adapt(tiny, tmp_path / "out", corpus=[corpus], losses=losses, elastic_layers=layers, **QUICK)
    with pytest.raises(SpecError, match=r"elastic_layers=.* use 1 or more layers"):
        adapt(tiny, tmp_path / "out", corpus=[corpus], losses=losses, elastic_layers=(0,), **QUICK)

"""Smaller vectors inside models of every kind: what the graph gives is the projection of what the original gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import edgeemb
from edgeemb.errors import InputError, SpecError
from edgeemb.models.base import LoadedModel
from edgeemb.models.huggingface.modules import SentenceEncoder
from edgeemb.models.shrinking.vectors import make_small, vectors_of
from edgeemb.models.static.model import StaticModel
from edgeemb.models.torch.model import Model
from edgeemb.vectors.fit import Projection
from edgeemb.vectors.registry import parse_vectors
from tests.fixtures.models import Recommender, save_plain, save_sentence
from tests.fixtures.models.onnx_files import save
from tests.fixtures.models.words import save_words
from tests.models.test_onnx_text import encoder
from tests.models.test_static import save_model2vec

TEXTS = ["the cat sat", "a dog ran home", "the cat loved a dog"]


def check_projected(model: LoadedModel, projection: Projection) -> LoadedModel:
    """The projected model, whose vectors are those of the original, projected."""
    changed = model.with_projection(projection)
    before, after = vectors_of(model, TEXTS), vectors_of(changed, TEXTS)
    assert changed.outputs[0].axes[-1] == projection.dim and changed.normalize
    np.testing.assert_allclose(after, projection(before), atol=2e-5)
    return changed


def projections(dim: int) -> list[Projection]:
    matrix = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0][:8]
    return [Projection(6), Projection(8, np.ascontiguousarray(matrix, np.float32))]


def linear_layers(model: LoadedModel) -> int:
    assert isinstance(model, Model) and isinstance(model.module, SentenceEncoder)
    return sum(isinstance(stage, nn.Linear) for stage in model.module.head)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_sentence_encoder_projects_after_its_pooling(normalize: bool, tmp_path: Path) -> None:
    model = edgeemb.load(str(save_sentence(tmp_path / "m", normalize=normalize)))
    before = vectors_of(model, TEXTS)
    first, turned = (check_projected(model, projection) for projection in projections(16))
    assert (linear_layers(first), linear_layers(turned)) == (0, 1)
    assert np.array_equal(vectors_of(model, TEXTS), before)  # the model itself stays as it is


def test_a_dense_layer_at_the_end_takes_the_projection_in(tmp_path: Path) -> None:
    model = edgeemb.load(str(save_sentence(tmp_path / "m", dense=12)))
    assert isinstance(model, Model) and isinstance(model.module, SentenceEncoder)
    for projection in projections(12):
        # Behind its activation nothing can be folded; the layer alone is linear.
        check_projected(model, projection)
    model.module.head = nn.Sequential(model.module.head[0])
    for projection in projections(12):
        assert linear_layers(check_projected(model, projection)) == 1


def test_a_model_without_a_vocabulary_is_projected(tmp_path: Path) -> None:
    model = edgeemb.load(str(save_words(tmp_path / "m", pooling=("mean",), normalize=True)))
    for projection in projections(32):
        check_projected(model, projection)


@pytest.mark.parametrize("weighted", [True, False])
def test_the_table_of_a_static_model_gets_smaller(weighted: bool, tmp_path: Path) -> None:
    model = edgeemb.load(str(save_model2vec(tmp_path / "m", mapped=weighted, weighted=weighted)))
    for projection in projections(16):
        changed = check_projected(model, projection)
        assert isinstance(changed, StaticModel)
        assert changed.word_table.dim == projection.dim
        np.testing.assert_allclose(
            vectors_of(changed.torch_model(), TEXTS), vectors_of(changed, TEXTS), atol=1e-6
        )


def test_a_finished_onnx_gives_the_smaller_vector_in_the_place_of_its_own(tmp_path: Path) -> None:
    outputs = ["token_embeddings", "sentence_embedding"]
    model = edgeemb.load(str(save(encoder(outputs), tmp_path / "m.onnx", tokenizer=True)))
    dim = model.outputs[0].axes[-1]
    assert isinstance(dim, int)
    for projection in (Projection(2), Projection(3, np.eye(3, dim, dtype=np.float32)[:, ::-1].copy())):
        changed = check_projected(model, projection)
        assert [info.name for info in changed.outputs[1:]] == ["token_embeddings"]


def test_a_spec_is_fitted_on_pieces_of_the_packaged_sentences_or_on_your_texts(
    tiny: Model, tmp_path: Path
) -> None:
    packaged = make_small(tiny, parse_vectors("pca=8+int8"), None, 0)
    entry = packaged.entry
    assert (entry.dim, entry.dtype, entry.width, entry.measure) == (8, "int8", 8, "cosine")
    assert "the packaged sentences, their parts and pairs" in entry.calibration
    assert len(entry.scales) == 1 and 0.9 < entry.agreement <= 1
    corpus = tmp_path / "mine.txt"
    corpus.write_text("".join(f"the cat {'sat ' * number}\na dog ran {number}\n" for number in range(1, 9)))
    own = make_small(tiny, parse_vectors("pca=8+int8"), corpus, 0).entry
    assert own.calibration == "16 texts: mine.txt" and own.fitted != entry.fitted
    assert make_small(tiny, parse_vectors("pca=8+int8"), corpus, 0).entry == own
    plain = make_small(tiny, parse_vectors("int8"), None, 0)
    assert plain.entry.fitted == "" and "parts" not in plain.entry.calibration
    corpus.write_text("the cat sat\n")
    with pytest.raises(
        InputError, match=r"pca=8 needs at least 8 different texts .* give more with `calibrate`"
    ):
        make_small(tiny, parse_vectors("pca=8"), corpus, 0)


def test_only_models_of_one_vector_per_text_are_taken(tiny: Model, tmp_path: Path) -> None:
    classifier = edgeemb.load(str(save_plain(tmp_path / "m", "bert", "ForSequenceClassification")))
    inputs = (torch.zeros(1, dtype=torch.int64), torch.zeros(1, 4, dtype=torch.int64))
    module = edgeemb.load(Recommender(), example_inputs=inputs)
    for model, words in (
        (classifier, "is for sequence classification: leave `vectors` out"),
        (module, "says nothing of what its outputs are: leave `vectors` out"),
    ):
        with pytest.raises(SpecError, match=words):
            make_small(model, parse_vectors("int8"), None, 0)
    with pytest.raises(SpecError, match="dim=17 is past the 16 dimensions"):
        make_small(tiny, parse_vectors("dim=17"), None, 0)


def test_a_model_that_gives_nan_is_refused(tmp_path: Path) -> None:
    model = edgeemb.load(str(save_sentence(tmp_path / "m")))
    assert isinstance(model, Model)

    class Broken(nn.Module):
        def forward(self, vectors: torch.Tensor) -> torch.Tensor:
            return vectors * float("nan")

    model.module.head = nn.Sequential(Broken())
    with pytest.raises(InputError, match="NaN or infinite values"):
        make_small(model, parse_vectors("int8"), None, 0)

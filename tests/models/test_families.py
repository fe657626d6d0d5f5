"""Every family loads through transformers' Auto classes and computes what transformers computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from edgeemb.errors import ModelError
from edgeemb.models.loading import load_torch
from tests.fixtures.models import HIDDEN, change_config, run
from tests.fixtures.models.families import TINY, reference_model, save_family

# Long enough for attention to reach past the windows of the tiny models.
TEXTS = ["the cat sat on the mat and ran away", "a cat"]
#: One of each way to attend and to count positions; the others are left to the slow tests.
OFTEN = (
    "BERT",
    "CamemBERT",
    "DeBERTa-v2/v3",
    "ModernBERT",
    "T5",
    "EmbeddingGemma",
    "Qwen3",
    "CLIP text",
    "ConvBERT",
    "FNet",
)


@pytest.mark.parametrize(
    "name",
    [
        name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow)
        for name in TINY
        if name not in ("SigLIP text", "CANINE")
    ],
)
def test_gives_each_text_of_a_padded_batch_the_vector_that_transformers_gives_it_alone(
    name: str, tmp_path: Path
) -> None:
    model = load_torch(save_family(tmp_path / "m", name))
    reference = reference_model(name)
    tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
    together = run(model, TEXTS)
    for text, found in zip(TEXTS, together, strict=True):
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            output: Any = reference(input_ids=ids, attention_mask=torch.ones_like(ids))
        wanted = output.text_embeds[0] if "text_embeds" in output else output.last_hidden_state[0].mean(dim=0)
        torch.testing.assert_close(found, wanted, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", ["BERT", "T5", "Qwen3", "ModernBERT", "CLIP text", "DeBERTa-v2/v3"])
def test_knows_the_table_of_words_without_its_name(name: str, tmp_path: Path) -> None:
    model = load_torch(save_family(tmp_path / "m", name))
    assert model.word_table.rows == Tokenizer.from_str(str(model.tokenizer_json)).get_vocab_size()
    assert model.inputs[0].rows == model.word_table.rows


def test_pads_to_the_only_length_that_a_model_was_trained_on(tmp_path: Path) -> None:
    model = load_torch(save_family(tmp_path / "m", "SigLIP text"))
    assert model.inputs[0].axes == ("batch", model.max_length)


@pytest.mark.parametrize("name", ["ConvBERT", "FNet"])
def test_a_model_that_is_changed_to_end_where_a_text_does_has_the_weights_that_it_came_with(
    name: str, tmp_path: Path
) -> None:
    folder = save_family(tmp_path / "m", name)
    model = load_torch(folder)
    body: Any = model.module.body
    names = set(load_file(folder / "model.safetensors"))
    assert {each for each in body.state_dict() if "pooler" not in each} == {
        each for each in names if "pooler" not in each
    }
    wanted = run(model, TEXTS)
    body.load_state_dict(body.state_dict())
    torch.testing.assert_close(run(model, TEXTS), wanted)
    copied = model.with_rows("word", model.table_weight("word") * 2)
    assert (run(copied, TEXTS) - wanted).abs().max() > 0.01


def test_refuses_a_family_whose_vectors_depend_on_the_padding(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT")
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    landmarks = {"num_landmarks": 2, "segment_means_seq_len": 2, "vocab_size": 67}
    config = transformers.NystromformerConfig(**sizes, initializer_range=0.3, **landmarks)
    torch.manual_seed(0)
    transformers.NystromformerModel(config).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"'nystromformer' reads the padding of a text.*example_inputs"):
        load_torch(folder)


def test_padding_is_the_end_of_a_text_for_a_family_that_reads_the_next_token(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "MobileBERT")
    path = folder / "model.safetensors"
    held = load_file(path)
    held["embeddings.word_embeddings.weight"][0] = 1.0
    save_file(held, path, {"format": "pt"})
    model = load_torch(folder)
    together = run(model, TEXTS)
    torch.testing.assert_close(together[1:], run(model, TEXTS[1:]), atol=2e-4, rtol=2e-4)


def test_a_configuration_without_a_token_for_padding_has_that_of_id_0(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT")
    change_config(folder, pad_token_id=None)
    assert load_torch(folder).pad_id == 0

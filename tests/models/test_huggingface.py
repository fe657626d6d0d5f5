"""Loading models: every family, every pooling, torch modules, and each way in which a folder can be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from edgeemb.errors import ModelError
from edgeemb.models.huggingface.modules import POOLING_MODES, Pooling
from edgeemb.models.loading import load_torch
from tests.fixtures.models import (
    FAMILIES,
    HIDDEN,
    POSITIONS,
    TEXTS,
    encode_texts,
    onnx_session,
    run,
    save_plain,
    save_sentence,
    tiny_model,
    tiny_tokenizer,
)


def reference_hidden(family: str, ids: Tensor, mask: Tensor) -> Tensor:
    body: Any = tiny_model(family)
    with torch.no_grad():
        hidden: Tensor = body(input_ids=ids, attention_mask=mask).last_hidden_state
    return hidden


def reference_pooling(mode: str, hidden: Tensor, mask: Tensor) -> Tensor:
    """Text by text on its own tokens, without any masking arithmetic."""
    rows = []
    for vectors, count in zip(hidden, mask.sum(dim=1).tolist(), strict=True):
        own = vectors[:count]
        weights = torch.arange(1, count + 1, dtype=torch.float32)[:, None]
        rows.append(
            {
                "cls": own[0],
                "max": own.max(dim=0).values,
                "mean": own.mean(dim=0),
                "mean_sqrt_len_tokens": own.sum(dim=0) / count**0.5,
                "weightedmean": (own * weights).sum(dim=0) / weights.sum(),
                "lasttoken": own[-1],
            }[mode]
        )
    return torch.stack(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_gives_the_vectors_of_transformers_with_mean_pooling(family: str, tmp_path: Path) -> None:
    model = load_torch(save_sentence(tmp_path / "m", family))
    assert model.tokenizer_json is not None
    ids, mask = encode_texts(model.tokenizer_json, TEXTS)
    expected = reference_pooling("mean", reference_hidden(family, ids, mask), mask)
    torch.testing.assert_close(
        run(model, TEXTS), torch.nn.functional.normalize(expected), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    "family",
    [name if name in ("bert", "mpnet") else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES],
)
def test_exports_to_onnx_with_any_batch_and_length(family: str, tmp_path: Path) -> None:
    model = load_torch(save_sentence(tmp_path / "m", family))
    session = onnx_session(model, tmp_path / "model.onnx")
    for texts in (TEXTS, TEXTS[:1], [""], ["the cat " * 12, "a"]):
        assert model.tokenizer_json is not None
        ids, mask = encode_texts(model.tokenizer_json, texts)
        (result,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        np.testing.assert_allclose(result, run(model, texts).numpy(), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gives_a_text_the_same_vector_whatever_it_is_batched_with(family: str, tmp_path: Path) -> None:
    model = load_torch(save_sentence(tmp_path / "m", family))
    together = run(model, TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        torch.testing.assert_close(run(model, [text])[0], vector, atol=1e-5, rtol=1e-5)


def test_gives_finite_vectors_for_a_row_that_is_all_padding(tmp_path: Path) -> None:
    for family in FAMILIES:
        model = load_torch(save_sentence(tmp_path / family, family))
        with torch.no_grad():
            result = model.module(torch.zeros(2, 4, dtype=torch.int64), torch.tensor([[1, 1, 0, 0], [0] * 4]))
        assert torch.isfinite(result).all(), family


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_pools_as_sentence_transformers_defines_the_mode(mode: str, tmp_path: Path) -> None:
    folder = save_sentence(
        tmp_path / "m", pooling={"embedding_dimension": HIDDEN, "pooling_mode": mode}, normalize=False
    )
    model = load_torch(folder)
    assert (model.pooling, model.normalize) == (mode, False)
    assert model.tokenizer_json is not None
    ids, mask = encode_texts(model.tokenizer_json, TEXTS)
    expected = reference_pooling(mode, reference_hidden("bert", ids, mask), mask)
    torch.testing.assert_close(run(model, TEXTS), expected, atol=1e-5, rtol=1e-5)


def test_concatenates_several_poolings_and_applies_dense_layers(tmp_path: Path) -> None:
    flags = {
        "word_embedding_dimension": HIDDEN,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": True,
    }
    folder = save_sentence(tmp_path / "m", pooling=flags, dense=5)
    model = load_torch(folder)
    assert (model.pooling, model.normalize) == ("cls+mean", True)
    assert model.outputs[0].axes == ("batch", 5)
    assert model.tokenizer_json is not None
    ids, mask = encode_texts(model.tokenizer_json, TEXTS)
    hidden = reference_hidden("bert", ids, mask)
    pooled = torch.cat([reference_pooling(mode, hidden, mask) for mode in ("cls", "mean")], dim=1)
    layer = load_file(folder / "2_Dense" / "model.safetensors")
    dense = torch.tanh(pooled @ layer["linear.weight"].T + layer["linear.bias"])
    torch.testing.assert_close(run(model, TEXTS), torch.nn.functional.normalize(dense), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("width", [HIDDEN, 5])
def test_a_dense_layer_may_have_a_residual_path(width: int, tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m", dense=width, residual=True, normalize=False)
    model = load_torch(folder)
    assert model.tokenizer_json is not None and model.outputs[0].axes == ("batch", width)
    ids, mask = encode_texts(model.tokenizer_json, TEXTS)
    pooled = reference_pooling("mean", reference_hidden("bert", ids, mask), mask)
    layer = load_file(folder / "2_Dense" / "model.safetensors")
    past = pooled @ layer["residual.weight"].T if width != HIDDEN else pooled
    expected = torch.tanh(pooled @ layer["linear.weight"].T + layer["linear.bias"]) + past
    torch.testing.assert_close(run(model, TEXTS), expected, atol=1e-5, rtol=1e-5)


def test_refuses_a_residual_path_of_which_the_config_and_the_checkpoint_say_different_things(
    tmp_path: Path,
) -> None:
    for number, residual in enumerate((True, False)):
        folder = save_sentence(tmp_path / str(number), dense=5, residual=residual)
        path = folder / "2_Dense" / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "use_residual": not residual}))
        with pytest.raises(ModelError, match="residual path"):
            load_torch(folder)


def test_averages_a_plain_folder_without_normalising(tmp_path: Path) -> None:
    model = load_torch(save_plain(tmp_path / "m", "bert", head="ForMaskedLM"), task="embedding")
    assert (model.kind, model.pooling, model.normalize) == ("embedding", "mean", False)


@pytest.mark.parametrize("family", FAMILIES)
def test_loads_a_sequence_classifier_with_its_labels(family: str, tmp_path: Path) -> None:
    names = {0: "bad", 1: "fair", 2: "good"}
    folder = save_plain(tmp_path / "m", family, head="ForSequenceClassification", id2label=names)
    model = load_torch(folder)
    assert (model.kind, model.labels) == ("classification", ("bad", "fair", "good"))
    assert [(output.name, output.axes) for output in model.outputs] == [("logits", ("batch", 3))]
    assert model.tokenizer_json is not None
    ids, mask = encode_texts(model.tokenizer_json, TEXTS)
    reference: Any = tiny_model(family, "ForSequenceClassification", id2label=names)
    with torch.no_grad():
        expected = reference(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(run(model, TEXTS), expected, atol=1e-5, rtol=1e-5)


def test_names_the_tables_and_their_roles(tmp_path: Path) -> None:
    model = load_torch(save_sentence(tmp_path / "m", "mpnet"))
    assert {table.alias: table.role for table in model.tables} == {
        "word": "word",
        "position": "position",
        "relative": "other",
    }
    word = model.word_table
    assert word.name == "body.embeddings.word_embeddings.weight"
    assert (word.rows, word.dim) == (tiny_tokenizer("mpnet").get_vocab_size(), HIDDEN)
    assert model.inputs[0].rows == word.rows
    weight: Tensor = tiny_model("mpnet").get_parameter("embeddings.word_embeddings.weight")
    np.testing.assert_array_equal(model.table_weight("word"), weight.detach().numpy())
    with pytest.raises(ModelError, match="its tables are: word, position, relative"):
        model.table("type")


def test_loads_half_precision_checkpoints_in_float32(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    path = folder / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    model = load_torch(folder)
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float32}


def test_loads_a_sharded_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    tiny_model("bert").save_pretrained(folder, max_shard_size="4KB")
    tiny_tokenizer("bert").save(str(folder / "tokenizer.json"))
    assert (folder / "model.safetensors.index.json").is_file()
    torch.testing.assert_close(
        run(load_torch(folder), TEXTS), run(load_torch(save_plain(tmp_path / "whole")), TEXTS)
    )


def test_takes_the_length_limit_of_sentence_transformers_first(tmp_path: Path) -> None:
    assert load_torch(save_sentence(tmp_path / "said", max_seq_length=24)).max_length == 24
    assert load_torch(save_sentence(tmp_path / "unsaid", "bert")).max_length == POSITIONS
    assert load_torch(save_sentence(tmp_path / "offset", "roberta")).max_length == POSITIONS - 2
    folder = save_plain(tmp_path / "tokenizer")
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 20}')
    assert load_torch(folder).max_length == 20
    assert load_torch(folder, max_length=10).max_length == 10
    with pytest.raises(ModelError, match=r"max_length 41 is outside \[3, 40\]"):
        load_torch(folder, max_length=41)


@pytest.mark.parametrize("family", FAMILIES)
def test_computes_texts_of_exactly_the_longest_length(family: str, tmp_path: Path) -> None:
    model = load_torch(save_plain(tmp_path / "m", family))
    ids = torch.full((1, model.max_length), model.word_table.rows - 1)
    with torch.no_grad():
        assert torch.isfinite(model.module(ids, torch.ones_like(ids))).all()


def test_removes_truncation_and_padding_from_the_tokenizer(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    tokenizer = tiny_tokenizer("bert")
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4)
    tokenizer.save(str(folder / "tokenizer.json"))
    text = load_torch(folder).tokenizer_json
    assert text is not None
    assert json.loads(text)["truncation"] is None
    assert json.loads(text)["padding"] is None


def test_folds_case_when_sentence_transformers_says_so(tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m", "roberta")
    (folder / "sentence_roberta_config.json").write_text('{"max_seq_length": 16, "do_lower_case": true}')
    model = load_torch(folder)
    assert model.tokenizer_json is not None
    tokenizer = Tokenizer.from_str(model.tokenizer_json)
    assert tokenizer.encode("The CAT").ids == tokenizer.encode("the cat").ids
    assert model.max_length == 16


def test_converts_a_folder_that_has_only_a_vocabulary_file(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    expected = Tokenizer.from_file(str(folder / "tokenizer.json"))
    (folder / "tokenizer.json").unlink()
    vocab = sorted(expected.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("\n".join(piece for piece, _ in vocab))
    text = load_torch(folder).tokenizer_json
    assert text is not None
    for sentence in TEXTS:
        assert Tokenizer.from_str(text).encode(sentence).ids == expected.encode(sentence).ids


def test_reads_the_default_prompt(tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m")
    config = {"prompts": {"query": "find: ", "document": ""}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))
    assert load_torch(folder).prompt == "find: "


def test_loads_the_demo_model_by_name() -> None:
    model = load_torch("sentence-transformers/all-MiniLM-L6-v2")
    assert (model.name, model.pooling, model.normalize, model.max_length) == (
        "all-MiniLM-L6-v2",
        "mean",
        True,
        256,
    )
    assert [(table.alias, table.rows) for table in model.tables] == [
        ("word", 30522),
        ("position", 512),
        ("type", 2),
    ]
    vectors = run(model, ["A cat sits on the mat.", "A kitten is on a rug.", "Shares fell sharply."])
    scores = (vectors @ vectors.T).numpy()
    np.testing.assert_allclose(np.diag(scores), 1.0, atol=1e-5)
    assert scores[0, 1] > 0.5
    assert scores[0, 2] < 0.2


def test_refuses_an_unknown_pooling_mode() -> None:
    with pytest.raises(ValueError, match="unknown pooling"):
        Pooling(["mode"])


def test_loads_without_printing_anything(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m", head="ForMaskedLM")
    code = f"from edgeemb.models.loading import load_torch; load_torch({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""

"""An adapter in a model's folder counts: it is merged, or the folder is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from edgeemb.errors import ModelError
from edgeemb.models.loading import load_torch
from tests.fixtures.models import TEXTS, encode_texts, run, save_plain, save_sentence


def with_adapter(folder: Path) -> Path:
    """A sentence-transformers folder of a tiny BERT with an adapter of random weights beside its own."""
    save_sentence(folder)
    torch.manual_seed(0)
    body = transformers.AutoModel.from_pretrained(folder)
    settings = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["query", "value"], init_lora_weights=False)
    peft.get_peft_model(body, settings).save_pretrained(folder)
    return folder


def test_an_adapter_beside_full_weights_is_merged(tmp_path: Path) -> None:
    folder = with_adapter(tmp_path / "m")
    model = load_torch(folder)
    plain = load_torch(save_sentence(tmp_path / "plain"))
    assert model.tokenizer_json is not None
    # What transformers computes with the same folder, which applies the adapter as it loads it.
    theirs = transformers.AutoModel.from_pretrained(folder)
    assert any("lora" in name for name, _ in theirs.named_parameters())
    ids, mask = encode_texts(model.tokenizer_json, TEXTS)
    with torch.no_grad():
        hidden = theirs(input_ids=ids, attention_mask=mask).last_hidden_state
    wide = mask[:, :, None].float()
    wanted = torch.nn.functional.normalize((hidden * wide).sum(1) / wide.sum(1))
    torch.testing.assert_close(run(model, TEXTS), wanted, atol=1e-5, rtol=0)
    assert (run(plain, TEXTS) - wanted).abs().max() > 0.01
    assert not any("lora" in name for name, _ in model.module.named_parameters())


def test_an_adapter_in_a_folder_of_its_own_is_merged_into_its_model(tmp_path: Path) -> None:
    beside = with_adapter(tmp_path / "beside")
    base = save_sentence(tmp_path / "base")
    for place in (tmp_path / "alone", base / "named"):
        place.mkdir()
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(beside / name, place)
    wanted = run(load_torch(beside), TEXTS)
    for adapter in (str(tmp_path / "alone"), "named"):
        torch.testing.assert_close(run(load_torch(base, adapter=adapter), TEXTS), wanted)
    assert (run(load_torch(base), TEXTS) - wanted).abs().max() > 0.01
    with pytest.raises(
        ModelError, match=r"'nowhere' is no adapter of .*, whose own are named, nor a folder with"
    ):
        load_torch(base, adapter="nowhere")


def test_an_adapter_brings_the_layer_of_its_classes(tmp_path: Path) -> None:
    base = save_plain(tmp_path / "base")
    torch.manual_seed(0)
    body = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    settings = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"], init_lora_weights=False)
    theirs = peft.get_peft_model(body, settings).eval()
    theirs.save_pretrained(tmp_path / "adapter")
    model = load_torch(base, adapter=str(tmp_path / "adapter"))
    assert (model.kind, model.labels) == ("classification", ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert model.tokenizer_json is not None
    ids, mask = encode_texts(model.tokenizer_json, TEXTS)
    with torch.no_grad():
        wanted = theirs(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(run(model, TEXTS), wanted, atol=1e-5, rtol=1e-4)


def test_without_peft_it_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = with_adapter(tmp_path / "m")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        ModelError, match=r"holds an adapter \(LORA\), which needs the package peft .* pip install peft"
    ):
        load_torch(folder)


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = with_adapter(tmp_path / "m")
    path = folder / "adapter_model.safetensors"
    save_file({name.replace("layer.1", "layer.7"): tensor for name, tensor in load_file(path).items()}, path)
    with pytest.raises(ModelError, match="of its tensors have no place in the model"):
        load_torch(folder)


def test_an_adapter_without_its_model_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "org/base", "peft_type": "LORA"})
    )
    with pytest.raises(
        ModelError,
        match="holds an adapter of the model 'org/base' alone: give that model, and this folder as",
    ):
        load_torch(folder)

"""jina-embeddings-v3 as its own code saves it: read by transformers' class, with the adapter that was chosen, and without running that code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgeemb.errors import ModelError
from edgeemb.models.loading import load_torch
from tests.fixtures.models.families import reference_model, save_family

TASKS = ["retrieval.query", "text-matching"]
RANK, ALPHA = 2, 3
#: What transformers calls a part, and what Jina's code does (transformers/conversion_mapping.py).
_NAMES = (
    (r"embeddings\.LayerNorm", "emb_ln"),
    (r"^layers", "encoder.layers"),
    (r"self_attn\.o_proj", "mixer.out_proj"),
    (r"post_attention_layernorm", "norm1"),
    (r"post_mlp_layernorm", "norm2"),
)


def save_flash(folder: Path) -> Path:
    """A tiny model as Jina's code saves it: every matrix with a random adapter for each task."""
    save_family(folder, "Jina v3")
    held = load_file(folder / "model.safetensors")
    random = torch.Generator().manual_seed(3)
    found: dict[str, torch.Tensor] = {}
    for name, tensor in held.items():
        if "q_proj" in name:
            parts = [held[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            name, tensor = name.replace("self_attn.q_proj", "mixer.Wqkv"), torch.cat(parts)
        elif "k_proj" in name or "v_proj" in name:
            continue
        for theirs, jina in _NAMES:
            name = re.sub(theirs, jina, name)
        name = f"roberta.{name}"
        if tensor.ndim == 1:
            found[name] = tensor
            continue
        stem = name.removesuffix(".weight") + ".parametrizations.weight."
        rows, columns = tensor.shape if "embeddings" in name else tensor.shape[::-1]
        found[f"{stem}original"] = tensor
        left, right = (rows, RANK), (RANK, columns)
        if "embeddings" not in name:
            left, right = (RANK, rows), (columns, RANK)
        found[f"{stem}0.lora_A"] = torch.randn(len(TASKS), *left, generator=random) * 0.1
        found[f"{stem}0.lora_B"] = torch.randn(len(TASKS), *right, generator=random) * 0.1
    save_file(found, folder / "model.safetensors", {"format": "pt"})
    code = "jinaai/xlm-roberta-flash-implementation--modeling_lora.XLMRobertaLoRA"
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "xlm-roberta",
        "architectures": ["XLMRobertaModel"],
        "auto_map": {"AutoModel": code},
    }
    config |= {
        "position_embedding_type": "rotary",
        "rotary_emb_base": config.pop("rope_parameters")["rope_theta"],
    }
    config |= {"lora_adaptations": TASKS, "lora_rank": RANK, "lora_alpha": ALPHA}
    config["task_instructions"] = {"retrieval.query": "query: ", "text-matching": ""}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def adapted(folder: Path, task: int | None) -> Any:
    """transformers' model with weights changed by the arithmetic of Jina's code: (W + BA)x for layers, x(W + AB) for tables."""
    body = reference_model("Jina v3")
    held = load_file(folder / "model.safetensors")
    if task is None:
        return body
    with torch.no_grad():
        for name, module in body.named_modules():
            if not isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
                continue
            jina = re.sub(r"self_attn\.[qkv]_proj", "mixer.Wqkv", name)
            for theirs, other in _NAMES:
                jina = re.sub(theirs, other, jina)
            stem = f"roberta.{jina}.parametrizations.weight.0."
            first, second = (held[f"{stem}lora_{part}"][task] for part in "AB")
            change = first @ second if isinstance(module, torch.nn.Embedding) else second @ first
            if len(change) != len(module.weight):
                change = change.chunk(3)["qkv".index(name.split(".")[-1][0])]
            module.weight += ALPHA / RANK * change
    return body


@pytest.mark.parametrize("task", [None, 0, 1])
def test_has_the_adapter_that_was_chosen(task: int | None, tmp_path: Path) -> None:
    folder = save_flash(tmp_path / "m")
    model = load_torch(folder, adapter=None if task is None else TASKS[task])
    ids = torch.tensor([[0, 5, 9, 12, 2], [0, 7, 2, 1, 1]])
    mask = (ids != 1).long()
    with torch.no_grad():
        hidden = adapted(folder, task)(input_ids=ids, attention_mask=mask).last_hidden_state
        found = model.module(ids, mask)
    wide = mask[:, :, None].float()
    torch.testing.assert_close(found, (hidden * wide).sum(1) / wide.sum(1), atol=1e-5, rtol=1e-4)
    assert model.prompt == ("query: " if task == 0 else "")
    assert model.prompts == {"retrieval.query": "query: ", "text-matching": ""}
    assert not any("lora" in name for name, _ in model.module.named_parameters())


def test_refuses_adapters_that_do_not_fit(tmp_path: Path) -> None:
    folder = save_flash(tmp_path / "m")
    with pytest.raises(
        ModelError, match=r"'sorting' is no adapter of .* whose own are retrieval\.query, text-matching"
    ):
        load_torch(folder, adapter="sorting")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "lora_rank": 4}))
    with pytest.raises(
        ModelError, match=r"do not fit lora_adaptations, lora_rank and lora_alpha of config\.json"
    ):
        load_torch(folder, adapter=TASKS[0])

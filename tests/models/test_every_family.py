"""Whatever family of text models transformers has: it comes in, and a text is itself in any batch, or one line says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers.models.auto import configuration_auto, modeling_auto

from edgeemb.errors import ModelError
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model
from tests.fixtures.models import tiny_tokenizer

#: What makes a configuration small, whatever it calls its sizes.
_SMALL = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size"), 16),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "d_ff", "ffn_dim"), 32),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 2),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_key_value_heads"), 1),
    **dict.fromkeys(("head_dim", "d_kv"), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 40),
    "word_embed_proj_dim": 16,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
#: Parameters of a model that is still small: some have sizes of their own.
_MOST = 3_000_000


def _types() -> list[str]:
    kinds = ("TEXT_ENCODING", "CAUSAL_LM", "MASKED_LM")
    return sorted(
        {name for kind in kinds for name in getattr(modeling_auto, f"MODEL_FOR_{kind}_MAPPING_NAMES")}
    )


def _saved(kind: str, folder: Path) -> bool:
    """Save a tiny random model of a family; False where it cannot be made small in this way."""
    encoders = modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
    name: Any = encoders.get(kind) or modeling_auto.MODEL_MAPPING_NAMES.get(kind)
    made = configuration_auto.CONFIG_MAPPING_NAMES.get(kind)
    if name is None or made is None:
        return False
    tokenizer = tiny_tokenizer("bert")
    try:
        settings = getattr(transformers, made)
        named = {*settings().to_dict(), *getattr(settings, "attribute_map", {})}
        sizes = {**_SMALL, "vocab_size": tokenizer.get_vocab_size()}
        config = settings(**{key: value for key, value in sizes.items() if key in named})
        model = getattr(transformers, name if isinstance(name, str) else name[0])
        with torch.device("meta"):
            if sum(parameter.numel() for parameter in model(config).parameters()) > _MOST:
                return False
        torch.manual_seed(0)
        model(config).save_pretrained(folder)
    except Exception:
        return False
    made_by: Any = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]")
    made_by.save_pretrained(folder)
    return True


def _difference(model: Model) -> float:
    """How far the vector of a text with padding is from that of the text alone, of its largest element."""
    ids, count = torch.randint(5, 60, (2, 12), generator=torch.Generator().manual_seed(1)), 5
    mask = torch.ones_like(ids)
    mask[1, count:] = 0
    ids = torch.where(mask == 1, ids, model.pad_id)
    with torch.no_grad():
        together, alone = model.module(ids, mask)[1], model.module(ids[1:, :count], mask[1:, :count])[0]
    return float((together - alone).abs().max() / alone.abs().max())


@pytest.mark.slow
def test_comes_in_or_says_in_one_line_why_not(tmp_path: Path) -> None:
    loaded = []
    for kind in _types():
        folder = tmp_path / kind
        if not _saved(kind, folder):
            continue
        try:
            model = load_torch(folder, task="embedding")
        except ModelError as error:
            assert "\n" not in str(error), kind
            continue
        loaded.append(kind)
        if isinstance(model.inputs[0].axes[1], str):
            assert _difference(model) < 1e-3, kind
    assert len(loaded) > 100

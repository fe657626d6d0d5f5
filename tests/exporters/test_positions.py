"""Models that count positions from their padding id: the longest text is what the position table holds, in every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import edgeemb
from edgeemb.errors import InputError

PAD, ROWS = 3, 26


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RoBERTa whose padding id is 3, so that positions begin at row 4 of 26."""
    path = tmp_path_factory.mktemp("positions") / "model"
    pieces = ["<s>", "</s>", "<unk>", "<pad>", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.WordLevel({piece: at for at, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=ROWS,
        pad_token_id=PAD,
        bos_token_id=0,
        eos_token_id=1,
    )
    transformers.RobertaModel(config).save_pretrained(path)
    tokenizer.save(str(path / "tokenizer.json"))
    return path


@pytest.mark.parametrize("runtime", ["onnx", "tflite", "executorch"])
def test_the_longest_text_is_what_the_positions_allow(folder: Path, runtime: str, tmp_path: Path) -> None:
    model = edgeemb.load(str(folder))
    assert model.max_length == model.positions == ROWS - PAD - 1
    lengths = (8, ROWS - PAD - 1) if runtime == "tflite" else ()
    bundle = edgeemb.export(
        model,
        tmp_path / "out",
        target="linux-x64",
        runtime=runtime,
        body="fp32",
        table="fp32",
        ops="builtin",
        lengths=lengths,
    )
    reference = transformers.AutoModel.from_pretrained(folder).eval()
    with edgeemb.open(bundle) as session:
        assert session.manifest.pad_id == PAD
        assert session.manifest.bounds == {"length": ROWS - PAD - 1}
        texts = [" ".join("a" * 100), "b c d", "e"]
        for text, vector in zip(texts, session.encode(texts), strict=True):
            ids = torch.tensor([list(session.tokens([text])[0])])
            with torch.no_grad():
                hidden = reference(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            np.testing.assert_allclose(vector, hidden.mean(dim=1)[0].numpy(), atol=2e-2)
        ids = np.full((1, ROWS - PAD), 5)
        with pytest.raises(InputError, match="at most 22"):
            session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})

"""Trains a small text classifier with a vocabulary of its own, for the microcontroller bench."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

PIECES = 2000
EPOCHS = 5
BATCH = 64
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def train(texts: list[str], labels: list[str], folder: Path) -> list[str]:
    """Train and save a BERT of two layers with 96 elements.

    :param texts: training texts.
    :param labels: class of each.
    :param folder: where the model goes, in the form of transformers.
    :return: names of the classes, in the order of the logits.
    """
    torch.manual_seed(0)
    torch.set_num_threads(1)  # steps are small, and threads that wait for each other cost more
    names = sorted(set(labels))
    tokenizer = _tokenizer(texts)
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=96, intermediate_size=192, num_hidden_layers=2, num_attention_heads=3,
        max_position_embeddings=64, num_labels=len(names), initializer_range=0.05, id2label=dict(enumerate(names)),
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    tokenizer.enable_truncation(64)
    tokenizer.enable_padding(pad_id=0)
    wanted = torch.tensor([names.index(label) for label in labels])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    steps = EPOCHS * (len(texts) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(texts), (BATCH,)).tolist()
        encodings = tokenizer.encode_batch([texts[at] for at in chosen])
        ids = torch.tensor([encoding.ids for encoding in encodings])
        mask = torch.tensor([encoding.attention_mask for encoding in encodings])
        loss = model(input_ids=ids, attention_mask=mask, labels=wanted[chosen]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.3f}", flush=True)
    model.save_pretrained(folder)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64}), "utf-8")
    return names


def _tokenizer(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = (
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
    )
    tokenizer.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=PIECES, special_tokens=SPECIALS)
    )
    ends = [("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer

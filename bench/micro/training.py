"""Trains small text classifiers for the microcontroller bench: with a vocabulary of their own, and without one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn

from edgeemb.models.huggingface.modules import SequenceClassifier
from edgeemb.models.words import make_words_model, save_words_model
from edgeemb.tables.ngrams import pad_tokens
from edgeemb.text import words

PIECES = 2000
EPOCHS = 5
BATCH = 64
TOKENS = 64
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
#: Without a vocabulary: rows of 256 elements, which a projection takes to the 128 of the encoder; about 0.36 MB as int8.
FORM = words.RowForm(width=16, n=3, lanes=8, dim=256, seed=0)
WORD_EPOCHS = 12


def train(texts: list[str], labels: list[str], folder: Path) -> list[str]:
    """Train and save a BERT of two layers with 96 elements.

    :param texts: training texts.
    :param labels: class of each.
    :param folder: where the model goes, in the form of transformers.
    :return: names of the classes, in the order of the logits.
    """
    _prepare()
    names = sorted(set(labels))
    tokenizer = _tokenizer(texts)
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=96, intermediate_size=192, num_hidden_layers=2, num_attention_heads=3,
        max_position_embeddings=TOKENS, num_labels=len(names), initializer_range=0.05, id2label=dict(enumerate(names)),
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(pad_id=0)

    def logits(chosen: list[int]) -> Tensor:
        encodings = tokenizer.encode_batch([texts[at] for at in chosen])
        ids = torch.tensor([encoding.ids for encoding in encodings])
        mask = torch.tensor([encoding.attention_mask for encoding in encodings])
        given: Tensor = model(input_ids=ids, attention_mask=mask).logits
        return given

    _fit(model.parameters(), logits, [names.index(label) for label in labels], EPOCHS)
    model.save_pretrained(folder)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": TOKENS}), "utf-8")
    return names


def train_words(texts: list[str], labels: list[str], folder: Path) -> list[str]:
    """Train and save a BERT of two layers with 128 elements that computes its rows from the bytes of words.

    :param texts: training texts.
    :param labels: class of each.
    :param folder: where the model goes, in the form of `edgeemb.models.words`.
    :return: names of the classes, in the order of the logits.
    """
    _prepare()
    folder.mkdir()
    names = sorted(set(labels))
    config = transformers.BertConfig(
        hidden_size=128, intermediate_size=320, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=TOKENS,
        num_labels=len(names), initializer_range=0.05, id2label=dict(enumerate(names)),
    )  # fmt: skip
    module = make_words_model(config, FORM)
    assert isinstance(module.inner, SequenceClassifier)
    found = [words.tokenize(text, FORM.width, TOKENS) for text in texts]
    known: dict[bytes, int] = {}
    places = [[known.setdefault(token, len(known) + 1) for token in tokens] for tokens in found]
    # Rows do not learn, so that each word's is computed once; the first is that of padding.
    with torch.no_grad():
        rows = module.rows(torch.from_numpy(pad_tokens([b"", *known], FORM.width)))

    def logits(chosen: list[int]) -> Tensor:
        ids = nn.utils.rnn.pad_sequence([torch.tensor(places[at]) for at in chosen], batch_first=True)
        given: Tensor = module.inner(module.projection(rows[ids]), (ids > 0).to(torch.int64))
        return given

    module.train()
    _fit(module.parameters(), logits, [names.index(label) for label in labels], WORD_EPOCHS)
    save_words_model(folder, module.eval(), max_length=TOKENS)
    return names


def _prepare() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # steps are small, and threads that wait for each other cost more


def _fit(
    parameters: Iterable[nn.Parameter], logits: Callable[[list[int]], Tensor], labels: list[int], epochs: int
) -> None:
    """Cross entropy over random batches, the rate rising and falling once."""
    wanted = torch.from_numpy(np.array(labels))
    optimizer = torch.optim.AdamW(parameters, lr=2e-3)
    steps = epochs * (len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(labels), (BATCH,)).tolist()
        loss = nn.functional.cross_entropy(logits(chosen), wanted[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.3f}", flush=True)


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
